"""What is kept between runs, and how one is rid of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from marey.app.cli import main
from marey.errors import UsageError
from marey.jobs import cache_parts, clear_cache
from marey.jobs.cache import FeatureCache, downloads_root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_films: Path) -> Path:
    """A cache with one encoded clip, one leftover, one download, and files of others beside them."""
    monkeypatch.setenv("MAREY_CACHE", str(tmp_path / "marey"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    cache = FeatureCache(recipe="{}")
    cache.put(str(small_films / "up" / "up0.mp4"), None, None, np.zeros(1000, np.uint8))
    (cache.folder / "left.part").write_bytes(b"x" * 10)
    (tmp_path / "marey" / "notes.txt").write_text("mine")
    model = tmp_path / "hf" / "hub" / "models--someone--something"
    (model / "blobs").mkdir(parents=True)
    (model / "blobs" / "b").write_bytes(b"y" * 500)
    (model / "snapshots").mkdir()
    (model / "snapshots" / "model.safetensors").symlink_to("../blobs/b")
    (tmp_path / "hf" / "token").write_text("secret")
    return tmp_path


def left(home: Path) -> set[str]:
    return {path.name for path in home.rglob("*") if not path.is_dir()}


def test_parts_are_sized(home: Path) -> None:
    features, downloads = cache_parts()
    assert (features.name, features.folder, features.files) == ("features", home / "marey" / "features", 2)
    assert features.bytes == 1000 + 128 + 10  # the header of a NumPy file, and the leftover
    assert (downloads.name, downloads.folder, downloads.files) == ("downloads", home / "hf" / "hub", 1)
    assert downloads.bytes == 500


@pytest.mark.parametrize(
    "part, stays",
    [
        ("features", {"notes.txt", "b", "model.safetensors", "token"}),
        ("downloads", {"notes.txt", "left.part", "token", "clip"}),
        ("all", {"notes.txt", "token"}),
    ],
)
def test_only_the_named_part_goes(home: Path, part: str, stays: set[str]) -> None:
    cleared = clear_cache(part)
    assert sum(held.files for held in cleared) == {"features": 2, "downloads": 1, "all": 3}[part]
    assert {"clip" if name.endswith(".npy") else name for name in left(home)} == stays
    assert all(held.files == 0 for held in cache_parts() if part in (held.name, "all"))


def test_an_unknown_part_is_refused(home: Path) -> None:
    before = left(home)
    with pytest.raises(UsageError, match="--clear is 'everything'; it can be features, downloads or all"):
        clear_cache("everything")
    assert left(home) == before


def test_downloads_are_looked_for_where_the_hub_keeps_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/elsewhere")
    assert downloads_root() == Path("/elsewhere")
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert downloads_root() == Path("/cache/huggingface/hub")


def test_a_clip_that_is_cleared_while_it_is_written_is_no_error(
    home: Path, small_films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_and_clear(file: object, array: np.ndarray, *, allow_pickle: bool) -> None:
        clear_cache("features")

    monkeypatch.setattr("marey.jobs.cache.np.save", save_and_clear)
    cache, video = FeatureCache(recipe="{}"), str(small_films / "up" / "up1.mp4")
    cache.put(video, None, None, np.zeros(3))
    assert cache.get(video, None, None) is None


def test_the_command_shows_and_clears(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert parts["downloads"] == {"folder": str(home / "hf" / "hub"), "files": 1, "bytes": 500}
    assert main(["cache"]) == 0
    assert str(home / "marey" / "features") in capsys.readouterr().out and "left.part" in left(home)
    assert main(["cache", "--clear", "features"]) == 0
    assert "features: 2 files deleted, 0.0 MiB freed in" in capsys.readouterr().out
    assert main(["cache", "--clear", "downloads", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"]["downloads"]["bytes"] == 500
    assert left(home) == {"notes.txt", "token"}
    assert main(["cache", "--clear", "none"]) == 2
