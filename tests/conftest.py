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
