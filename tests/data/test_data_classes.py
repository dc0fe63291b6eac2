"""Merging, renaming and leaving out classes."""

import pytest

from marey.data import Manifest, Sample, edit_classes
from marey.errors import UsageError


def manifest(*, multi_label: bool = False) -> Manifest:
    labels = [("walk",), ("run",), ("jog",), ("turn left", "walk") if multi_label else ("turn left",), ("turn right",)]
    samples = tuple(Sample(f"{i}.mp4", {"label": names}) for i, names in enumerate(labels))
    classes = ("jog", "run", "turn left", "turn right", "walk")
    groups = {"walk": "tempo", "run": "tempo", "turn left": "side", "turn right": "side"}
    mirror = {"turn left": "turn right", "turn right": "turn left"}
    return Manifest(samples, {"label": classes}, multi_label, "clips.csv", "CSV", groups, mirror)


def labels(data: Manifest) -> list[tuple[str, ...]]:
    return [sample.labels["label"] for sample in data.samples]


def test_merge() -> None:
    data = edit_classes(manifest(), merge={"fast": ("run", "jog")})
    assert data.heads == {"label": ("fast", "turn left", "turn right", "walk")}
    assert labels(data)[:3] == [("walk",), ("fast",), ("fast",)]
    assert data.class_groups["fast"] == "tempo"


def test_merge_into_one_of_them_joins_labels_of_one_clip() -> None:
    data = edit_classes(manifest(multi_label=True), merge={"walk": ("walk", "turn left")})
    assert labels(data)[3] == ("walk",)
    assert data.mirror == {"walk": "turn right", "turn right": "walk"}


def test_rename() -> None:
    data = edit_classes(manifest(), rename={"walk": "stroll", "turn left": "turn right", "turn right": "turn left"})
    assert data.heads == {"label": ("jog", "run", "turn right", "turn left", "stroll")}
    assert labels(data)[0] == ("stroll",)
    assert labels(data)[3] == ("turn right",)
    assert data.mirror == manifest().mirror


def test_leave_out() -> None:
    data = edit_classes(manifest(), leave_out=("jog", "turn left"))
    assert data.heads == {"label": ("run", "turn right", "walk")}
    assert labels(data) == [("walk",), ("run",), ("turn right",)]
    assert not data.mirror
    assert "turn left" not in data.class_groups
    data = edit_classes(manifest(multi_label=True), leave_out=("jog", "turn left"))
    assert labels(data) == [("walk",), ("run",), (), ("walk",), ("turn right",)]


def test_unlabelled_clips_stay() -> None:
    data = manifest()
    data = Manifest((*data.samples, Sample("t.mp4", {"label": ()}, split="test")), data.heads, False, "", "")
    assert labels(edit_classes(data, leave_out=("jog",)))[-1] == ()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"leave_out": ("walking",)}, "clips.csv has no class 'walking'; did you mean 'walk'?"),
        ({"rename": {"x": "y"}}, "has no class 'x'; there are jog, run, turn left, turn right, walk"),
        ({"rename": {"walk": "run"}}, "there is a class 'run' already; merge the two if they are the same"),
        ({"rename": {"walk": "x", "run": "x"}}, "there is a class 'x' already"),
        ({"rename": {"walk": "x"}, "leave_out": ("walk",)}, "class 'walk' is named twice"),
        ({"merge": {"x": ("walk", "run"), "y": ("run", "jog")}}, "class 'run' is named twice"),
        ({"merge": {"jog": ("walk", "run")}}, "there is a class 'jog' already"),
        (
            {"merge": {"all": ("walk", "run", "jog", "turn left", "turn right")}},
            "only all of clips.csv would stay; keep",
        ),
        ({"leave_out": ("walk", "run", "jog", "turn left", "turn right")}, "only no class of clips.csv would stay"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        edit_classes(manifest(), **change)


def test_heads_are_edited_where_they_have_the_class() -> None:
    samples = (
        Sample("1.mp4", {"verb": ("take",), "noun": ("cup",)}),
        Sample("2.mp4", {"verb": ("put",), "noun": ("lid",)}),
    )
    data = Manifest(samples, {"verb": ("take", "put"), "noun": ("cup", "lid", "pan")}, False, "", "")
    edited = edit_classes(data, rename={"take": "grab"}, leave_out=("lid",))
    assert edited.heads == {"verb": ("grab", "put"), "noun": ("cup", "pan")}
    assert [dict(sample.labels) for sample in edited.samples] == [{"verb": ("grab",), "noun": ("cup",)}]
