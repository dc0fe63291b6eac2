"""Spans of one video are no independent evidence, whatever groups the data name."""

import numpy as np

from marey.data import Manifest, Sample
from marey.jobs.evaluate import score_arrays
from marey.tasks import Recognition


def test_spans_of_one_video_are_drawn_together() -> None:
    samples = [
        Sample(f"v{i // 10}.mp4", {"label": ("ab"[i % 2],)}, start_s=float(i), end_s=i + 1.0, split="test")
        for i in range(40)
    ]
    manifest = Manifest(tuple(samples), {"label": ("a", "b")}, multi_label=False, source="spans.csv", kind="CSV")
    right = np.eye(2)[[i % 2 for i in range(40)]]
    (found,) = score_arrays(right, samples, Recognition.of(manifest), {}, manifest=manifest, quarantined={}).values()
    assert found.metrics["top1"].n == 4 and found.metrics["top1"].low < 0.6
    assert {clip.group for clip in found.clips} == {"v0.mp4", "v1.mp4", "v2.mp4", "v3.mp4"}
