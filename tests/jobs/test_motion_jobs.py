"""Networks that are fed motion are trained, scored and asked about videos as all others are."""

import json
from pathlib import Path

import numpy as np
import pytest

from marey.app.cli import main
from marey.errors import CheckpointError, DataError, UsageError
from marey.jobs import ClassEdits, Trial, evaluate, evaluate_together, predict, train
from marey.jobs.narrate import Silent
from marey.results import Evaluation
from marey.video import open_video
from marey.video.reel import Reel
from moving_video import write_moving, write_two_sizes


@pytest.fixture(scope="module")
def trial(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    out = tmp_path_factory.mktemp("two-stream") / "run"
    return train(small_films / "annotations.csv", preset="two_stream_stage", epochs=1, workers=0, out=out)


def test_a_network_of_frames_and_flow_learns_and_is_scored(trial: Trial) -> None:
    (evaluation,) = trial.evaluations.values()
    assert np.isfinite(evaluation.metrics["top1"].value)
    assert evaluation.protocol["preset"] == "two_stream_stage"
    assert evaluation.protocol["input"] == "rgb+flow (DIS fast, within 20 px)"
    wrong = any(not clip.right for clip in evaluation.clips)
    page = (trial.folder / "report.html").read_text()
    assert ("The network was fed rgb+flow (DIS fast, within 20 px)." in page) == wrong


def test_windows_and_clips_see_the_same_flow(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    film = small_films / "up" / "up0.mp4"
    table = tmp_path / "one.csv"
    table.write_text(f"path,label\n{film},up\n")
    (scored,) = evaluate(trial.folder, table, views="2x1")["label"].clips
    timelines, _ = predict(trial.folder, [str(film)], views="2x1", out=tmp_path / "out", overlay=False)
    (timeline,) = timelines.values()
    assert max(scored.scores) == pytest.approx(timeline.video_scores[scored.predicted], abs=1e-5)


def test_views_of_a_video_are_read_on_the_way(trial: Trial, small_films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame is decoded once for the windows and all views together."""
    shown: list[int] = []
    step = Reel.step

    def counted(self: Reel) -> None:
        step(self)
        shown.extend([] if self.next is None else [self.next.tick])

    monkeypatch.setattr(Reel, "step", counted)
    predict(trial.folder, [str(small_films / "up" / "up0.mp4")], views="3x3")
    assert len(shown) == len(set(shown)) > 10


def test_a_film_with_arrows(
    trial: Trial, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(trial.folder), str(small_films / "up" / "up0.mp4"), "-q", "--arrows", "--out"]
    assert main([*words, str(tmp_path / "out")]) == 0
    with open_video(tmp_path / "out" / "up0.overlay.mp4") as video:
        frames = np.stack([frame[:360] for _, frame in video.stream()]).astype(int)
    arrows = (abs(frames - (255, 214, 10)).sum(-1) < 100).sum((1, 2))
    assert len(arrows) == 20 and np.median(arrows) > 50
    assert main([*words, str(tmp_path / "none"), "--no-overlay"]) == 2
    assert "--arrows are drawn in the film, and --no-overlay writes none; drop one" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def streams(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A network of frames and one of motion vectors, trained apart on one split."""
    root = tmp_path_factory.mktemp("streams")
    presets = ("single_frame_stage", "vectors_stage")
    data = small_films / "annotations.csv"
    return [train(data, preset=name, epochs=1, workers=0, out=root / name).folder for name in presets]


def test_streams_trained_apart_are_evaluated_together(streams: list[Path]) -> None:
    scores = [_scores(evaluate(run)["label"]) for run in streams]
    runs = [str(run) for run in streams]
    added, mean = (_scores(evaluate_together(runs, fuse=fuse)["label"]) for fuse in ("add", "mean"))
    np.testing.assert_allclose(mean, (scores[0] + scores[1]) / 2, atol=1e-6)
    product = scores[0] * scores[1]
    np.testing.assert_allclose(added, product / product.sum(1, keepdims=True), atol=1e-5)
    svm = evaluate_together(runs, fuse="svm")["label"]
    assert svm.protocol["fuse"] == "svm fitted on 3 clips of val"
    assert svm.protocol["preset"] == "single_frame_stage + vectors_stage"


def _scores(evaluation: Evaluation) -> np.ndarray:
    return np.array([clip.scores for clip in evaluation.clips])


@pytest.fixture(scope="module")
def some_without(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips, one of them without motion vectors."""
    folder = tmp_path_factory.mktemp("some")
    other = write_moving(folder / "other.webm", codec="libvpx-vp9")
    films = [f"{small_films}/{name}/{name}{number}.mp4,{name}" for number in (0, 1) for name in ("up", "down")]
    (folder / "some.csv").write_text("\n".join(["path,label", *films[:3], f"{other},down"]) + "\n")
    return folder / "some.csv"


def test_a_stream_that_lacks_a_clip_leaves_it_to_the_others(
    streams: list[Path], some_without: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [evaluate(run, some_without)["label"] for run in streams]
    assert [len(each.clips) for each in alone] == [4, 3]
    told = _Told()
    for fuse in ("add", "mean-logits"):
        fused = evaluate_together(streams, some_without, fuse=fuse, narrator=told)["label"]
        assert fused.protocol["clips_lacking"] == "0 + 1" and not fused.quarantined
        np.testing.assert_allclose(_scores(fused)[3], _scores(alone[0])[3], atol=1e-5)
    assert "vectors_stage has nothing to say of 1 of 4 clips (first" in told.said[0]
    product = np.sqrt(_scores(alone[0])[:3] * _scores(alone[1]))
    np.testing.assert_allclose(_scores(fused)[:3], product / product.sum(1, keepdims=True), atol=1e-5)
    parts = fused.breakdowns["models"]
    assert list(parts) == ["1 single_frame_stage, 4 clips", "2 vectors_stage, 3 clips"]
    for part, own, clips in zip(parts.values(), alone, (4, 3), strict=True):
        assert part["top1"] == own.metrics["top1"]
        right = [clip.right for clip in fused.clips[:clips]]
        assert part["together_less"].value == pytest.approx(np.mean(right) - own.metrics["top1"].value)
    assert main(["evaluate", *map(str, streams), str(some_without), "--fuse", "mean-logits", "-q"]) == 0
    said = capsys.readouterr().out
    assert "clips_lacking 0 + 1" in said.replace("\n", " ") and "2 vectors_stage, 3 clips" in said


class _Told(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_videos_without_vectors_are_refused_in_one_sentence(
    streams: list[Path], small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [write_moving(tmp_path / f"{k}.webm", codec="libvpx-vp9", count=3) for k in range(3)]
    table = tmp_path / "most.csv"
    rows = [f"{path},down" for path in paths] + [f"{small_films}/up/up{k}.mp4,up" for k in range(2)]
    table.write_text("\n".join(["path,label", *rows]) + "\n")
    sentence = (
        f"3 of 5 videos of {table} have no motion vectors that can be read, first {paths[0]}; make copies that have "
        f"them: marey prepare {table} --kind csv --out prepared"
    )
    out = tmp_path / "run"
    for arguments in (
        ["train", str(table), "--kind", "csv", "--preset", "vectors_stage", "--out", str(out)],
        ["evaluate", str(streams[1]), str(table), "--kind", "csv"],
    ):
        assert main([*arguments, "-q"]) == 2
        assert capsys.readouterr().err.replace("\n", " ").count(sentence) == 1
    with pytest.raises(
        DataError, match=r"vectors_stage could read none of the 1 clip .* whose motion vectors cannot be"
    ):
        table.write_text(f"path,label\n{paths[0]},down\n")
        evaluate_together(streams, table)
    assert not out.exists()


def test_what_has_no_motion_is_set_aside(
    trial: Trial, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write_moving(tmp_path / "one.mp4", count=1), write_two_sizes(tmp_path / "two.mp4")
    table = tmp_path / "some.csv"
    table.write_text(f"path,label\n{one},up\n{two},up\n{small_films}/up/up0.mp4,up\n")
    found = evaluate(trial.folder, table, views="3x1")["label"]
    assert len(found.clips) == 1
    assert "has only one frame" in found.quarantined[str(one)] and "192 x 64 at 1" in found.quarantined[str(two)]
    timelines, bad = predict(trial.folder, [str(one), str(two)])
    assert not timelines and "has only one frame" in bad[str(one)] and "192 x 64 at 1.000 s" in bad[str(two)]
    assert main(["prepare", str(one), "--out", str(tmp_path / "out")]) == 1
    assert "no copy of it can have motion" in capsys.readouterr().err.replace("\n", " ")


def test_what_cannot_be_fused_is_refused(
    streams: list[Path], small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="one model has nothing to be fused with; name two or more"):
        evaluate_together(streams[:1])
    with pytest.raises(UsageError, match=r"a model is named twice \(.*model.safetensors\); fuse different ones"):
        evaluate_together([streams[0], streams[0] / "model.safetensors"])
    with pytest.raises(UsageError, match="--fuse is 'max'; it is one of add, mean, mean-logits, svm"):
        evaluate_together(streams, fuse="max")
    table = tmp_path / "all.csv"
    table.write_text(f"path,label\n{small_films}/up/up0.mp4,up\n")
    with pytest.raises(
        UsageError, match=r"--fuse svm is fitted on validation clips, and .* leaves none beside the all"
    ):
        evaluate_together(streams, table, fuse="svm")
    edits = ClassEdits(leave_out=("still",))
    data = small_films / "annotations.csv"
    other = train(data, preset="single_frame_stage", epochs=1, workers=0, out=tmp_path / "two", edits=edits).folder
    with pytest.raises(UsageError, match=r"\(3 classes\) and single_frame_stage \(2 classes\) do not tell the same"):
        evaluate_together([streams[0], other])
    sentences = {
        (
            str(streams[0]),
            str(streams[1]),
        ): "2 models are named; say with --fuse how to merge what they say: add, mean, mean-logits, svm",
        (str(streams[0]), "--fuse", "add"): "--fuse needs two models or more",
        (str(streams[0]), "--fuse", "max"): "--fuse is 'max'; it can be add, mean, mean-logits or svm",
    }
    for arguments, sentence in sentences.items():
        assert main(["evaluate", *arguments]) == 2
        assert sentence in capsys.readouterr().err


def test_the_command_fuses(streams: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *map(str, streams), "--fuse", "add", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["protocol"]["fuse"] == "add"


def test_flow_starts_from_what_frames_have_taught(small_films: Path, tmp_path: Path) -> None:
    data = small_films / "annotations.csv"
    frames = train(data, preset="two_stream_rgb_stage", epochs=1, workers=0, out=tmp_path / "rgb").folder
    flow = train(data, preset="two_stream_flow_stage", start_from=frames, epochs=1, workers=0, out=tmp_path / "flow")
    assert np.isfinite(flow.evaluations["label"].metrics["top1"].value)
    with pytest.raises(CheckpointError, match="does not fit"):
        train(data, preset="vectors_stage", start_from=frames, epochs=1, workers=0, out=tmp_path / "other")
    with pytest.raises(
        UsageError, match="is of preset two_stream_rgb_stage and --preset is single_frame_stage; drop one"
    ):
        train(data, preset="single_frame_stage", start_from=frames, workers=0, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()
