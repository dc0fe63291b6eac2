"""Reports to draw: of few classes and many, of one label a clip and several."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from marey.metrics import evaluate_scores
from marey.results import Evaluation, Report

JPEG = b"\xff\xd8\xff\xe0 not much of a picture"


def _evaluation(classes: int, clips: int, *, multi: bool, skill: float, groups: bool, seed: int = 0) -> Evaluation:
    draw = np.random.default_rng(seed)
    labels = [f"class {i}" for i in range(classes - 1)] + ['<script>alert("x")</script> & 日本語 $\\frac$ | `_`']
    if multi:
        truth = draw.random((clips, classes)) < 0.3
        scores = np.clip(draw.random((clips, classes)) * 0.5 + skill * truth, 0, 1)
    else:
        truth = draw.integers(classes, size=clips)
        scores = draw.random((clips, classes))
        scores[np.arange(clips), truth] += skill
        scores /= scores.sum(1, keepdims=True)
    return evaluate_scores(
        scores,
        truth,
        labels,
        paths=[f"clips/<i>{i}</i>.mp4" for i in range(clips)],
        spans=[(i / 2, i / 2 + 1.5) for i in range(clips)],
        groups=[f"camera {i % 23}" for i in range(clips)] if groups else None,
        protocol={"views": "10x3", "resize": "<area>", "missing_videos": 0},
        class_groups={label: ("odd", "even")[i % 2] for i, label in enumerate(labels)},
        parts={"seen": ["seen" if i % 3 else "unseen" for i in range(clips)]},
        quarantined={"clips/<b>.mp4": "is <empty>"},
        resamples=50,
    )


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    """A report with everything in it; `bare` leaves out whatever can be missing. Made once for all tests."""

    @cache
    def make(
        classes: int = 3, clips: int = 90, *, multi: bool = False, skill: float = 0.5, bare: bool = False
    ) -> Report:
        ours = _evaluation(classes, clips, multi=multi, skill=skill, groups=not bare)
        theirs = _evaluation(classes, clips, multi=multi, skill=skill / 4, groups=not bare)
        history = [{"epoch": e, "loss": 2 / (e + 1), "val_loss": 3 / (e + 1), "val_top1": 1 - 0.5**e} for e in range(5)]
        efficiency = {"params": 78_409_573, "gmacs": 38.5, "ms_per_clip": 31.2, "peak_memory_mb": 812.0}
        run = {"command": "marey train 'a <b>.csv'", "data": {"clips": clips, "source": None}, "seed": 0}
        return Report(
            title="A <b>test</b>",
            evaluation=ours,
            baselines={} if bare else {"single <frame>": theirs},
            history=() if bare else tuple(history),
            efficiency={} if bare else efficiency,
            thumbnails={} if bare else {ours.clips[i].path: JPEG for i in range(0, clips, 2)},
            run={} if bare else run,
            notes=() if bare else ("Mind the <gap>.",),
            baseline_efficiency={} if bare else {"single <frame>": {"params": 1000}},
        )

    return make
