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


def test_images_have_stages_of_one_frame() -> None:
    assert [row.size for row in stage_table(find_preset("resnet18"))][-1] == (512, 1, 7, 7)


def test_what_looks_at_values_has_stages_too() -> None:
    assert stage_table(find_preset("motion"))[0].name == "flow"


def test_the_command_shows_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "slowfast_stage", "--layers"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    rows = stage_table(find_preset("slowfast_stage"))
    assert [row.name for row in rows][-1] == "slow.res5"
    assert {f"{row.name} {' x '.join(map(str, row.size))}" for row in rows} <= set(lines)
