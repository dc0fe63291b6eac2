"""What every test shares: few threads, an unspoilt random state, and where the real videos are."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("MAREY_REAL_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def unspoilt_random_state():
    """The same seed before every test, whatever ran before it."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries that draw from the global state see the same one


def _real(name: str) -> Path:
    path = REAL_DATA / name
    if not path.exists():
        reason = f"real videos {name!r} are not in {REAL_DATA} (set MAREY_REAL_DATA)"
        if os.environ.get("MAREY_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture
def fight_surv() -> Path:
    """202 labelled surveillance clips; skips with a reason where they are absent."""
    return _real("fight-surv")


@pytest.fixture
def real_clips() -> Path:
    """Five real clips of other kinds; skips with a reason where they are absent."""
    return _real("clips")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoded clips of tests go where tests go, never into the user's cache."""
    monkeypatch.setenv("MAREY_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def small_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of eight films of a moving square: up, down and still; each number a source."""
    from marey.video import VideoWriter

    root = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    rows = ["path,label,source"]
    for label, step in (("up", -2), ("down", 2), ("still", 0)):
        for number in range(8):
            name = f"{label}/{label}{number}.mp4"
            (root / label).mkdir(exist_ok=True)
            left, top = rng.integers(4, 40), 24 - 10 * step
            with VideoWriter(root / name, fps=10, size=(64, 48)) as writer:
                for index in range(20):
                    frame = np.full((48, 64, 3), 40 + 10 * number, np.uint8)
                    y = int(np.clip(top + step * index, 0, 38))
                    frame[y : y + 10, left : left + 10] = (230, 200, 60)
                    writer.write(frame)
            rows.append(f"{name},{label},s{number}")
    (root / "annotations.csv").write_text("\n".join(rows) + "\n")
    return root
