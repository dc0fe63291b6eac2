"""Networks of flow that somebody chose or computed: it is recorded with the run, and obeyed."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree
from typing import NoReturn

import cv2
import numpy as np
import pytest
import torch

from marey.app.cli import main
from marey.data import Sample, read_views
from marey.errors import MissingExtra, UsageError
from marey.jobs import Trial, evaluate, evaluate_together, flow, open_model, predict, train
from marey.jobs.flow_source import tell_stored, with_flow
from marey.jobs.transfer import started
from marey.models import SPyNet
from marey.presets import find_preset
from marey.presets.flow_network import spynet_header
from marey.tasks import Recognition
from marey.training import load_checkpoint, save_checkpoint
from marey.training.tensorfile import write_tensors
from marey.video import FlowSource, flow_fed, flow_header

STAGE = find_preset("two_stream_flow_stage").clip
TOLD = "flow (Farneback at 48 px, within 20 px)"


class Hears:
    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, sentence: str) -> None:
        self.told.append(sentence)

    detail = say

    def progress(self, what: str, done: int, total: int) -> None: ...


@pytest.fixture(scope="module")
def folder(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flow of all films but one, between frames of 48 pixels, and a table of some of them."""
    out = tmp_path_factory.mktemp("stored") / "flow"
    flow(small_films, out=out, method="farneback", short_px=48)
    (out / "up" / "up7.mp4.mkv").unlink()
    films = "".join(f"{small_films}/{k}/{k}{n}.mp4,{k}\n" for k in ("up", "down") for n in (0, 1))
    (out / "some.csv").write_text(f"path,label\n{films}")
    return out


