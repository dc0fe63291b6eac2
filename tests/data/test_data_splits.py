"""Splits and folds never tear apart what belongs together, and are the same every time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.data import Manifest, Sample, drawn_together, grouped_folds, leaks, split_manifest, unit_of
from marey.errors import DataError, UsageError


def manifest(rows, *, classes=("a", "b", "c"), grouped_by="group", multi_label=False) -> Manifest:
    """rows: (path, class or classes, group, split)."""
    samples = tuple(
        Sample(path, {"label": (label,) if isinstance(label, str) else tuple(label)}, group=group, split=split)
        for path, label, group, split in rows
    )
    return Manifest(samples, {"label": classes}, multi_label, "clips.csv", "CSV", grouped_by=grouped_by)


def grid(groups=20, per_group=5, split=None):
    return [(f"{g}-{i}.mp4", "abc"[(g + i) % 3], f"g{g}", split) for g in range(groups) for i in range(per_group)]


def sides(data: Manifest) -> dict[str, int]:
    found = [sample.split for sample in data.samples]
    return {side: found.count(side) for side in ("train", "val", "test")}


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=40, max_size=80),
    st.integers(0, 3),
)
def test_groups_stay_on_one_side(rows, seed) -> None:
    groups = [*range(10), *(group for group, _ in rows)]
    labels = [*"abcabcabca", *(label for _, label in rows)]
    data = manifest(
        [(f"{i}.mp4", label, f"g{g}", None) for i, (g, label) in enumerate(zip(groups, labels, strict=True))]
    )
    split = split_manifest(data, seed=seed)
    assert not leaks(split)
    assert split == split_manifest(data, seed=seed)
    assert all(sides(split).values())


def test_classes_have_their_share_on_every_side() -> None:
    split = split_manifest(manifest(grid(groups=40)), fractions=(0.6, 0.2, 0.2))
    for label in "abc":
        of_class = [s.split for s in split.samples if s.labels["label"] == (label,)]
        assert of_class.count("train") / len(of_class) == pytest.approx(0.6, abs=0.06)
        assert of_class.count("test") / len(of_class) == pytest.approx(0.2, abs=0.06)


def test_seeds_differ() -> None:
    data = manifest(grid())
    assert split_manifest(data, seed=0) != split_manifest(data, seed=1)


def test_groups_or_videos_are_drawn_together() -> None:
    def named(*rows: tuple[str, str | None]) -> list[str] | None:
        return drawn_together([Sample(path, {}, group=group) for path, group in rows])

    assert named(("x.mp4", None), ("y.mp4", None)) is None
    assert named(("x.mp4", None), ("x.mp4", None), ("y.mp4", None)) == ["x.mp4", "x.mp4", "y.mp4"]
    assert named(("x.mp4", "g"), ("y.mp4", "g"), ("z.mp4", None)) == ["g", "g", "z.mp4"]
    assert named(("x.mp4", "g"), ("y.mp4", "h")) == ["g", "h"]
    merged = named(("x.mp4", "g"), ("x.mp4", "h"), ("y.mp4", "g"))
    assert merged and len(set(merged)) == 1  # two groups share a video


def test_spans_of_one_video_and_near_duplicates_are_one_unit() -> None:
    rows = [
        ("x.mp4", "a", None, None),
        ("x.mp4", "b", None, None),
        ("y.mp4", "a", None, None),
        ("z.mp4", "b", None, None),
    ]
    data = manifest(rows, grouped_by="")
    assert unit_of(data.samples).tolist() == [0, 0, 1, 2]
    assert unit_of(data.samples, [["x.mp4", "z.mp4"]]).tolist() == [0, 0, 1, 0]
    many = manifest([(f"{i}.mp4", "ab"[i % 2], None, None) for i in range(40)], classes=("a", "b"), grouped_by="")
    pairs = [[f"{i}.mp4", f"{i + 1}.mp4"] for i in range(0, 40, 2)]
    assert not leaks(split_manifest(many, near_duplicate_groups=pairs), pairs)
    assert leaks(split_manifest(many), pairs)


def test_declared_splits_are_kept_and_val_is_cut_from_train() -> None:
    rows = [(*row[:3], "test" if int(row[2][1:]) < 5 else "train") for row in grid()]
    split = split_manifest(manifest(rows), fractions=(0.6, 0.2, 0.2))
    before = [row[3] for row in rows]
    for sample, old in zip(split.samples, before, strict=True):
        assert (sample.split == "test") == (old == "test")
    assert not leaks(split)
    assert sides(split)["val"] == pytest.approx(75 / 4, abs=5)


def test_complete_splits_are_left_alone() -> None:
    for parts in (("train", "val"), ("train", "val", "test"), ("test",)):
        data = manifest([(*row[:3], parts[int(row[2][1:]) % len(parts)]) for row in grid()])
        assert split_manifest(data) == data


def test_train_alone_is_cut_and_undecided_samples_join_their_group() -> None:
    assert all(sides(split_manifest(manifest(grid(split="train")))).values())
    rows = grid(groups=12)
    rows = [(*row[:3], "test" if row[0].endswith("-0.mp4") and int(row[2][1:]) < 4 else None) for row in rows]
    split = split_manifest(manifest(rows))
    assert not leaks(split)
    assert sides(split)["test"] == 20


def test_undecided_samples_beside_val_become_train() -> None:
    split = split_manifest(manifest([(*row[:3], "val" if int(row[2][1:]) < 5 else None) for row in grid()]))
    assert sides(split) == {"train": 75, "val": 25, "test": 0}


def test_a_side_of_zero_is_not_filled() -> None:
    assert sides(split_manifest(manifest(grid()), fractions=(0.8, 0.0, 0.2)))["val"] == 0


def test_too_few_groups() -> None:
    assert sides(split_manifest(manifest(grid(groups=2)))) == {"train": 5, "val": 0, "test": 5}
    declared = [(*row[:3], "train" if row[2] == "g0" else "test") for row in grid(groups=2)]
    assert split_manifest(manifest(declared)) == manifest(declared)
    with pytest.raises(
        DataError, match=r"clips.csv has 1 group \(group\) to place, too few for train and test: test would"
    ):
        split_manifest(manifest(grid(groups=1)))
    with pytest.raises(UsageError, match="add up to 1"):
        split_manifest(manifest(grid()), fractions=(0.5, 0.1, 0.1))


def test_folds_test_every_sample_once_and_keep_groups() -> None:
    data = manifest(grid())
    folds = grouped_folds(data, folds=5, seed=3)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(data)))
    units = unit_of(data.samples)
    for train, test in folds:
        assert not set(units[train]) & set(units[test])
        assert len(train) + len(test) == len(data)
    again = grouped_folds(data, folds=5, seed=3)
    assert all((a[1] == b[1]).all() for a, b in zip(folds, again, strict=True))
    assert any(
        (a[1] != b[1]).any()
        for a, b in zip(folds, grouped_folds(data, folds=5, seed=4), strict=True)
        if len(a[1]) == len(b[1])
    )


def test_folds_of_multi_label_data_stratify_by_the_rarest_class() -> None:
    rows = [(f"{i}.mp4", ("a", "b") if i % 4 == 0 else ("a",), None, None) for i in range(40)]
    data = manifest(rows, classes=("a", "b"), grouped_by="", multi_label=True)
    for _, test in grouped_folds(data, folds=5):
        assert sum(i % 4 == 0 for i in test) == 2


def test_folds_that_cannot_be_are_refused() -> None:
    rows = [*grid(), ("rare.mp4", "d", "g0", None)]
    with pytest.raises(
        DataError, match=r"class 'd' has clips in 1 group \(group\), fewer than the 5 folds; ask for fewer"
    ):
        grouped_folds(manifest(rows, classes=("a", "b", "c", "d")), folds=5)
    with pytest.raises(UsageError, match=r"21 folds of 20 groups \(group\) cannot be made; ask for 2 to 20 folds"):
        grouped_folds(manifest(grid()), folds=21)
    with pytest.raises(UsageError, match=r"1 fold of 2 groups \(group\) cannot be made; ask for 2 folds"):
        grouped_folds(manifest(grid(2)), folds=1)
    with pytest.raises(UsageError, match=r"5 folds of 1 separate video cannot be made; add clips of others"):
        grouped_folds(manifest([("x.mp4", "a", None, None)], grouped_by=""), folds=5)
