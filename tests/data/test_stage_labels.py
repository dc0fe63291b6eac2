"""The labels agree with the pixels, the sound and one another, and can be read as what they claim to be."""

import csv
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from marey.data import read_manifest
from marey.data.stage import CLASSES, render
from marey.data.stage.body import JOINT
from marey.data.stage.captions import LANGUAGES, describe
from marey.data.stage.labels import BONDS, CATEGORIES, KEYPOINTS, observe, outlines
from marey.data.stage.plan import Shot
from marey.data.stage.sound import RATE, events, soundtrack
from marey.data.stage.take import MAIN, Take, direct, film
from marey.video import read_audio

SIZE = (160, 120)


@cache
def taken(label: str, level: str = "studio", key: int = 1, style: str = "figure") -> Take:
    shot = Shot("clip", label, (), 3, 2, "train", "train", 2.0, 25, SIZE, level, style, 0, key)
    return direct(shot)


def figure_pixels(take: Take) -> np.ndarray:
    """Where the frames differ from those of the empty stage, bool (t, h, w)."""
    empty = replace(take, shapes=(), order=take.order[:, :0])
    with_it, without = (np.stack(list(film(t))).astype(int) for t in (take, empty))
    return np.abs(with_it - without).max(3) > 12


@pytest.mark.parametrize("label", ["stroll", "kick then bow", "ride bicycle", "put on hat", "sit reading"])
def test_boxes_hold_what_is_painted_and_no_more(label: str) -> None:
    take = taken(label)
    boxes = np.stack(list(outlines(take).values()))
    low, high = boxes[..., :2].min(0), boxes[..., 2:].max(0)
    for t, painted in enumerate(figure_pixels(take)):
        rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
        first, last = np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]])
        assert (first >= low[t] - 1.6).all() and (last <= high[t] + 1.6).all(), "something sticks out"
        inside = np.clip(low[t], 0, SIZE), np.clip(high[t], 0, SIZE)
        assert (np.abs(first - inside[0]) < 3).all() and (np.abs(last - inside[1]) < 3.5).all(), "the box is too large"


def test_visible_joints_lie_on_the_figure_and_hidden_ones_exist() -> None:
    seen, hidden = 0, 0
    for label in ("stroll", "sit down", "open door", "carry umbrella"):
        take = taken(label)
        painted = figure_pixels(take)
        for keyframe in observe(take):
            (person,) = [thing for thing in keyframe.things if thing.owner == MAIN]
            assert person.keypoints is not None
            for x, y, visibility in person.keypoints:
                hidden += visibility == 1
                if visibility == 2:
                    seen += 1
                    assert painted[keyframe.frame_index, round(y), round(x)]
    assert seen > 300 and hidden > 100


def test_left_and_right_are_the_figures_own() -> None:
    """Seen from the front, the left shoulder is on the viewer's right, mirrored figures included."""
    mirrored = set()
    for key in range(8):
        take = taken("wave slowly", key=key)
        mirrored.add(take.people[0].view.mirror)
        (person,) = [thing for thing in observe(take)[0].things if thing.owner == MAIN]
        points = dict(zip(KEYPOINTS, np.asarray(person.keypoints), strict=True))
        assert points["left_shoulder"][0] > points["right_shoulder"][0]
        assert points["left_hip"][0] > points["right_hip"][0]
    assert mirrored == {True, False}


def test_the_back_of_a_head_has_no_visible_nose() -> None:
    take = taken("hurry", key=3)
    turned = 0
    for keyframe in observe(take):
        depth = take.people[0].depth[keyframe.frame_index]
        (person,) = [thing for thing in keyframe.things if thing.owner == MAIN]
        if depth[JOINT["nose"]] > depth[JOINT["head"]] + 0.04:
            turned += 1
            assert np.asarray(person.keypoints)[0, 2] == 1
    assert turned


