"""What commands say beside their results: more when asked for more, and what an interrupt leaves."""

from pathlib import Path

import pytest

from marey.app.cli import main
from marey.app.console import Terminal


@pytest.fixture
def films(small_films: Path, tmp_path: Path) -> Path:
    """A table of the films, with one that is no video."""
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = (small_films / "annotations.csv").read_text().splitlines()
    held = [f"{small_films}/{row},train" for row in rows[1:-4]]
    out = [f"{small_films}/{row},test" for row in rows[-4:]]
    bad = [f"{tmp_path}/broken.mp4,up,s9,test"]
    (tmp_path / "data.csv").write_text("\n".join([rows[0] + ",split", *held, *out, *bad]))
    return tmp_path / "data.csv"


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """(standard output, standard error) of a command with -v."""
    assert main([*map(str, arguments), "-v"]) == 0
    out, err = capsys.readouterr()
    return out, err


def test_verbose_says_more(
    films: Path, small_films: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAREY_CACHE", str(films.parent / "cache"))  # where other tests have kept nothing
    run, broken = films.parent / "run", films.parent / "broken.mp4"
    _, err = said(capsys, "train", films, "--preset", "motion", "--epochs", 3, "--workers", 0, "--out", run)
    assert "optimizer sgd" in err and "balance weights" in err and "device cpu, 0 workers" in err
    assert "encode: 0 of 17 clips are kept from before" in err and "learning: " in err and "scoring: " in err
    assert f"left out: {broken}: " in err
    _, err = said(capsys, "evaluate", run, "--workers", 0)
    assert "evaluate: 4 of 5 clips are kept from before" in err and f"left out: {broken}: " in err
    video = small_films / "up" / "up0.mp4"
    _, err = said(capsys, "predict", run, video, "--no-overlay", "--out", films.parent / "predictions")
    assert f"{video}: 1 window of 2.00 s, one every 1.00 s" in err and f"{video}: scoring: " in err
    _, err = said(capsys, "plan", films, "--preset", "motion", "--workers", 0)
    assert "measuring motion: " in err and "s to decode all" in err
    assert main(["validate", str(films), "--workers", "1", "-v"]) == 1  # sources are on both sides of the split
    assert f"\n  {broken}\n" in capsys.readouterr().out


def test_folds_say_more(films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--folds", 2, "--fold-seeds", 1, "--preset", "motion", "--epochs", 2, "--workers", 0]
    _, err = said(capsys, "train", films, *words, "--out", films.parent / "run")
    assert "seed 0, fold 1 of motion: " in err and f"left out: {films.parent}/broken.mp4: " in err


@pytest.mark.parametrize("quiet, verbose, heard", [(False, True, True), (False, False, False), (True, True, False)])
def test_details_are_for_who_asks(quiet: bool, verbose: bool, heard: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(quiet=quiet, verbose=verbose).detail("a detail [bold]")
    assert capsys.readouterr().err == ("a detail [bold]\n" if heard else "")


@pytest.mark.parametrize(
    "arguments, job, sentence",
    [
        (["train", "{films}"], "marey.jobs.prepare.read_manifest", "the same command starts over"),
        (["demo"], "marey.jobs.demo", "what is finished is kept: give the same command to go on"),
        (["plan", "{films}"], "marey.jobs.prepare.read_manifest", "the same command starts over"),
        (["validate", "{films}"], "marey.data.validate", "the same command starts over"),
        (["stage", "new"], "marey.data.stage.render", "the same command renders the folder anew"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_an_interrupt_says_what_is_left(
    arguments: list[str],
    job: str,
    sentence: str,
    films: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, interrupted)
    assert main([word.format(films=films) for word in arguments]) == 130
    assert sentence in capsys.readouterr().err
