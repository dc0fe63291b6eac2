import json
from dataclasses import replace
from pathlib import Path

import pytest
from kinds import ALL

from marey.presets import PRESETS, Preset, cost_of, count, find_preset, model_row, model_rows, models_markdown

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_rows_are_the_presets_in_order() -> None:
    rows = model_rows()
    assert [row.name for row in rows] == list(PRESETS)
    assert len(json.loads(json.dumps([row.to_dict() for row in rows]))) == len(PRESETS)


def test_a_row_has_the_keys_that_programs_read() -> None:
    row = model_row(find_preset("c3d")).to_dict()
    assert row["input"] == {"frames": 16, "stride": 1, "side": 112}
    assert (row["name"], row["family"], row["params"], row["classes"]) == ("c3d", "C3D", 78_409_573, 101)
    assert row["gmacs"] == pytest.approx(38.547, abs=1e-3)
    assert "arXiv:1412.0767" in row["paper"]


def test_sixteen_frames_at_25_a_second_see_two_thirds_of_one() -> None:
    assert model_row(find_preset("c3d"), fps=25.0).footprint_s == pytest.approx(0.64)
    assert model_row(find_preset("c3d"), fps=50.0).footprint_s == pytest.approx(0.32)
    assert model_row(find_preset("r3d_18"), fps=50.0).footprint_s == pytest.approx(16 / 15)  # has a rate of its own
    assert model_row(find_preset("efficientnet_lite0_mean")).footprint_s is None  # spread over the clip


def test_a_frame_rate_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fps is 0\.0; it must be positive"):
        model_rows(fps=0.0)


@pytest.mark.parametrize("preset", ALL)
def test_the_kept_cost_is_the_measured_one(preset: Preset) -> None:
    assert cost_of(preset) == count(preset), "presets/costs.json is stale; write it anew with `make tables`"


def test_a_preset_outside_the_table_is_measured() -> None:
    other = replace(find_preset("single_frame_stage"), classes=5)
    assert cost_of(other).params < cost_of(find_preset("single_frame_stage")).params


def test_the_document_is_what_the_table_says() -> None:
    assert DOCUMENT.read_text() == models_markdown(), "docs/models.md is stale; write it anew with `make tables`"


def test_presets_are_documented_and_fit_for_use() -> None:
    for preset in PRESETS.values():
        assert preset.family and preset.paper and preset.classes > 1
        assert all(score.protocol and score.source for score in preset.scores)
        assert preset.name == preset.name.lower()
