"""The bench of transfer: two worlds without a common actor, halves of the classes, a table of what cells say."""

from collections import Counter

import cells
import pytest
import transfer

from marey.data import Manifest, Sample

LABELS = tuple(f"{pair}{twin}" for pair in "abcdef" for twin in (0, 1))


def stage() -> Manifest:
    samples = [
        Sample(f"{label}/{side}{i}.mp4", {"label": (label,)}, split=side, group=f"{side}{i % 5}")
        for label in LABELS
        for side, count in (("train", 10), ("val", 4), ("test", 8))
        for i in range(count)
    ]
    return Manifest(samples=tuple(samples), heads={"label": LABELS}, multi_label=False, source="stage", kind="CSV")


def test_the_worlds_share_no_clip_and_no_actor() -> None:
    a, b = transfer.world_a(stage()), transfer.world_b(stage(), shots=5, seed=0)
    assert not {s.group for s in a.samples} & {s.group for s in (*b.part("train"), *b.part("test"))}
    sides = [{s.group for s in a.part(side)} for side in ("train", "test")]
    assert all(sides) and not sides[0] & sides[1]
    assert len(b.part("val")) == 1
    assert set(Counter(s.labels["label"] for s in b.part("train")).values()) == {5}
    assert set(Counter(s.labels["label"] for s in b.part("test")).values()) == {3}
    drawn = [{s.path for s in transfer.world_b(stage(), shots=5, seed=seed).part("train")} for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_pairs_stay_together_in_the_halves() -> None:
    first, second = transfer.halves(LABELS)
    assert {*first} | {*second} == {*LABELS} and len(first) == len(second) == 6
    assert all(f"{label[0]}{1 - int(label[1])}" in first for label in first)


def test_adapters_are_tried_on_transformers_alone() -> None:
    assert transfer.ways_of("early_fusion_stage", new_classes=True) == ("scratch", "fixed", "full")
    assert transfer.ways_of("videomae_stage", new_classes=False) == ("as it is", "scratch", "fixed", "full", "lora")


def test_the_table_pairs_clips_of_the_same_seed() -> None:
    def cell(seed: int, right: int) -> cells.Cell:
        clips = [f"{seed}/{n}" for n in range(10)]
        return {
            "right": {clip: n < right for n, clip in enumerate(clips)},
            "group": {clip: clip[-1] for clip in clips},
            "core_minutes": 1.0,
        }

    some = {"scratch": [cell(0, 2), cell(1, 4)], "full": [cell(0, 8), cell(1, 10)]}
    text = transfer.table(some)
    assert "| scratch | 30.0% (20.0% to 40.0%) |  |" in text and "| full | 90.0% (80.0% to 100.0%) | +60.0 (" in text
    assert transfer.gain(some["full"], some["scratch"]).value == pytest.approx(0.6)
