"""What validation says of data with something wrong in it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from marey.data import Duplicates, Manifest, Problem, Sample, Validation, class_problems, validate
from marey.data.problems import leak_problems
from marey.errors import VideoError
from marey.video import VideoWriter, open_video
from moving_video import write_moving, write_two_sizes


def film(path: Path, seed: int) -> str:
    """One second of a square that moves before noise; another seed is another film."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    scene, way = np.kron(rng.integers(0, 255, (6, 6, 3)), np.ones((8, 8, 1))), rng.integers(0, 36, (10, 2))
    with VideoWriter(path, fps=10, size=(48, 48)) as writer:
        for y, x in way:
            frame = scene.astype(np.uint8)
            frame[y : y + 12, x : x + 12] = 255 - frame[y : y + 12, x : x + 12]
            writer.write(frame)
    return str(path)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [film(folder / f"{i}.mp4", i) for i in range(8)]


def sound(clips: list[str]) -> Manifest:
    """Eight clips of two classes and four groups, with splits."""
    sides = ["train", "train", "train", "train", "val", "val", "test", "test"]
    samples = tuple(
        Sample(path, {"label": ("ab"[i % 2],)}, split=side, group=f"g{i // 2}")
        for i, (path, side) in enumerate(zip(clips, sides, strict=True))
    )
    return Manifest(samples, {"label": ("a", "b")}, False, "clips.csv", "CSV", grouped_by="group")


def changed(data: Manifest, index: int, **changes) -> Manifest:
    samples = list(data.samples)
    samples[index] = replace(samples[index], **changes)
    return replace(data, samples=tuple(samples))


def only(problems: tuple[Problem, ...] | list[Problem]) -> tuple[str, str, str]:
    assert len(problems) == 1, [problem.message for problem in problems]
    return problems[0].severity, problems[0].kind, problems[0].message


def test_sound_data(clips: list[str]) -> None:
    seen: list[tuple[int, int]] = []
    result = validate(sound(clips), progress=lambda done, total: seen.append((done, total)))
    assert result.safe
    assert result.problems == ()
    assert (result.clips, result.videos, result.splits) == (8, 8, {"train": 4, "val": 2, "test": 2})
    assert result.seconds == pytest.approx(8.0)
    first = result.classes[0]
    assert (first.label, first.clips, first.units, first.splits) == ("a", 4, 4, {"train": 2, "val": 1, "test": 1})
    assert first.seconds == pytest.approx(4.0)
    assert seen == [(i + 1, 16) for i in range(16)]
    written = json.loads(json.dumps(result.to_dict()))
    assert written["schema"] == "marey.validation/1"
    assert written["safe"] is True
    assert written["classes"][1]["label"] == "b"


def test_unreadable_videos(clips: list[str], tmp_path: Path) -> None:
    data = sound(clips)
    for i, content in enumerate([b"", b"not a video"]):
        (tmp_path / f"{i}.mp4").write_bytes(content)
        data = changed(data, i, path=str(tmp_path / f"{i}.mp4"))
    result = validate(data)
    assert result.safe
    assert list(result.unreadable) == [str(tmp_path / "0.mp4"), str(tmp_path / "1.mp4")]
    assert {problem.kind for problem in result.problems} == {"unreadable"}
    assert "0.mp4 cannot be read: is empty (0 bytes)" in result.problems[0].message
    for i in (2, 3):
        (tmp_path / f"{i}.mp4").write_bytes(bytes(i))
        data = changed(data, i, path=str(tmp_path / f"{i}.mp4"))
    assert not validate(data, pixels=False).safe  # four of eight is more than a run allows


def test_a_link_to_nothing_is_a_video_that_cannot_be_read(clips: list[str], tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "gone.mp4")
    result = validate(changed(sound(clips), 0, path=str(link)))
    severity, kind, message = only(result.problems)
    assert (severity, kind, list(result.unreadable)) == ("warning", "unreadable", [str(link)])
    assert message.count(str(link)) == 1 and "is a link to" in message and result.safe


