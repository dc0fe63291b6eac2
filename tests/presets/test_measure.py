from dataclasses import replace

import pytest
import torch
from kinds import ALL
from torch.utils.flop_counter import FlopCounterMode

from marey.presets import PRESETS, Preset, count, counted_in_part, find_preset, layer_table, trace_layers
from marey.video import ClipSpec

EXACT = {  # parameters, and GMACs where a source has them
    "c3d": (78_409_573, 38.547),
    "c3d_unpadded": (63_729_509, None),
    "r3d_18": (33_371_472, 40.697),
    "mc3_18": (11_695_440, 43.343),
    "r2plus1d_18": (31_505_325, 40.519),
    "resnet18": (11_689_512, 1.814),
    "resnet50": (25_557_032, 4.089),
    "resnet101": (44_549_160, 7.801),
    "resnet34": (21_797_672, 3.664),
    "resnet152": (60_192_808, 11.514),
    "efficientnet_lite0": (4_652_008, None),
}


@pytest.mark.parametrize(
    "name, in_part",
    [
        ("motion", True),
        ("motion_appearance", True),
        ("two_stream_flow_stage", True),
        ("vectors_stage", True),
        ("motion_stage", False),
        ("r2plus1d_18", False),
    ],
)
def test_what_is_computed_by_hand_is_known_not_to_be_counted(name: str, in_part: bool) -> None:
    preset = find_preset(name)
    assert counted_in_part(preset.mini.build(num_classes=2), preset.clip) == in_part


@pytest.mark.parametrize("name", EXACT)
def test_costs_are_the_published_ones(name: str) -> None:
    params, gmacs = EXACT[name]
    cost = count(find_preset(name))
    assert cost.params == params
    assert gmacs is None or cost.gmacs == pytest.approx(gmacs, abs=5e-4)


def never_run(preset: Preset, layers: set[str]) -> int:
    """How many of the parameters that do not matter are of layers that no clip passes."""
    with torch.device("meta"):
        parameters = dict(preset.build(num_classes=preset.classes).named_parameters())
    return sum(parameters[key].numel() for key in preset.dead_keys if key.rpartition(".")[0] not in layers)


@pytest.mark.parametrize("preset", ALL)
def test_layers_add_up_to_the_whole(preset: Preset) -> None:
    rows, cost = layer_table(preset), count(preset)
    assert sum(row.params for row in rows) + never_run(preset, {row.name for row in rows}) == cost.params
    assert sum(row.gmacs for row in rows) <= cost.gmacs + 1e-9
    assert len({row.name for row in rows}) == len(rows)


@pytest.mark.parametrize("name", ["r2plus1d_stage", "cnn_lstm_stage", "efficientnet_lite0_attention", "motion_stage"])
def test_costs_are_those_of_the_flop_counter(name: str) -> None:
    preset = find_preset(name)
    side = preset.clip.side_px
    with torch.device("meta"):
        model, video = (
            preset.build(num_classes=preset.classes).eval(),
            torch.empty(1, 3, preset.clip.frames, side, side),
        )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(video)
    assert count(preset).gmacs == pytest.approx(counter.get_total_flops() / 2e9)


def test_stage_presets_are_cheap_enough_for_a_cpu() -> None:
    assert max(count(p).gmacs for p in PRESETS.values() if p.name.endswith("_stage")) < 0.3
    assert count(find_preset("motion_stage")).gmacs < 0.15


def fields(name: str) -> list[tuple[int, int, int]]:
    return [row.field for row in layer_table(find_preset(name))]


def test_receptive_fields_of_the_teaching_table() -> None:
    whole = [(20, 64, 64)] * 2  # the mean, and the classifier on it
    assert fields("late_fusion_lecture") == [(1, 3, 3), (1, 6, 6), (1, 14, 14), *whole]
    assert fields("early_fusion_lecture") == [(20, 3, 3), (20, 6, 6), (20, 14, 14), *whole]
    assert fields("slow_fusion_lecture") == [(3, 3, 3), (6, 6, 6), (14, 14, 14), *whole]


