"""One decoder is named, reaches every reader, and is what the stamp and the kept features say."""

from pathlib import Path
from typing import Any

import pytest

from marey.app.cli import main
from marey.errors import MissingExtra, UsageError
from marey.jobs import evaluate, pick_decoder, plan, predict, train
from marey.jobs.run import decoder_version, versions
from marey.video import DecoderName, open_video, torchcodec_problem

absent = pytest.mark.skipif(torchcodec_problem() is None, reason="torchcodec is installed here")
Asked = list[str]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Every decoder that a job asks the video room for; PyAV answers, so that none has to be installed."""
    names: Asked = []

    def opened(path: Any, *, decoder: str = "unnamed", threads: int = 1) -> Any:
        names.append(decoder)
        return open_video(path, threads=threads)

    monkeypatch.setattr("marey.video.modality.open_video", opened)
    monkeypatch.setattr("marey.jobs.prepare.torchcodec_problem", lambda: None)
    return names


@pytest.mark.parametrize("preset", ["motion", "single_frame_stage"], ids=["frozen", "whole"])
@pytest.mark.parametrize("decoder", ["torchcodec", "auto"])
def test_the_named_decoder_reads_everything(
    preset: str, decoder: DecoderName, small_films: Path, tmp_path: Path, asked: Asked
) -> None:
    data = small_films / "annotations.csv"
    made = train(data, preset=preset, epochs=1, decoder=decoder, workers=0, use_cache=False, out=tmp_path / "run")
    assert set(asked) == {decoder}
    assert made.evaluations["label"].protocol["decoder"] == decoder_version(decoder)
    asked.clear()
    again = evaluate(made.folder, decoder=decoder, workers=0, use_cache=False)["label"]
    assert set(asked) == {decoder} and again.protocol["decoder"] == decoder_version(decoder)
    asked.clear()
    timelines, _ = predict(made.folder, [small_films / "up" / "up0.mp4"], views="1x1", decoder=decoder)
    assert asked == [decoder]  # for the windows and the views
    assert next(iter(timelines.values())).protocol["decoder"] == decoder_version(decoder)
    asked.clear()
    (row,) = plan(data, presets=(preset,), decoder=decoder, workers=0)
    assert set(asked) == {decoder} and f"--decoder {decoder}" in row.command


def test_kept_features_are_of_one_decoder(small_films: Path, tmp_path: Path, asked: Asked) -> None:
    data = small_films / "annotations.csv"
    made = train(data, preset="motion", epochs=1, workers=0, out=tmp_path / "run")
    for decoder, reads in (("torchcodec", True), ("torchcodec", False), ("pyav", False)):
        asked.clear()
        evaluate(made.folder, decoder=decoder, workers=0)
        assert bool(asked) == reads


def test_the_stamp_names_decoder_and_version() -> None:
    pyav = f"PyAV {versions()['av']}"
    assert decoder_version("pyav") == pyav
    assert decoder_version("torchcodec") == f"torchcodec {versions()['torchcodec']}"
    assert decoder_version("auto") == f"torchcodec {versions()['torchcodec']}, {pyav} for what it cannot read"


def test_only_known_decoders_are_taken() -> None:
    assert pick_decoder("pyav") == "pyav"
    with pytest.raises(UsageError, match="--decoder is 'ffmpeg'; it can be auto, pyav, torchcodec"):
        pick_decoder("ffmpeg")


@absent
def test_auto_is_pyav_where_torchcodec_is_absent() -> None:
    assert pick_decoder("auto") == "pyav"
    with pytest.raises(MissingExtra, match=r"--decoder torchcodec cannot be had, .*pip install 'marey\[torchcodec\]'"):
        pick_decoder("torchcodec")


@absent
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "{films}"],
        ["train", "{films}", "--folds", "2"],
        ["plan", "{films}"],
        ["evaluate", "{model}", "{films}"],
        ["predict", "{model}", "{film}"],
    ],
    ids=lambda words: "-".join(word for word in words if not word.startswith("{")),
)
def test_every_command_refuses_an_absent_decoder(
    arguments: list[str], small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    films = small_films / "annotations.csv"
    places = {"films": films, "film": small_films / "up" / "up0.mp4", "model": tmp_path / "model.safetensors"}
    code = main([a.format(**places) for a in arguments] + ["--decoder", "torchcodec"])
    assert code == 2 and "pip install 'marey[torchcodec]'" in capsys.readouterr().err
