import json
import shutil
from pathlib import Path

import pytest

from marey.app.cli import main
from marey.data import read_manifest
from marey.errors import UsageError
from marey.jobs import MANIFEST, prepare_videos
from marey.video import has_vectors, probe


def test_copies_have_vectors_and_labels_come_along(small_films: Path, tmp_path: Path) -> None:
    table = tmp_path / "few.csv"
    table.write_text(f"path,label\n{small_films}/up/up0.mp4,up\n{small_films}/still/still0.mp4,still\n")
    made, bad = prepare_videos(table, out=tmp_path / "out", short_px=32, fps=5)
    assert not bad and [file.made for file in made] == ["encoded", "encoded"]
    info = probe(made[0].file)
    assert (info.height, float(info.fps)) == (32, 5.0) and has_vectors(made[0].file)
    manifest = read_manifest(tmp_path / "out" / MANIFEST)
    assert [(s.path, s.labels) for s in manifest.samples] == [
        (made[0].file, {"label": ("up",)}),
        (made[1].file, {"label": ("still",)}),
    ]
    again, _ = prepare_videos(table, out=tmp_path / "out", short_px=32, fps=5)
    assert [file.made for file in again] == ["kept", "kept"]


def test_names_are_kept_apart(small_films: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "a.mkv", "b.mp4"):
        shutil.copy(small_films / "up" / "up0.mp4", folder / name)
    made, _ = prepare_videos(folder, out=tmp_path / "out", short_px=32)
    assert sorted(Path(file.file).name for file in made) == ["a.mkv.mp4", "a.mp4.mp4", "b.mp4"]


def test_sources_are_not_overwritten(small_films: Path) -> None:
    with pytest.raises(UsageError, match=r"where .*up0\.mp4 itself lies; name another folder"):
        prepare_videos(small_films / "up", out=small_films / "up")


def test_the_command_prepares(small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film, broken = small_films / "up" / "up0.mp4", tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    words = ["prepare", str(film), str(broken), "--out", str(tmp_path / "out"), "--short-side", "32"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["quarantined"]) == [str(broken)] and told["files"][0]["made"] == "encoded"
    assert main([*words, "-q"]) == 0
    assert "kept" in capsys.readouterr().out
    assert main(["prepare", str(broken), "--out", str(tmp_path / "none")]) == 1


@pytest.mark.parametrize(
    "flag, value, sentence",
    [
        ("--crf", "60", "--crf is 60; give a number from 0 to 51"),
        ("--gop", "0", "--gop is 0.0; give a number from 0.01 to 3600"),
        ("--short-side", "4", "--short-side is 4; give a number from 16 to 8192"),
    ],
)
def test_bad_flags_are_refused(
    flag: str, value: str, sentence: str, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", str(small_films / "up"), "--out", str(tmp_path / "o"), flag, value]) == 2
    assert sentence in capsys.readouterr().err


def test_the_job_refuses_the_same(small_films: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--crf is 60; give a number from 0 to 51"):
        prepare_videos(small_films / "up", out=tmp_path / "o", crf=60)