def test_sizes_of_the_teaching_table() -> None:
    sizes = {
        name: [row.size for row in layer_table(find_preset(f"{name}_fusion_lecture"))[:4]]
        for name in ("late", "early", "slow")
    }
    assert sizes["late"] == [(12, 20, 64, 64), (12, 20, 16, 16), (24, 20, 16, 16), (24, 1, 1, 1)]
    assert sizes["early"] == [(12, 1, 64, 64), (12, 1, 16, 16), (24, 1, 16, 16), (24, 1, 1, 1)]
    assert sizes["slow"] == [(12, 20, 64, 64), (12, 5, 16, 16), (24, 5, 16, 16), (24, 1, 1, 1)]


def test_layers_of_c3d_cost_what_the_lesson_says_and_the_connected_ones_what_they_do() -> None:
    rows = layer_table(find_preset("c3d"))
    convolutions = [round(row.gmacs, 2) for row in rows if row.kind.startswith("conv")]
    assert convolutions == [1.04, 11.10, 5.55, 11.10, 2.77, 5.55, 0.69, 0.69]
    connected = [row.gmacs for row in rows if row.kind == "fully connected"]
    assert connected == pytest.approx([8192 * 4096 / 1e9, 4096 * 4096 / 1e9, 4096 * 101 / 1e9])


@pytest.mark.parametrize("name, side", [("resnet18", 435), ("resnet50", 427)])
def test_fields_of_residual_networks(name: str, side: int) -> None:
    """By hand: 11 pixels after the pooling, then 2 jumps for every 3 x 3 convolution on the longest way through."""
    preset = find_preset(name)
    with torch.device("meta"):
        model = preset.build(num_classes=preset.classes)
    for side_px in (640, 224):
        rows = trace_layers(model, replace(preset.clip, side_px=side_px, short_px=side_px))
        *_, last = [row for row in rows if row.name.endswith("conv2.conv")]
        assert last.field == (1, min(side, side_px), min(side, side_px)) and last.jump == (1, 32, 32)


@pytest.mark.parametrize("preset", ALL)
def test_no_layer_sees_more_than_the_input(preset: Preset) -> None:
    sides = (preset.clip.frames, preset.clip.side_px, preset.clip.side_px)
    assert all(seen <= side for row in layer_table(preset) for seen, side in zip(row.field, sides, strict=True))


def test_fields_of_c3d_grow_up_to_the_input() -> None:
    frames = [row.field[0] for row in layer_table(find_preset("c3d"))]
    assert frames == [3, 3, 5, 6, 10, 14, *[16] * (len(frames) - 6)] and len(frames) == 16


def test_kinds_say_what_a_layer_does() -> None:
    kinds = {
        row.kind
        for name in (
            "r2plus1d_18",
            "resnet18",
            "efficientnet_lite0",
            "cnn_lstm",
            "motion_stage",
            "efficientnet_lite0_tcn",
        )
        for row in layer_table(find_preset(name))
    }
    assert {
        "conv 1x7x7, stride 1x2x2",
        "conv 3x1x1",
        "max pool 3x3, stride 2x2",
        "conv 5x5, stride 2x2, 144 groups",
        "conv 3, dilation 4",
        "LSTM",
        "mean to 4x1x1",
        "mean to 1x1",
        "fully connected",
    } <= kinds


def test_a_model_is_counted_for_any_input_and_left_alone() -> None:
    model = find_preset("single_frame_stage").build(num_classes=5).train()
    spec = ClipSpec(frames=4, stride=1, side_px=32, short_px=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    once = ClipSpec(frames=1, stride=1, side_px=32, short_px=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert count(model, spec).gmacs == pytest.approx(4 * count(model, once).gmacs)
    assert model.training and not any(p.is_meta for p in model.parameters())
    with pytest.raises(ValueError, match="a model is counted for the input of a clip specification; give its spec"):
        count(model)
