"""A run is calibrated, keeps it, and obeys it wherever it is asked; what clips cannot show is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marey.app.cli import main
from marey.errors import CheckpointError, UsageError
from marey.jobs import Silent, Trial, calibrate, evaluate, evaluate_together, open_model, predict, train, with_labels
from marey.jobs.clips_of_run import manifest_of
from marey.jobs.run import read_run
from marey.jobs.scores import sample_answers
from marey.results import Evaluation
from marey.tasks import UNKNOWN, EventRule

LABELS = ("up", "down", "still")


@pytest.fixture(scope="module")
def table(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of each class to learn from, four to validate on, one to test."""
    sides = ("train",) * 3 + ("val",) * 4 + ("test",)
    rows = [f"{small_films}/{label}/{label}{i}.mp4,{label},{side}" for label in LABELS for i, side in enumerate(sides)]
    path = tmp_path_factory.mktemp("sides") / "sides.csv"
    path.write_text("\n".join(["path,label,split", *rows]))
    return path


@pytest.fixture(scope="module")
def trial(table: Path) -> Trial:
    return train(table, preset="single_frame_stage", epochs=3, workers=0, out=table.parent / "run")


@pytest.fixture
def run(trial: Trial, tmp_path: Path) -> Path:
    """A run of its own for every test that calibrates one."""
    return Path(shutil.copytree(trial.folder, tmp_path / "run"))


def scores(evaluation: Evaluation) -> np.ndarray:
    return np.array([clip.scores for clip in evaluation.clips])


def test_the_temperature_is_kept_and_obeyed_by_evaluate_and_predict(run: Path, trial: Trial, small_films: Path) -> None:
    film = str(small_films / "up" / "up7.mp4")
    before, (plain, _) = evaluate(run, workers=0)["label"], predict(run, film)
    found = calibrate(run, workers=0)
    said = json.loads(found.file.read_text())
    assert found.file == run / "calibration.json" and said["temperature"] == found.calibration.temperature
    temperature = found.calibration.temperature["label"]
    errors = found.calibration.protocol["negative_log_likelihood"]["label"]
    assert temperature != 1 and set(errors) == {"before", "after"}
    after, (warm, _) = evaluate(run, workers=0)["label"], predict(run, film)
    powers = scores(before) ** (1 / temperature)
    np.testing.assert_allclose(scores(after), powers / powers.sum(1, keepdims=True), atol=1e-5)
    assert after.metrics["top1"] == before.metrics["top1"]
    assert after.protocol["calibration"] == f"temperature {temperature:.3g} on 12 val clips"
    assert warm[film].protocol["calibration"] == after.protocol["calibration"]
    assert "calibration" not in before.protocol and "calibration" not in plain[film].protocol
    assert warm[film].video_scores != plain[film].video_scores
    assert calibrate(run, workers=0).calibration == found.calibration


def test_thresholds_are_kept_and_obeyed(run: Path, small_films: Path) -> None:
    film = str(small_films / "up" / "up3.mp4")  # of the clips that they are chosen on
    found = calibrate(run, recall=0.7, confidence=0.5, workers=0).calibration
    limits = found.thresholds["label"]
    assert set(limits) == set(LABELS)
    for row in found.protocol["classes"]["label"].values():
        assert row["clips"] == 4 and row["recall"] >= 0.7 and row["recall_at_least"] >= 0.7
    (timeline,) = predict(run, film)[0].values()
    assert timeline.protocol["events"]["threshold"] == limits
    assert timeline.events and all(event.score >= limits[event.label] for event in timeline.events)
    (overruled,) = predict(run, film, rule=EventRule(threshold=1.0))[0].values()
    assert overruled.protocol["events"]["threshold"] == 1.0 and not overruled.events
    evaluation = evaluate(run, workers=0, split="val")["label"]
    rows = evaluation.breakdowns["at its threshold"]
    for column, label in enumerate(LABELS):
        column = evaluation.labels.index(label)
        on = scores(evaluation)[:, column] >= limits[label]
        shown = np.array([label in clip.truth for clip in evaluation.clips])
        assert rows[label]["recall"].value == (on & shown).sum() / 4
        assert rows[label]["precision"].value == (on & shown).sum() / on.sum()


