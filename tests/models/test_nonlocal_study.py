"""The non-local paper's own networks: their layer table and what they cost beside each other."""

from functools import partial

import pytest

from marey.presets import PRESETS, Preset, count, find_preset, layer_table

STUDY = [preset for preset in PRESETS.values() if preset.family == "non-local study"]


def test_the_layer_table_of_the_paper() -> None:
    """Its table 1: C2D of ResNet-50 for 32 frames of 224 px."""
    rows = {row.name: (row.kind, row.size[1:]) for row in layer_table(find_preset("c2d_r50_32x2"))}
    assert rows["net.conv1.conv"] == ("conv 1x7x7, stride 2x2x2", (16, 112, 112))
    assert rows["net.pool1"] == ("max pool 3x3x3, stride 2x2x2", (8, 56, 56))
    assert rows["net.res2.block2.body.conv3.conv"] == ("conv 1x1x1", (8, 56, 56))
    assert rows["net.pool2"] == ("max pool 3x1x1, stride 2x1x1", (4, 56, 56))
    assert rows["net.res3.block3.body.conv3.conv"] == ("conv 1x1x1", (4, 28, 28))
    assert rows["net.res4.block5.body.conv3.conv"] == ("conv 1x1x1", (4, 14, 14))
    assert rows["net.res5.block2.body.conv3.conv"] == ("conv 1x1x1", (4, 7, 7))
    assert rows["net.mean"] == ("mean to 1x1x1", (1, 1, 1))
    assert not any(kind.startswith("conv 3x") for kind, _ in rows.values())


@pytest.mark.parametrize(
    "name, flops, params",
    [
        ("c2d_r101_32x2", 1.0, 1.0),
        ("i3d_r101_32x2", 1.5, 1.2),
        ("i3d_3x3x3_r101_32x2", 1.8, 1.5),
        ("c2d_nl5_r101_32x2", 1.2, 1.2),
    ],
)
def test_costs_beside_c2d_of_r101_are_the_papers(name: str, flops: float, params: float) -> None:
    cost, plain = count(find_preset(name)), count(find_preset("c2d_r101_32x2"))
    assert cost.gmacs / plain.gmacs == pytest.approx(flops, abs=0.1)
    assert cost.params / plain.params == pytest.approx(params, abs=0.1)


def test_non_local_r50_is_cheaper_than_r101() -> None:
    ours, plain = count(find_preset("c2d_nl5_r50_32x2")), count(find_preset("c2d_r101_32x2"))
    assert ours.params / plain.params == pytest.approx(0.7, abs=0.05)
    assert ours.gmacs / plain.gmacs == pytest.approx(0.8, abs=0.05)


def test_every_choice_of_the_study_has_its_network() -> None:
    names = {preset.name for preset in STUDY}
    assert {f"c2d_nl{n}_{depth}_32x2" for n in (1, 5, 10) for depth in ("r50", "r101")} <= names
    assert {f"c2d_nl1_{stage}_r50_32x2" for stage in ("res2", "res3", "res5")} <= names
    assert {f"c2d_nl5_{over}_r50_32x2" for over in ("space", "time")} <= names
    assert {f"c2d_nl1_{kind}_r50_32x2" for kind in ("gaussian", "dot_product", "concatenation", "unscaled")} <= names
    assert {preset.clip.frames for preset in STUDY} == {8, 32, 128}


@pytest.mark.parametrize("preset", STUDY, ids=lambda preset: preset.name)
def test_names_say_what_the_networks_are(preset: Preset) -> None:
    assert isinstance(preset.build, partial)
    given = preset.build.keywords
    blocks = sum(len(stage) for stage in given.get("non_local", ()))
    assert (f"nl{blocks}" in preset.name) == bool(blocks)
    assert len(given["times"][2]) == (23 if "r101" in preset.name else 6)
    assert ("3x3x3" in preset.name) == (given.get("inflate") == "3x3")
    assert preset.name.startswith("i3d") == (given.get("stem") == 5)
    attend = given["attend"].keywords if "attend" in given else {}
    for words in (attend.get("over"), attend.get("affinity"), None if attend.get("scaled", True) else "unscaled"):
        assert words is None or f"_{words}_" in preset.name
    assert preset.name.endswith(f"_{preset.clip.frames}x{preset.clip.stride}")


@pytest.mark.parametrize("stage, at", [("res2", 1), ("res3", 2), ("res4", 4), ("res5", 1)])
def test_a_single_block_stands_before_the_last_residual_block(stage: str, at: int) -> None:
    name = "c2d_nl1_r50_32x2" if stage == "res4" else f"c2d_nl1_{stage}_r50_32x2"
    order = [row.name.split(".")[2] for row in layer_table(find_preset(name)) if row.name.startswith(f"net.{stage}.")]
    steps = list(dict.fromkeys(order))
    assert steps[-3:] == [f"block{at}", f"non_local{at}", f"block{at + 1}"]