@pytest.fixture(scope="module")
def trial(small_films: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    out, hears = tmp_path_factory.mktemp("fed") / "run", Hears()
    with pytest.MonkeyPatch.context() as patch:
        computed: list[str] = []
        between = flow_fed.flow_between
        patch.setattr(
            flow_fed, "flow_between", lambda a, b, source: (computed.append(source), between(a, b, source))[1]
        )
        made = train(
            small_films / "annotations.csv",
            preset="two_stream_flow_stage",
            epochs=1,
            workers=0,
            flow=folder,
            out=out,
            narrator=hears,
        )
    assert {str(source) for source in computed} == {"Farneback at 48 px"}
    assert len(computed) <= 3 * 20, "of the one film without a file alone"
    (sentence,) = [told for told in hears.told if "no stored flow" in told]
    assert sentence.startswith("1 of 24 videos have no stored flow of the bytes that they have now")
    assert "up7.mp4" in sentence and sentence.endswith("theirs is computed by Farneback at 48 px as they are read")
    return made


@pytest.fixture(scope="module")
def spynet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted SPyNet that sees everything move by 3 pixels to the right and 1 up."""
    model, path = SPyNet(), tmp_path_factory.mktemp("weights") / "spynet.safetensors"
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    model.levels[-1].get_submodule("conv5").get_parameter("bias").data[:] = torch.tensor([3.0, -1.0])
    save_checkpoint(path, model, spynet_header({}))
    return path


def refuse_to_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("flow was computed")

    monkeypatch.setattr(flow_fed, "flow_between", refuse)


def test_what_flow_was_learned_is_recorded_and_obeyed(
    trial: Trial, folder: Path, small_films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads((trial.folder / "run.json").read_text())
    assert told["flow"] == "Farneback at 48 px" and f"--flow {folder}" in told["command"]
    trained = open_model(trial.folder)
    assert trained.spec.flow == FlowSource("farneback", None, 48) and not trained.spec.flow.files
    table = folder / "some.csv"
    computed = evaluate(trial.folder, table, workers=0)["label"]
    assert computed.protocol["input"] == trial.evaluations["label"].protocol["input"] == TOLD
    refuse_to_compute(monkeypatch)
    with pytest.raises(AssertionError, match="flow was computed"):
        evaluate(trial.folder, table, workers=0)
    stored = evaluate(trial.folder, table, workers=0, flow=folder)["label"]
    assert [clip.scores for clip in stored.clips] == [clip.scores for clip in computed.clips]
    timelines, bad = predict(trial.folder, small_films / "up" / "up0.mp4", flow=folder)
    assert timelines and not bad
    assert evaluate_together([trial.folder, open_model(trial.folder, flow=folder)], table, workers=0, flow=folder)


def test_damaged_files_are_counted_among_those_that_are_not_there(
    small_films: Path, folder: Path, tmp_path: Path
) -> None:
    films = [str(small_films / name / f"{name}0.mp4") for name in ("up", "down", "still")]
    copytree(folder, tmp_path / "flow")
    harmed = [tmp_path / "flow" / name / f"{name}0.mp4.mkv" for name in ("down", "still")]
    for file in harmed:
        file.write_bytes(file.read_bytes()[:-100])
    source, hears = with_flow(STAGE, tmp_path / "flow", who="x").flow, Hears()
    tell_stored(source, films, hears)
    assert hears.told == [
        "2 of 3 videos have no stored flow of the bytes that they have now, or a damaged file of it, or no constant "
        f"frame rate (first {films[1]}): theirs is computed by Farneback at 48 px as they are read"
    ]
    with pytest.raises(UsageError, match="an undamaged file counts for a video of the same bytes"):
        tell_stored(source, films[1:], hears)


def test_flow_that_was_not_learned_is_refused(trial: Trial, small_films: Path, folder: Path, tmp_path: Path) -> None:
    film = small_films / "up" / "up0.mp4"
    taught = "was trained on flow by Farneback at 48 px, and --flow"
    with pytest.raises(UsageError, match=f"{taught} dis is flow by DIS fast at 48 px; drop --flow"):
        evaluate(trial.folder, flow="dis")
    flow(film, out=tmp_path / "other", short_px=48)
    with pytest.raises(UsageError, match=f"{taught} .*other is flow by DIS fast at 48 px"):
        predict(trial.folder, film, flow=tmp_path / "other")
    flow(film, out=tmp_path / "size", method="farneback", short_px=64)
    with pytest.raises(UsageError, match=f"{taught} .*size is flow by Farneback at 64 px; drop --flow"):
        predict(trial.folder, film, flow=tmp_path / "size")
    assert open_model(trial.folder, flow="farneback").spec.flow.short_px == 48
    changed = tmp_path / "up0.mp4"
    changed.write_bytes((small_films / "down" / "down3.mp4").read_bytes() + b"more")
    with pytest.raises(UsageError, match="--flow holds the flow of none of 1 video, as they are now"):
        predict(trial.folder, changed, flow=folder)


def test_a_run_goes_on_with_the_flow_that_it_began_with(
    trial: Trial, small_films: Path, folder: Path, tmp_path: Path
) -> None:
    given = {"preset": "two_stream_flow_stage", "epochs": 1, "workers": 0, "out": trial.folder}
    with pytest.raises(UsageError, match=r"holds a run with flow '.*flow', and this one has 'farneback'"):
        train(small_films / "annotations.csv", flow="farneback", **given)
    info = json.loads((trial.folder / "run.json").read_text())
    kept = (trial.folder / "run.json").read_text()
    (trial.folder / "run.json").write_text(json.dumps(info | {"flow": "TV-L1"}))
    with pytest.raises(UsageError, match="holds a run on flow by TV-L1, and this one has flow by Farneback at 48 px"):
        train(small_films / "annotations.csv", flow=folder, **given)
    (trial.folder / "run.json").write_text(kept)


def test_what_goes_on_learning_is_fed_what_it_learned_from(trial: Trial) -> None:
    file, preset = trial.folder / "model.safetensors", find_preset("two_stream_flow_stage")
    task = Recognition(heads={"label": ("up", "down", "still")}, multi_label=False)
    assert started(preset, task, file)[1] == replace(STAGE, flow=FlowSource("farneback", None, 48))


def test_models_that_answer_together_are_fed_what_each_learned(trial: Trial, folder: Path, tmp_path: Path) -> None:
    header, tensors = load_checkpoint(trial.folder / "model.safetensors")
    for name in ("a", "b"):
        frames = header | {"clip": find_preset("single_frame_stage").clip.to_dict()}
        write_tensors(tmp_path / f"{name}.safetensors", tensors, frames)
    others = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    with pytest.raises(
        UsageError, match="--flow is for networks that are fed optical flow, and none of these models is"
    ):
        evaluate_together(others, folder / "some.csv", flow=folder)
    with pytest.raises(
        UsageError, match="was trained on flow by Farneback at 48 px, and --flow dis is flow by DIS fast"
    ):
        evaluate_together([trial.folder, others[0]], folder / "some.csv", flow="dis")


def test_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_flow(STAGE, None, who="x") == with_flow(STAGE, "dis", who="x") == STAGE
    for asked, told in {"dis:medium": "DIS medium", "farneback": "Farneback"}.items():
        assert str(with_flow(STAGE, asked, who="x").flow) == told
    ways = "methods are dis, dis:ultrafast, dis:fast, dis:medium, farneback, tvl1, spynet:FILE"
    for wrong in ("raft", "dis:slow", "spynet:", "nowhere/flow"):
        with pytest.raises(UsageError, match=f"--flow is '{wrong}', which is no folder and no method; {ways}"):
            with_flow(STAGE, wrong, who="x")
    monkeypatch.delattr(cv2, "optflow", raising=False)
    with pytest.raises(MissingExtra, match="TV-L1 flow needs the contributed part of OpenCV"):
        with_flow(STAGE, "tvl1", who="x")
    with pytest.raises(UsageError, match="--flow is for networks that are fed optical flow, and dmc is fed vectors"):
        with_flow(find_preset("dmc_stage").clip, "dis", who="dmc")


def test_folders_of_no_flow_or_of_several_kinds(small_films: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(UsageError, match=r"holds no flow; `marey flow DATA --out .*` writes it there"):
        with_flow(STAGE, tmp_path, who="x")
    film = small_films / "up" / "up0.mp4"
    flow(film, out=tmp_path / "a", short_px=64)
    assert with_flow(STAGE, tmp_path, who="x").flow.short_px == 64  # for frames that are fed are reduced bilinearly
    flow(film, out=tmp_path / "as-fed", preset="two_stream_flow_stage")
    as_fed = with_flow(STAGE, tmp_path / "as-fed", who="x")
    assert as_fed == STAGE and as_fed.flow.files, "what is computed anyway"
    (found, expected) = (read_views(Sample(str(film), {}), spec) for spec in (as_fed, STAGE))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(UsageError, match="says the size of the frames, and so does --short-side; drop one of the two"):
        flow(film, out=tmp_path / "b", preset="two_stream_flow_stage", short_px=48)
    with pytest.raises(UsageError, match="is fed rgb; name one that is fed optical flow"):
        flow(film, out=tmp_path / "b", preset="single_frame_stage")
    rmtree(tmp_path / "as-fed")
    flow(film, out=tmp_path / "b", short_px=48)
    with pytest.raises(UsageError, match=r"by DIS fast at 64 px \(.*\) and by DIS fast at 48 px \(.*\), and a network"):
        with_flow(STAGE, tmp_path, who="x")


def test_a_network_of_flow_feeds_others(
    spynet: Path, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, words = small_films / "up" / "up0.mp4", ["flow", str(small_films / "up" / "up0.mp4"), "-q", "--short-side"]
    out = tmp_path / "flow"
    assert main([*words, "64", "--method", "spynet", "--weights", str(spynet), "--out", str(out)]) == 0
    header = flow_header(out / "up0.mp4.mkv")
    assert (header.way.method, header.way.speed, header.way.weights) == ("spynet", None, str(spynet))
    stored, computed = (with_flow(STAGE, what, who="x").flow for what in (out, f"spynet:{spynet}"))
    assert stored.weights_hash == computed.weights_hash and stored.short_px == 64 and list(stored.files.values())
    assert computed.network is not None and stored.network is not None
    moved = computed.network(*np.zeros((2, 40, 56, 3), np.uint8))
    np.testing.assert_allclose(moved[..., 0] / 56, 3 / 64, atol=1e-3)  # of the 64 pixels that 56 are stretched to
    spynet_gone = spynet.rename(tmp_path / "moved.safetensors")
    try:
        spec = with_flow(STAGE, out, who="x")
        assert spec.flow.network is None and spec.flow.files  # enough for videos that have files
        with pytest.raises(UsageError, match=r"needs the weights .*, which are not there or have changed; put them"):
            with_flow(spec, None, who="x")
        assert with_flow(STAGE, f"spynet:{spynet_gone}", who="x").flow == computed
    finally:
        spynet_gone.rename(spynet)
    capsys.readouterr()
    for wrong, sentence in {
        ("--method", "spynet"): "--method spynet needs --weights FILE, as `marey weights convert` writes it",
        ("--weights", str(spynet)): "and no other method has weights; --method is dis",
        ("--method", "spynet", "--weights", "none"): "the weights none do not exist",
    }.items():
        assert main([*words, "64", *wrong, "--out", str(tmp_path / "none")]) == 2
        assert sentence in capsys.readouterr().err
    assert main([*words, "64", "--method", "spynet", "--weights", str(film), "--out", str(tmp_path / "none")]) == 2
    assert main(["flow", str(film), "--short-side", "64", "--out", str(out)]) == 2
    assert "by SPyNet" in capsys.readouterr().err
