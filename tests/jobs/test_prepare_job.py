"""What every job does first: data named so that they can be read, and splits from which every class can be learned."""

from collections.abc import Mapping, Sequence

import pytest

from marey.data import FORMATS, Manifest, Sample
from marey.errors import DataError, UsageError
from marey.jobs import Silent, list_videos, load_data
from marey.jobs.prepare import split_data


class Listener(Silent):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def manifest(rows: Sequence[tuple[str, str, str | None]]) -> Manifest:
    """(class, group, declared split) a clip."""
    samples = [
        Sample(path=f"{number}.mp4", labels={"label": (label,)}, group=group, split=split)
        for number, (label, group, split) in enumerate(rows)
    ]
    names = tuple(sorted({label for label, *_ in rows}))
    return Manifest(tuple(samples), {"label": names}, multi_label=False, source="data.csv", kind="CSV")


def split(rows: Sequence[tuple[str, str, str | None]], listener: Listener | None = None) -> Mapping[str, set[str]]:
    """side -> its classes."""
    found = split_data(manifest(rows), seed=0, workers=0, narrator=listener or Silent())
    sides = {side: found.part(side) for side in ("train", "val", "test")}
    return {side: {s.labels["label"][0] for s in samples} for side, samples in sides.items() if samples}


def test_val_that_is_cut_from_train_takes_no_class_away() -> None:
    tested = [(label, "t", "test") for label in "abc"]
    listener = Listener()
    lonely = [(label, f"only {label}", "train") for label in "abc" for _ in range(4)]  # one group a class
    assert split([*lonely, *tested], listener) == {"train": {"a", "b", "c"}, "test": {"a", "b", "c"}}
    assert listener.said == ["every source is needed to learn its classes: no validation split"]
    many = [("a", f"g{n}", "train") for n in range(12)] + [("b", "only b", "train"), ("c", "only c", "train")]
    for seed_rows in (many, many[::-1]):
        sides = split([*seed_rows, *tested])
        assert sides["train"] == {"a", "b", "c"} and sides["val"] == {"a"}


def test_a_declared_val_is_kept_as_it_is() -> None:
    rows = [(label, f"{label}{side}", side) for label in "ab" for side in ("train", "val", "test")]
    assert split(rows) == {side: {"a", "b"} for side in ("train", "val", "test")}


def test_why_a_class_is_not_in_train_is_said_as_it_is() -> None:
    rest = [(label, f"{label}{n}", None) for label in "ab" for n in range(10)]
    with pytest.raises(
        DataError, match=r"class 'c' of data.csv has no clip in train: the data declare all of it for t"
    ):
        split([*rest, ("c", "x", "test"), ("c", "y", "test")])
    with pytest.raises(
        DataError, match=r"class 'c' .*: all of it belongs to groups .* that are held out for test; add"
    ):
        split([*rest, ("c", "x", None), ("c", "x", None), ("a", "x", "test")])


def test_an_unknown_kind_lists_the_kinds_once() -> None:
    with pytest.raises(UsageError, match=r"--kind is 'foo'; it can be folders, csv, ") as refused:
        load_data("anywhere", kind="foo")
    assert all(str(refused.value).count(f" {kind}") == 1 for kind in FORMATS if kind not in ("charades", "something"))


def test_empty_names_are_refused() -> None:
    with pytest.raises(UsageError, match="the path of the data is empty; name a folder"):
        load_data("")
    with pytest.raises(UsageError, match="one of the videos has an empty name; give files"):
        list_videos(["", "x.mp4"])