def test_a_header_that_lies(clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(path: str):
        raise VideoError(path, "its header claims 99 s, but its last picture ends at 1 s")

    monkeypatch.setattr("marey.data.validation.verify", lie)
    data = sound(clips[:8])
    result = validate(data, pixels=False)
    assert result.safe
    assert {problem.kind for problem in result.problems} == {"header"}
    assert "claims 99 s" in result.problems[0].message


def test_spans_outside_the_video(clips: list[str]) -> None:
    result = validate(changed(sound(clips), 0, start_s=1.5), pixels=False)
    severity, kind, message = only(result.problems)
    assert (severity, kind) == ("error", "span")
    assert "0.mp4: a clip starts at 1.5 s, but the video lasts 1.00 s; correct or remove its line" in message
    severity, _, message = only(validate(changed(sound(clips), 0, end_s=1.8), pixels=False).problems)
    assert severity == "warning"
    assert "a clip ends at 1.8 s, but the video lasts 1.00 s" in message
    assert validate(changed(sound(clips), 0, end_s=1.2), pixels=False).problems == ()
    assert validate(changed(sound(clips), 0, start_s=0.25, end_s=0.75), pixels=False).seconds == pytest.approx(7.5)


def test_a_group_on_two_sides(clips: list[str]) -> None:
    result = validate(changed(sound(clips), 0, split="test"), pixels=False)
    severity, kind, message = only(result.problems)
    assert (severity, kind) == ("error", "leak")
    assert "group 'g0' is on several sides of the split: train (1) and test (1); put all of it on one" in message
    assert not result.safe
    assert result.problems[0].paths == (clips[0], clips[1])


def test_a_video_on_two_sides(clips: list[str]) -> None:
    data = sound(clips)
    data = replace(data, samples=tuple(replace(s, group=None) for s in data.samples), grouped_by="")
    again = replace(data.samples[0], start_s=0.5, split="test")
    severity, kind, message = only(validate(replace(data, samples=(*data.samples, again)), pixels=False).problems)
    assert (severity, kind) == ("error", "leak")
    assert "video " in message
    assert "0.mp4 is on several sides of the split: train (1) and test (1)" in message


def twin(clips: list[str], tmp_path: Path, **changes) -> Validation:
    """Validation of sound data with a copy of clip 0 added."""
    copy = str(shutil.copy(clips[0], tmp_path / "copy.mp4"))
    data = sound(clips)
    sample = replace(data.samples[0], path=copy, **changes)
    return validate(replace(data, samples=(*data.samples, sample)))


def test_copies(clips: list[str], tmp_path: Path) -> None:
    severity, kind, message = only(twin(clips, tmp_path).problems)
    assert (severity, kind) == ("warning", "duplicate")
    assert message.endswith(
        "0.mp4, " + str(tmp_path / "copy.mp4") + " are the same file; keep one, unless that is meant"
    )
    severity, kind, message = only(twin(clips, tmp_path, group="g1").problems)
    assert (severity, kind) == ("warning", "duplicate")
    assert "are the same file in 2 groups, which a split may part; give them one group, or keep one" in message
    severity, kind, message = only(twin(clips, tmp_path, labels={"label": ("b",)}).problems)
    assert (severity, kind) == ("error", "label")
    assert "are the same file under different classes; keep the right one" in message
    leak, double = twin(clips, tmp_path, group="g9", split="test").problems
    assert (leak.severity, leak.kind, double.kind) == ("error", "leak", "duplicate")
    assert leak.message.startswith(f"one film ({clips[0]}, {clips[1]}, {tmp_path / 'copy.mp4'}) is on several sides")


def test_near_duplicates_and_mirrored_classes(clips: list[str], tmp_path: Path) -> None:
    data = sound(clips)
    with VideoWriter(tmp_path / "mirrored.mp4", fps=10, size=(48, 48)) as writer, open_video(clips[0]) as video:
        for _, frame in video.stream():
            writer.write(np.ascontiguousarray(frame[:, ::-1]))
    sample = replace(data.samples[0], path=str(tmp_path / "mirrored.mp4"), labels={"label": ("b",)})
    data = replace(data, samples=(*data.samples, sample))
    severity, kind, message = only(validate(data).problems)
    assert (severity, kind) == ("warning", "label")
    assert "show the same film under different classes" in message
    _, kind, message = only(validate(replace(data, mirror={"a": "b", "b": "a"})).problems)
    assert kind == "duplicate"
    assert "show the same film; keep one, unless that is meant" in message


@pytest.mark.parametrize("tests, severity", [(10, "error"), (200, "warning")])
def test_near_duplicates_across_splits(tests: int, severity: str) -> None:
    """A few among many clips held out are said, but do not make the scores worthless."""
    splits = ["train"] * 10 + ["test"] * tests
    samples = tuple(Sample(f"{i}.mp4", {"label": ("a",)}, split=split) for i, split in enumerate(splits))
    data = Manifest(samples, {"label": ("a",)}, False, "", "")
    near = Duplicates((), (("0.mp4", "10.mp4"), ("11.mp4", "12.mp4")))
    found, kind, message = only(leak_problems(data, near))
    assert (found, kind) == (severity, "leak")
    assert message.startswith("one film (0.mp4, 10.mp4) is on several sides of the split: train (1) and test (1)")
    assert leak_problems(data, replace(near, exact=near.near[:1]))[0].severity == "error"


def test_videos_through_which_no_motion_can_be_followed(clips: list[str], tmp_path: Path) -> None:
    alone = changed(sound(clips), 0, path=str(write_moving(tmp_path / "one.mp4", count=1)))
    severity, kind, message = only(validate(alone).problems)
    assert (severity, kind) == ("warning", "motion")
    assert message.endswith("leave it out (networks of frames take it as it is)")
    changes = changed(sound(clips), 1, path=str(write_two_sizes(tmp_path / "two.mp4")))
    severity, kind, message = only(validate(changes).problems)
    assert (severity, kind) == ("warning", "motion")
    assert "two.mp4 is 96 x 64 at first and 192 x 64 at 1.000 s, and motion cannot" in message


def test_lines_that_repeat(clips: list[str]) -> None:
    data = sound(clips)
    again = replace(data, samples=(*data.samples, data.samples[0]))
    severity, kind, message = only(validate(again, pixels=False).problems)
    assert (severity, kind) == ("warning", "duplicate")
    assert "0.mp4 is listed 2 times; keep one line" in message
    other = replace(data, samples=(*data.samples, replace(data.samples[0], labels={"label": ("b",)})))
    severity, kind, message = only(validate(other, pixels=False).problems)
    assert (severity, kind) == ("error", "label")
    assert "is listed 2 times with different classes; keep the line that is right" in message


def test_clips_without_class(clips: list[str]) -> None:
    problems = validate(changed(changed(sound(clips), 0, labels={}), 7, labels={"label": ()}), pixels=False).problems
    assert [(p.severity, p.kind, p.paths) for p in problems if p.kind == "label"] == [
        ("error", "label", (clips[0],)),
        ("warning", "label", (clips[7],)),
    ]
    assert f"1 clip has no class, first {clips[0]}; name it or remove the line" in problems[0].message
    two = validate(changed(changed(sound(clips), 0, labels={}), 1, labels={}), pixels=False).problems
    assert any("2 clips have no class, first" in problem.message for problem in two)


def test_videos_that_were_not_there(clips: list[str]) -> None:
    severity, kind, message = only(validate(replace(sound(clips), missing=("x.mp4", "y.mp4")), pixels=False).problems)
    assert (severity, kind) == ("warning", "missing")
    assert "2 videos that clips.csv names are not there, first x.mp4; scores on the others cannot" in message
    _, _, message = only(validate(replace(sound(clips), missing=("x.mp4",)), pixels=False).problems)
    assert "1 video that clips.csv names is not there, first x.mp4; scores" in message


def bare(labels: str, splits: str | None = None, groups: str | None = None) -> Manifest:
    """A manifest with one letter for class, split (t, v, e, -) and group of each clip."""
    words = {"t": "train", "v": "val", "e": "test", "-": None}
    samples = tuple(
        Sample(
            f"{i}.mp4",
            {"label": (label,)},
            split=words[splits[i]] if splits else None,
            group=groups[i] if groups else None,
        )
        for i, label in enumerate(labels)
    )
    return Manifest(
        samples, {"label": tuple(sorted(set(labels)))}, False, "x.csv", "CSV", grouped_by="g" if groups else ""
    )


@pytest.mark.parametrize(
    "data, severity, message",
    [
        (bare("aaa"), "error", "there is one class in label, 'a', and nothing can be told apart; add clips of another"),
        (bare("aab"), "error", "class 'b' has one clip, too few to learn and to test; add clips of it"),
        (bare("aabb", "tete".replace("e", "v"), None), None, ""),
        (bare("aabb", "teee"), "error", "class 'b' has no clip in train; move some there, or leave it out"),
        (bare("aabb", "tett"), "warning", "class 'b' has no clip in test, so nothing will be known of it"),
        (bare("aabb", None, "xyzz"), "warning", "class 'b' is in one group only, so it cannot be tested"),
        (
            bare("a" * 41 + "bb"),
            "warning",
            "class 'a' has 41 clips and 'b' 2; balance the sampling or the class weights",
        ),
        (replace(bare("aabb"), heads={"label": ("a", "b", "c")}), "warning", "class 'c' is listed but has no clip"),
        (
            replace(bare("aa"), samples=(Sample("0.mp4", {}),), heads={"label": ()}),
            "error",
            "there is no class in label",
        ),
    ],
)
def test_class_problems(data: Manifest, severity: str | None, message: str) -> None:
    problems = class_problems(data)
    if severity is None:
        assert problems == []
    else:
        assert only(problems)[0] == severity
        assert message in problems[0].message


def test_a_rare_class_of_multi_label_data_is_no_error() -> None:
    (problem,) = class_problems(replace(bare("aab"), multi_label=True))
    assert problem.severity == "warning" and "class 'b' has one clip" in problem.message


def test_class_problems_name_the_head() -> None:
    samples = tuple(Sample(f"{i}.mp4", {"verb": ("take" if i else "put",), "noun": ("ab"[i % 2],)}) for i in range(4))
    data = Manifest(samples, {"verb": ("take", "put"), "noun": ("a", "b")}, False, "", "")
    assert "class 'put' of verb has one clip" in only(class_problems(data))[2]
