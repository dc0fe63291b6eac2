from functools import partial

import pytest
import torch
from torch import nn

from marey.models import Motionformer
from marey.nn import Nystrom, Orthoformer, TrajectoryAttention
from marey.presets import PRESETS, count, create_model

EXACT = {
    "motionformer_b_16x4": (109_144_720, 369.359),
    "motionformer_hr_16x8": (109_144_720, 958.405),
    "motionformer_l_32x3": (109_150_864, 1184.869),
    "motionformer_joint_16x4": (87_883_408, 180.488),
    "motionformer_divided_16x4": (116_250_256, 185.545),
}
small = partial(Motionformer, dim=24, depth=4, heads=3, patch=(2, 4), frames=4, side=16)


@pytest.mark.parametrize("name", EXACT)
def test_costs_are_the_published_ones(name: str) -> None:
    params, gmacs = EXACT[name]
    cost = count(PRESETS[name])
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, abs=5e-4)


@pytest.mark.parametrize("classes, params", [(174, 108_970_926), (97 + 300, 109_142_413)], ids=["ssv2", "epic"])
def test_parameters_of_other_heads(classes: int, params: int) -> None:
    with torch.device("meta"):
        model = PRESETS["motionformer_b_16x4"].build(num_classes=classes)
    assert sum(p.numel() for p in model.parameters()) == params


def test_the_papers_values_and_landmarks_are_an_argument_apart() -> None:
    video = torch.randn(1, 3, 4, 16, 16)
    builds = (
        small(num_classes=5),
        small(num_classes=5, project_values=True),
        small(num_classes=5, landmarks=partial(Orthoformer, 8)),
        small(num_classes=5, landmarks=partial(Nystrom, 8)),
    )
    for p in builds[0].parameters():
        nn.init.normal_(p, std=0.3)
    logits = []
    for model in builds:
        model.load_state_dict(builds[0].state_dict(), strict=True)
        logits.append(model.eval()(video))
    assert all((a - b).abs().max() > 1e-4 for i, a in enumerate(logits) for b in logits[:i])


@pytest.mark.parametrize("variant", ["paper", "orthoformer", "nystrom"])
def test_variants_of_the_preset_are_those_builds(variant: str) -> None:
    with torch.device("meta"):
        model = create_model("motionformer_b_16x4", variant=variant)
    attention = model.get_submodule("blocks.0.attention")
    assert isinstance(attention, TrajectoryAttention)
    assert attention.project_values == (variant == "paper")
    kinds = {"orthoformer": Orthoformer, "nystrom": Nystrom}
    if variant in kinds:
        assert isinstance(attention.landmarks, kinds[variant]) and attention.landmarks.count == 128


def test_feature_maps_are_named_by_their_depth() -> None:
    maps = small(num_classes=5, depth=8).eval().features(torch.randn(2, 3, 4, 16, 12))
    assert list(maps) == ["patches", "block2", "block4", "block6", "block8"]
    assert {tuple(x.shape) for x in maps.values()} == {(2, 24, 2, 4, 3)}


@pytest.mark.parametrize("attention", ["trajectory", "joint", "divided"])
def test_clips_of_other_sizes_are_taken(attention: str) -> None:
    model = small(num_classes=5, attention=attention).eval()
    assert model(torch.randn(2, 3, 6, 24, 20)).shape == (2, 5)


def test_in_training_the_last_block_is_skipped_most() -> None:
    model = small(num_classes=5, drop_path=0.3)
    rates = [block.get_submodule("drop_path").rate for block in model.blocks]  # type: ignore[union-attr]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])


def test_what_does_not_divide_by_the_patch_is_refused() -> None:
    model = small(num_classes=5)
    with pytest.raises(ValueError, match="video is 18 x 16 pixels; both sides must divide by the 4 pixels of a patch"):
        model(torch.randn(1, 3, 4, 18, 16))
    with pytest.raises(ValueError, match="video has 5 frames; they must divide by the 2 frames of a patch"):
        model(torch.randn(1, 3, 5, 16, 16))
    with pytest.raises(ValueError, match="sides of 18 pixels; patches of 2 frames and 4 pixels must divide them"):
        small(num_classes=5, side=18)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="attention is 'axial'; Motionformer knows trajectory, joint, divided"):
        small(num_classes=5, attention="axial")
    with pytest.raises(ValueError, match="divided attention goes through no landmarks; take attention='trajectory' or"):
        small(num_classes=5, attention="divided", landmarks=Orthoformer)
    with pytest.raises(ValueError, match="project_values is of trajectories; with attention='joint' leave it out"):
        small(num_classes=5, attention="joint", project_values=True)
    with pytest.raises(ValueError, match="Orthoformer has 128 landmarks for 32 tokens; give it 1 at least and 32 at"):
        small(num_classes=5, landmarks=Orthoformer)(torch.randn(1, 3, 4, 16, 16))
