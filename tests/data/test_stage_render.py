"""A rendered data set: the same bytes from the same seed, honest splits, every file described, refusals that help."""

import csv
import json
import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from marey.data.stage import CLASSES, render
from marey.errors import UsageError
from marey.video import open_video

NAMES = ("sit down", "stand up", "wave slowly", "wave fast", "jump then wave", "ride bicycle")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in files}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stage") / "set"
    steps: list[tuple[int, int]] = []
    render(
        out,
        level="street",
        classes=NAMES,
        clips_per_class=4,
        cross_per_class=1,
        untrimmed=3,
        untrimmed_s=9,
        seconds=1.2,
        fps=12,
        size=(96, 72),
        workers=1,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(k, 45) for k in range(1, 46)]
    return out


def test_same_seed_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    small = {"classes": NAMES[:2], "clips_per_class": 3, "fps": 8, "size": (64, 48), "flow": True}
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    render(one, **small, workers=1, seed=5)
    render(two, **small, workers=2, seed=5)
    render(other, **small, workers=1, seed=6)
    assert digests(one) == digests(two)
    assert not [n for n in digests(one) if n.endswith(".mp4") and digests(one)[n] == digests(other)[n]]


def test_training_validation_and_test_share_no_actor_and_no_scene(stage: Path) -> None:
    clips = rows(stage / "annotations.csv")
    assert {c["split"] for c in clips} == {"train", "val", "test"}
    for column in ("actor", "scene", "group"):
        seen = {s: {c[column] for c in clips if c["split"] == s} for s in ("train", "val", "test")}
        assert not (seen["train"] & seen["val"] | seen["train"] & seen["test"] | seen["val"] & seen["test"])
    assert {c["label"]: c["class_group"] for c in clips} == {n: CLASSES[n].group for n in NAMES}


def test_conditions_are_what_they_say(stage: Path) -> None:
    training = [c for c in rows(stage / "annotations.csv") if c["split"] == "train"]
    actors, scenes = {c["actor"] for c in training}, {c["scene"] for c in training}
    found = rows(stage / "labels" / "generalization.csv")
    assert {c["condition"] for c in found} == {"seen", "actor-unseen", "scene-unseen", "both-unseen"}
    for clip in found:
        assert (stage / "labels" / clip["path"]).exists() and clip["split"] == "test"
        assert (clip["actor"] not in actors) == (clip["condition"] in ("actor-unseen", "both-unseen"))
        assert (clip["scene"] not in scenes) == (clip["condition"] in ("scene-unseen", "both-unseen"))


def test_twins_are_played_by_the_same_actors_in_the_same_scenes(stage: Path) -> None:
    clips = rows(stage / "annotations.csv")
    played = {n: [(c["actor"], c["scene"], c["split"]) for c in clips if c["label"] == n] for n in NAMES}
    assert played["sit down"] == played["stand up"]
    assert played["wave slowly"] == played["wave fast"]


def test_videos_are_as_long_as_their_rows_say_and_have_sound(stage: Path) -> None:
    for clip in rows(stage / "annotations.csv")[::5]:
        with open_video(stage / clip["path"]) as video:
            assert (video.info.width, video.info.height, video.info.fps, video.info.codec) == (96, 72, 12, "h264")
            assert video.info.duration_s == pytest.approx(float(clip["end_s"]), abs=0.02)
            assert video.info.audio_rate == 16_000
            assert len(list(video.stream())) == round(float(clip["end_s"]) * 12)


def test_readme_lists_every_file_and_no_other(stage: Path) -> None:
    described = set(re.findall(r"^\| `([^`]+)` \|", (stage / "README.md").read_text(encoding="utf-8"), re.M))
    there = {p.name for p in stage.iterdir() if p.is_file()} | {"videos/"}
    there |= {f"labels/{p.name}" for p in (stage / "labels").iterdir()}
    assert described == there
    assert all(f"| {name} |" in (stage / "README.md").read_text(encoding="utf-8") for name in NAMES)