def test_clips_that_were_fitted_on_are_counted_and_told(run: Path) -> None:
    said: list[str] = []

    class Told(Silent):
        def say(self, sentence: str) -> None:
            if "calibrate" in sentence:
                said.append(sentence)

    told = Told()
    calibrate(run, workers=0, narrator=told)
    judged = evaluate(run, workers=0, narrator=told)["label"].protocol
    assert judged["clips_calibrated_on"] == 0 and not said
    fitted = evaluate(run, workers=0, split="val", narrator=told)["label"].protocol
    assert fitted["clips_calibrated_on"] == 12
    assert said == [
        "warning: the model was calibrated on 12 of the 12 clips, so calibration error and precision and recall at its "
        "thresholds say too little of others"
    ]
    manifest = manifest_of(read_run(run))
    test = replace(manifest, samples=manifest.part("test"))
    said.clear()
    calibrate(run, test, workers=0, narrator=told)
    assert said[0].startswith(f"warning: {len(test)} of the {len(test)} clips to calibrate on are test clips of")
    assert evaluate(run, workers=0)["label"].protocol["clips_calibrated_on"] == len(test)
    assert "clips of other data" in evaluate(run, workers=0)["label"].protocol["calibration"]
    kept = json.loads((run / "calibration.json").read_text())
    del kept["fitted_on"]  # as before they were kept
    (run / "calibration.json").write_text(json.dumps(kept))
    assert evaluate(run, workers=0)["label"].protocol["clips_calibrated_on"] == "unknown"


def test_false_alarms_are_refused_below_what_the_hours_support_and_kept_from_there_on(run: Path) -> None:
    kept = calibrate(run, workers=0).file.read_text()
    with pytest.raises(
        UsageError, match=r"too few to show 1/hour with 95 % confidence, which takes 3 hours"
    ) as refused:
        calibrate(run, false_alarms="1/hour", background="still", workers=0)
    assert (run / "calibration.json").read_text() == kept
    lowest = str(refused.value).partition("--false-alarms ")[2].partition(" ")[0]
    found = calibrate(run, false_alarms=lowest, background="still", workers=0).calibration
    assert set(found.thresholds["label"]) == {"up", "down"} and found.background == "still"
    wanted = float(lowest.removesuffix("/hour"))
    for row in found.protocol["classes"]["label"].values():
        assert row["hours"] == pytest.approx(8 * 2 / 3600) and row["false_alarms"] == 0
        assert row["false_alarms_per_hour_at_most"] <= wanted < 1.01 * row["false_alarms_per_hour_at_most"]


def test_the_background_makes_no_events(run: Path, small_films: Path) -> None:
    film = str(small_films / "still" / "still7.mp4")
    calibrate(run, recall=0.3, confidence=0.5, workers=0)
    seen = {event.label for event in predict(run, film)[0][film].events}
    background = max(seen)
    calibrate(run, recall=0.3, confidence=0.5, background=background, workers=0)
    assert {event.label for event in predict(run, film)[0][film].events} == seen - {background}


@pytest.mark.parametrize("by", ["energy", "distance"])
def test_the_unknown_is_told_from_the_known(by: str, run: Path, small_films: Path) -> None:
    rule = calibrate(run, unknown=by, accept=0.9, workers=0).calibration.unknown
    assert rule is not None and len(rule.known) == 12 and rule.level == 1.0
    assert (rule.means is not None) == (by == "distance")
    evaluation = evaluate(run, workers=0, split="val")["label"]
    assert evaluation.protocol["unknown_clips"] == 0
    assert f"unknown by {by}, 90 % of known clips accepted" in evaluation.protocol["calibration"]
    film = str(
        small_films / "still" / "still3.mp4"
    )  # of the clips that it was fitted on, and all its windows are alike
    assert UNKNOWN not in [e.label for e in predict(run, film)[0][film].events]
    trained = open_model(run)
    assert trained.calibration is not None
    narrow = replace(rule, known=tuple(novelty - 100 for novelty in rule.known))  # of a model that knows other clips
    other = replace(trained, calibration=replace(trained.calibration, unknown=narrow))
    (timeline,) = predict(other, film)[0].values()
    assert [(e.label, e.score) for e in timeline.events] == [(UNKNOWN, 1.0)]


