"""Networks that are fed motion are trained, scored and asked about videos as all others are."""

from pathlib import Path

import numpy as np
import pytest

from marey.jobs import Trial, evaluate, predict, train


@pytest.fixture(scope="module")
def trial(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    out = tmp_path_factory.mktemp("two-stream") / "run"
    return train(small_films / "annotations.csv", preset="two_stream_stage", epochs=1, workers=0, out=out)


def test_a_network_of_frames_and_flow_learns_and_is_scored(trial: Trial) -> None:
    (evaluation,) = trial.evaluations.values()
    assert np.isfinite(evaluation.metrics["top1"].value)
    assert evaluation.protocol["preset"] == "two_stream_stage"


def test_windows_and_clips_see_the_same_flow(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    film = small_films / "up" / "up0.mp4"
    table = tmp_path / "one.csv"
    table.write_text(f"path,label\n{film},up\n")
    (scored,) = evaluate(trial.folder, table, views="2x1")["label"].clips
    timelines, _ = predict(trial.folder, [str(film)], views="2x1", out=tmp_path / "out", overlay=False)
    (timeline,) = timelines.values()
    assert max(scored.scores) == pytest.approx(timeline.video_scores[scored.predicted], abs=1e-5)