@pytest.mark.parametrize("label, at_first, at_last", [
    ("sit down", "stands before", "sits on"),
    ("stand up", "sits on", "stands before"),
    ("take off hat", "wears", "holds"),
    ("climb on box", "stands before", "stands on"),
])  # fmt: skip
def test_relations_follow_the_action(label: str, at_first: str, at_last: str) -> None:
    keyframes = observe(taken(label, key=4))
    verbs = [[verb for who, verb, _ in k.relations if who == MAIN] for k in keyframes]
    told = [v for v in verbs if v]
    assert told[0] == [at_first] and told[-1] == [at_last]


def test_every_bond_is_with_something_that_has_a_box() -> None:
    for entry in CLASSES.values():
        if entry.prop:
            owners = {shape.owner for shape in taken(entry.name).shapes}
            assert {thing for _, thing, _, _ in BONDS[entry.prop]} <= owners <= {*CATEGORIES}


def test_a_crowd_is_labelled_and_posts_hide_what_is_behind_them() -> None:
    takes = [taken("clap slowly", "street", key) for key in range(6)]
    frames = [keyframe for take in takes for keyframe in observe(take)]
    walkers = [t for k in frames for t in k.things if t.owner.startswith("passer-by")]
    assert walkers and all(t.category == "person" for t in walkers)
    assert any(verb == "walks behind" for k in frames for _, verb, _ in k.relations)
    areas = [(t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) for t in walkers]
    assert min(t.seen_px / a for t, a in zip(walkers, areas, strict=True)) < 0.1 < 0.3
    assert all(t.seen_px <= 1.3 * a + 20 for t, a in zip(walkers, areas, strict=True))