def test_windows_and_clips_are_equally_novel(run: Path, small_films: Path) -> None:
    from marey.data import Quarantine, Sample
    from marey.jobs import Silent
    from marey.jobs.predict import look, window_length
    from marey.video import open_video

    calibrate(run, unknown="distance", accept=0.9, workers=0)
    trained, film = open_model(run), str(small_films / "down" / "down7.mp4")
    asked: dict[str, Any] = {"views": "1x1", "workers": 0, "narrator": Silent(), "use_cache": False}
    with open_video(film) as video:
        end_s = 1.0 + window_length(trained, video.info)
        seen = look(trained, video, hop_s=None, narrator=Silent(), what="", start_s=1.0, end_s=end_s)
    answer = sample_answers(trained, [Sample(film, {}, 1.0, end_s)], Quarantine(total=1), **asked)[0]
    assert seen.novelty == pytest.approx([answer.novelty], rel=1e-4)
    np.testing.assert_allclose(seen.scores[0], answer.probabilities, atol=1e-5)


def test_whole_networks_and_clips_with_several_labels_are_calibrated(small_films: Path, tmp_path: Path) -> None:
    rows = (small_films / "annotations.csv").read_text().splitlines()[1:]
    lines = [
        f"{small_films}/{path},{label}|{'late' if i % 2 else ''}".rstrip("|") + "|" * (i % 2 == 0)
        for i, row in enumerate(rows)
        for path, label, _ in [row.split(",")]
    ]
    data = tmp_path / "several.csv"
    data.write_text("\n".join(["path,label", *lines]))
    folder = train(data, preset="single_frame_stage", epochs=1, workers=0, out=tmp_path / "run").folder
    found = calibrate(folder, data, recall=0.5, confidence=0.6, unknown="distance", workers=0).calibration
    assert found.protocol["clips"] == 24 and found.protocol["clips_trained_on"] > 10
    assert set(found.thresholds["label"]) == {*LABELS, "late"}
    evaluation = evaluate(folder, data, workers=0)["label"]
    recalls = [row["recall"].value for row in evaluation.breakdowns["at its threshold"].values()]
    assert len(recalls) == 4 and min(recalls) >= 0.5 and evaluation.protocol["unknown_clips"] <= 1


def test_models_are_fused_calibrated_or_not(run: Path, trial: Trial) -> None:
    calibrate(run, workers=0)
    stamps = [evaluate_together(pair)["label"].protocol for pair in ([run, trial.folder], [trial.folder, run])]
    assert stamps[0]["calibration"].endswith(" + none") and stamps[1]["calibration"].startswith("none + ")