def test_long_recordings_hold_several_actions_in_order(stage: Path) -> None:
    found = rows(stage / "labels" / "untrimmed.csv")
    for path in {r["path"] for r in found}:
        spans = [(float(r["start_s"]), float(r["end_s"])) for r in found if r["path"] == path]
        assert all(0 < a < b <= 9 for a, b in spans)
        assert all(a[1] < b[0] for a, b in pairwise(spans))
        with open_video(stage / "labels" / path) as video:
            assert video.info.duration_s == pytest.approx(9, abs=0.05)
    assert {r["split"] for r in found} == {"train", "val", "test"}


def test_points_of_light_are_all_that_is_seen(tmp_path: Path) -> None:
    table = render(
        tmp_path / "dots", style="point-light", level="street", classes=["stroll"], clips_per_class=3, workers=1
    )
    with open_video(tmp_path / "dots" / rows(table)[0]["path"]) as video:
        frames = np.stack([frame for _, frame in video.stream()])
    lit = (frames.max(3) > 60).mean((1, 2))
    assert lit.min() > 0.001 and lit.max() < 0.06
    assert np.ptp(frames.astype(int), axis=3).max() < 40  # white on black


def test_a_finished_set_is_left_alone_and_an_interrupted_one_made_again(tmp_path: Path) -> None:
    def make() -> Path:
        return render(tmp_path / "set", classes=["stroll"], clips_per_class=3, fps=5, size=(48, 48), workers=1)

    table = make()
    first = digests(table.parent)
    video = next(table.parent.rglob("*.mp4"))
    video.write_bytes(b"")
    make()
    assert video.stat().st_size == 0
    stamp = table.parent / "stage.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "complete": False}))
    make()
    assert digests(table.parent) == first
    with pytest.raises(UsageError, match=r"rendered with other arguments; give another folder"):
        render(tmp_path / "set", classes=["stroll"], clips_per_class=4, workers=1)
    stamp.write_text("{")
    with pytest.raises(UsageError, match=r"stage.json is damaged; remove"):
        make()


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="is not an empty folder and holds no stage data set; give another"):
        render(tmp_path)
    with pytest.raises(UsageError, match="is not an empty folder"):
        render(tmp_path / "mine.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"level": "forest"}, "stage level 'forest' is unknown; take one of studio, street"),
        ({"style": "oil"}, "stage style 'oil' is unknown; take one of figure, point-light"),
        ({"classes": ["sit dwn"]}, "stage class 'sit dwn' is unknown; did you mean 'sit down'?"),
        ({"classes": ["zzz"]}, "stage class 'zzz' is unknown; the classes are sit down,"),
        ({"classes": []}, "stage classes must be at least one, each named once"),
        ({"classes": ["stroll", "stroll"]}, "stage classes must be at least one, each named once"),
        ({"clips_per_class": 2}, "stage clips_per_class is 2; it must lie in 3..4000"),
        ({"actors": 2}, "stage actors is 2; it must lie in 3..1000"),
        ({"scenes": 0}, "stage scenes is 0; it must lie in 3..1000"),
        ({"seconds": -1}, "stage seconds is -1.0; it must lie in 0.8..600"),
        ({"fps": 1000}, "stage fps is 1000; it must lie in 5..120"),
        ({"seed": -1}, "stage seed is -1; it must lie in 0..4294967295"),
        ({"size": (16, 120)}, "stage size is 16 x 120; both sides must lie in 48..2160 pixels"),
        ({"workers": 0}, "stage workers is 0; it must be 1 or more"),
        ({"untrimmed": 2}, "stage untrimmed is 2; it must be 0, or 3 or more"),
        (
            {"untrimmed": 3, "classes": ["sit down"]},
            "stage untrimmed recordings need a class of the tempo or the order",
        ),
    ],
)
def test_what_cannot_be_rendered_is_said_in_one_sentence(tmp_path: Path, wrong: dict, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        render(tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()