def test_claps_are_heard_when_the_hands_meet() -> None:
    take = taken("clap slowly")
    apart = np.linalg.norm(take.people[0].body[:, JOINT["hand_l"]] - take.people[0].body[:, JOINT["hand_r"]], axis=1)
    meets = [t / 25 for t in range(1, len(apart) - 1) if apart[t - 1] >= apart[t] < apart[t + 1]]
    onsets = [onset for onset, _, kind in events(take) if kind == "clap"]
    assert len(onsets) == len(meets) and onsets == pytest.approx(meets, abs=0.05)
    track = soundtrack(take)
    loud = np.abs(track).reshape(-1, RATE // 100).max(1)
    for onset in onsets:
        before, after = loud[max(0, int(onset * 100) - 4)], loud[int(onset * 100) : int(onset * 100) + 3].max()
        assert after > 3 * before


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("label", CLASSES)
def test_captions_name_who_and_what(label: str, language: str) -> None:
    caption = describe(label, (210, 40, 40), "street", language)
    assert not set("@[]*|{}") & set(caption.sentence)
    named = {phrase.owner for phrase in caption.phrases}
    bonds = BONDS.get(CLASSES[label].prop or "", ())
    assert named == {MAIN} | {thing for _, thing, _, _ in bonds}
    for phrase in caption.phrases:
        assert 0 <= phrase.start <= phrase.head < phrase.end <= len(caption.words)


def test_captions_read_well() -> None:
    sentences = [describe("sit down", (60, 160, 70), "studio", language).sentence for language in LANGUAGES]
    assert sentences == [
        "In a studio, a person in a green shirt sits down on a chair.",
        "En un estudio, una persona con camiseta verde se sienta en una silla.",
        "In einem Studio setzt sich eine Person in einem grünen Hemd auf einen Stuhl.",
        "Dans un studio, une personne en chemise verte s'assoit sur une chaise.",
        "在摄影棚里，一个穿绿色上衣的人坐到椅子上。",
    ]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("labels") / "set"
    names = ["clap slowly", "put on hat", "crouch then reach up"]
    render(out, level="street", classes=names, clips_per_class=3, untrimmed=3, untrimmed_s=12, size=(96, 72), workers=1)
    return out


def load(stage: Path, name: str):
    return json.loads((stage / "labels" / name).read_text(encoding="utf-8"))


def test_coco_files_refer_to_what_they_hold(stage: Path) -> None:
    for name in ("instances.json", "keypoints.json"):
        data = load(stage, name)
        videos, images = {v["id"]: v for v in data["videos"]}, {i["id"]: i for i in data["images"]}
        assert all((stage / v["file_name"]).exists() for v in videos.values())
        assert all(i["frame_index"] < videos[i["video_id"]]["length"] for i in images.values())
        identities = [a["id"] for a in data["annotations"]]
        assert len(set(identities)) == len(identities) > 100
        for a in data["annotations"]:
            x, y, w, h = a["bbox"]
            assert a["image_id"] in images and x >= 0 and y >= 0 and x + w <= 96.01 and y + h <= 72.01 and w * h > 0
            assert a["category_id"] in {c["id"] for c in data["categories"]}
    assert all(len(a["keypoints"]) == 51 and a["num_keypoints"] <= 17 for a in data["annotations"])
    assert len(data["categories"][0]["keypoints"]) == 17


def test_ava_boxes_are_fractions_and_actions_are_named(stage: Path) -> None:
    named = (stage / "labels" / "ava_actions.pbtxt").read_text()
    with (stage / "labels" / "ava.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows
    for _, seconds, x1, y1, x2, y2, action, person in rows:
        assert 0 <= float(x1) < float(x2) <= 1 and 0 <= float(y1) < float(y2) <= 1 and float(seconds) >= 0
        assert f"label_id: {action}\n" in named and int(person) >= 1


def test_relations_name_boxes_of_their_image(stage: Path) -> None:
    images = {i["id"] for i in load(stage, "instances.json")["images"]}
    graphs = load(stage, "relations.json")
    assert {g["image_id"] for g in graphs} == images
    told = [r for g in graphs for r in g["relationships"]]
    assert {"holds", "wears"} <= {r["predicate"] for r in told}
    assert all(r[end]["w"] > 0 and r[end]["name"] in CATEGORIES for r in told for end in ("subject", "object"))


def test_activitynet_reads_back_with_the_videos(stage: Path) -> None:
    found = read_manifest(stage / "labels" / "activitynet.json", root=stage)
    assert {Path(s.path).exists() for s in found.samples} == {True}
    long = [s for s in found.samples if "untrimmed" in s.path]
    assert len(long) >= 6 and {s.split for s in long} == {"train", "val", "test"}


def test_the_folder_reads_as_the_clips_with_their_splits_and_groups(stage: Path) -> None:
    found = read_manifest(stage)
    assert len(found) == 9 and found.class_groups["put on hat"] == "reversed"
    assert {s.split for s in found.samples} == {"train", "val", "test"} and all(s.group for s in found.samples)


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_are_grounded_in_their_segment(stage: Path, language: str) -> None:
    videos = load(stage, f"captions_{language}.json")["annotations"]
    assert len(videos) == 12
    grounded = 0
    for video in videos.values():
        for segment in video["segments"].values():
            start, end = segment["timestamps"]
            assert 0 <= start < end <= video["duration"] + 1e-3
            columns = ("process_clss", "process_idx", "process_bnd_box", "frame_ind")
            assert len({len(segment[column]) for column in columns}) == 1
            for (name,), (head,), box, frame in zip(*(segment[column] for column in columns), strict=True):
                grounded += 1
                assert name in CATEGORIES and head < len(segment["tokens"]) and 0 <= frame < 10
                assert 0 <= box[0] < box[2] <= 96 and 0 <= box[1] < box[3] <= 72
    assert grounded > 150


def test_sounds_are_in_the_file_where_the_table_has_them(stage: Path) -> None:
    with (stage / "labels" / "sounds.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    claps = [r for r in rows if r["event_label"] == "clap" and "clap_slowly" in r["filename"]]
    assert claps
    for row in claps[:6]:
        onset = float(row["onset"])
        heard = read_audio(stage / row["filename"], start_s=max(0.0, onset - 0.06), end_s=onset + 0.06)
        loudest = max(0.0, onset - 0.06) + np.abs(heard).argmax() / RATE
        assert loudest == pytest.approx(onset + 0.008, abs=0.03)