def test_what_does_not_fit_the_model_is_refused(run: Path) -> None:
    found = calibrate(run, workers=0)
    with pytest.raises(UsageError, match="is calibrated for its own class names; drop --labels"):
        with_labels(open_model(run), "kinetics400")
    other = json.loads(found.file.read_text())
    for change, sentence in (
        ({"checkpoint": "0" * 12}, r"was made for another model than model.safetensors now is; `marey calibrate"),
        ({"temperature": {"verb": 1.0}}, r"knows other heads than the model \(label\)"),
        ({"format": 9}, r"is damaged or of another version \(its format is 9 and this version reads 1\)"),
        ({"unknown": {}}, "is damaged or of another version"),
    ):
        found.file.write_text(json.dumps({**other, **change}))
        with pytest.raises(CheckpointError, match=sentence):
            open_model(run)
    found.file.write_text("{half")
    with pytest.raises(CheckpointError, match="is damaged or of another version"):
        evaluate(run)
    assert open_model(run, calibrated=False).calibration is None
    assert calibrate(run, workers=0).calibration == found.calibration
    moved = shutil.copy(run / "model.safetensors", run.parent / "alone.safetensors")
    assert open_model(Path(moved)).calibration is None and open_model(run / "model.safetensors").calibration is not None


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"precision": 0.9, "recall": 0.9}, "--precision and --recall are both given, and a threshold is for one"),
        ({"precision": 1.0}, "--precision is 1; give a number above 0 and below 1, such as 0.9"),
        ({"confidence": 0.9}, "--confidence has no effect without --precision, --recall or --false-alarms; add one"),
        ({"recall": 0.5, "confidence": 0.2}, "--confidence is 0.2; give a number from 0.5 to 0.9999"),
        ({"accept": 0.9}, "--accept has no effect without --unknown; add it"),
        ({"unknown": "magic"}, "--unknown is 'magic'; it can be energy or distance"),
        ({"unknown": "energy", "accept": 0.0}, "--accept is 0; give a number above 0"),
        ({"unknown": "energy"}, r"the 12 val clips of .* are too few .* takes 19; give more .* or --accept 0.923"),
        ({"false_alarms": "often"}, "--false-alarms is 'often'; write a number above 0 and a time, such as 1/hour"),
        ({"false_alarms": "0/hour"}, "--false-alarms is '0/hour'; write a number above 0"),
        ({"background": "stil"}, "--background is 'stil', which is no class of the model; did you mean still?"),
        ({"background": "x"}, r"--background is 'x', which is no class of the model; its classes are down, still, up"),
        ({"split": "test"}, "--split is 'test', and a run is calibrated on its val clips; name other data with --data"),
        ({"precision": 0.9}, r"no threshold of 'down' shows a precision of 0.9 .* have 4 clips of it, .* best"),
        ({"recall": 0.9}, r"no threshold of 'down' shows a recall of 0.9 with 95 % confidence: .* best shows 0.472"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_or_cannot_be_shown_is_refused(arguments: dict[str, Any], sentence: str, run: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        calibrate(run, workers=0, **arguments)
    assert not (run / "calibration.json").exists()


def test_clips_that_decide_nothing_are_refused(
    run: Path, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "few.csv"
    data.write_text("\n".join(["path,label", *(f"{small_films}/{name}/{name}0.mp4,{name}" for name in LABELS[:2])]))
    with pytest.raises(UsageError, match=r"none of the 2 clips of .* shows 'still', so it can have no threshold"):
        calibrate(run, data, recall=0.5, workers=0)
    with pytest.raises(UsageError, match="is no run folder, and what is fitted is kept in one"):
        calibrate(run / "model.safetensors")
    assert main(["calibrate", str(tmp_path / "nowhere")]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_a_run_without_validation_clips_needs_data(small_films: Path, tmp_path: Path) -> None:
    films = [f"{small_films}/{name}/{name}{i}.mp4,{name},{i}" for name in LABELS for i in range(2)]
    rows = [row.rpartition(",")[0] + ("," + ("train" if row[-1] == "0" else "test")) for row in films]
    (tmp_path / "data.csv").write_text("\n".join(["path,label,split", *rows]))
    folder = train(tmp_path / "data.csv", preset="single_frame_stage", epochs=1, workers=0, out=tmp_path / "run").folder
    with pytest.raises(UsageError, match="kept no validation clips; name labelled clips that it was not trained on"):
        calibrate(folder)
    assert calibrate(folder, tmp_path / "data.csv", split="test", workers=0).calibration.protocol["clips"] == 3


def test_a_class_called_unknown_stays_what_it_is(run: Path) -> None:
    from marey.jobs.calibrate import _refuse_names

    task = replace(open_model(run).task, heads={"label": ("up", "unknown")})
    with pytest.raises(UsageError, match="the model has a class 'unknown' of its own; train with --rename"):
        _refuse_names(task, unknown="energy", background=None)


def test_the_command_tells_and_speaks_to_programs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["calibrate", str(run), "-q", "--workers", "0"]
    assert main([*asked, "--recall", "0.5", "--confidence", "0.6", "--unknown", "energy", "--accept", "0.8"]) == 0
    out = capsys.readouterr().out
    assert "thresholds for recall 0.5 at least, with 60 % confidence" in out and "down" in out
    assert "the next clip like these 12 is taken for known" in out and str(run / "calibration.json") in out
    assert main(["evaluate", str(run), "-q", "--workers", "0"]) == 0
    assert "class at its threshold" in capsys.readouterr().out
    assert main([*asked, "--false-alarms", "2000/hour", "--background", "still"]) == 0
    out = capsys.readouterr().out
    assert "false alarms are events that predict makes" in out and "still makes no events" in out
    assert main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(run / "calibration.json") and said["thresholds"] == {} and said["unknown"] is None
