"""The stage table of a model."""

import pytest

from marey.app.cli import main
from marey.presets import find_preset, stage_table


def test_the_stages_of_slowfast_are_those_of_the_paper() -> None:
    """Its table 1 has 224 px and alpha 8; the preset has 256 px and alpha 4."""
    channels = {"conv1": (64, 8), "res2": (256, 32), "res3": (512, 64), "res4": (1024, 128), "res5": (2048, 256)}
    sides = {"conv1": 128, "res2": 64, "res3": 32, "res4": 16, "res5": 8}
    want = {
        f"{path}.{stage}": (channels[stage][i], frames, side, side)
        for i, (path, frames) in enumerate((("slow", 8), ("fast", 32)))
        for stage, side in sides.items()
    }
    assert {row.name: row.size for row in stage_table(find_preset("slowfast_r50_8x8"))} == want


def test_the_blocks_are_those_of_the_paper() -> None:
    layers = {row.name: row.layers for row in stage_table(find_preset("slowfast_r50_8x8"))}
    assert layers["slow.conv1"] == "1x7x7, 64" and layers["fast.conv1"] == "5x7x7, 8"
    assert layers["slow.res2"] == "[1x1x1, 64; 1x3x3, 64; 1x1x1, 256] x 3"
    assert layers["slow.res4"] == "[3x1x1, 256; 1x3x3, 256; 1x1x1, 1024] x 6"
    assert layers["fast.res5"] == "[3x1x1, 64; 1x3x3, 64; 1x1x1, 256] x 3"


def test_a_stage_is_told_from_a_part_that_is_called_like_it() -> None:
    """Every block of I3D has a conv1 of its own; the blocks' answers behind attention keep their size."""
    layers = {row.name: row.layers for row in stage_table(find_preset("i3d_nl_r50_8x8"))}
    assert layers["conv1"] == "5x7x7, 64"
    assert layers["res3"].count("[1x1x1, 256; 1x1x1, 256; 1x1x1, 256; 1x1x1, 512]") == 2


def test_images_have_stages_of_one_frame() -> None:
    assert [row.size for row in stage_table(find_preset("resnet18"))][-1] == (512, 1, 7, 7)


def test_what_looks_at_values_has_stages_too() -> None:
    assert stage_table(find_preset("motion"))[0].name == "flow"


def test_the_command_shows_the_pathways_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """Written to a pipe, no line is folded."""
    assert main(["models", "slowfast_stage", "--layers"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    size = {row.name: " x ".join(map(str, row.size)) for row in stage_table(find_preset("slowfast_stage"))}
    assert f"{size['slow.res5']} {size['fast.res5']}" in lines
