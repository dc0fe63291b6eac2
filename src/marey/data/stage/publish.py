"""The label files: what one clip adds to each of them, and the folder that they make together."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .captions import LANGUAGES, describe
from .classes import CLASS_GROUPS, CLASSES, MIRROR
from .labels import CATEGORIES, KEYPOINTS, SKELETON, Keyframe, Thing, category, observe, outlines
from .plan import Plan, Shot
from .sound import events
from .take import MAIN, Take

COLUMNS = ("path", "label", "start_s", "end_s", "split", "group", "actor", "scene", "class_group", "condition")
PASSING = "walk by"  # what the crowd does, in the AVA file
_SUBSET = {"train": "training", "val": "validation", "test": "testing"}
_GROUNDED_FRAMES = 10  # per segment, as in ActivityNet-Entities

# file -> what a reader finds in it
FILES = {
    "videos/": "the clips, H.264 and AAC in MP4, one folder a class; long recordings are in `videos/untrimmed/`",
    "annotations.csv": "one row a clip: path, label, start_s, end_s, split, group (the actor), actor, scene, "
    "class_group, condition. Training, validation and test share no actor and no scene",
    "stage.json": "the arguments of the rendering",
    "README.md": "this page",
}
LABEL_FILES = {  # in the folder `labels`
    "generalization.csv": "test clips by condition: seen, actor-unseen, scene-unseen, both-unseen; same columns",
    "untrimmed.csv": "one row an action of a long recording; same columns",
    "classes.json": "class -> group, twin (the class that looks the same in a still frame) and mirror image",
    "activitynet.json": "when each action is under way, in the format of ActivityNet; clips and long recordings",
    "ava.csv": "person boxes with the action at five instants a second, in the format of AVA: video, seconds, "
    "x1, y1, x2, y2 as fractions of the frame, action_id, person_id",
    "ava_actions.pbtxt": "the action ids of `ava.csv`",
    "instances.json": "boxes of persons and objects with track ids, COCO format; `area` counts the pixels that are "
    "not hidden, `bbox` is that of the whole thing, cut to the frame",
    "keypoints.json": "17 joints of every person with visibility (2 seen, 1 hidden, 0 outside the frame), COCO "
    "format; image ids as in `instances.json`",
    "relations.json": "who does what to which object, in the format of Visual Genome; image ids as in `instances.json`",
    **{
        f"captions_{language}.json": "a sentence for every action, with boxes for its noun phrases on ten frames of "
        f"the segment, in the format of ActivityNet-Entities; language: {language}"
        for language in LANGUAGES
    },
    "sounds.tsv": "onset and offset of every sound in seconds, in the format of DESED",
    "flow/": "exact optical flow from each frame to the next, Middlebury .flo, in the folders of MPI Sintel",
    "occlusions/": "255 where the flow leads out of sight, PNG, in the folders of MPI Sintel",
}


@dataclass(frozen=True)
class Entry:
    """What one clip adds to the label files, already as text, so that little travels between processes."""

    rows: tuple[tuple[str, ...], ...]
    video: str
    images: tuple[str, ...]
    boxes: tuple[str, ...]
    people: tuple[str, ...]
    relations: tuple[str, ...]
    ava: tuple[tuple[str, ...], ...]
    activitynet: str
    captions: tuple[str, ...]
    sounds: tuple[tuple[str, ...], ...]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _xywh(box: Sequence[float]) -> list[float]:
    left, top, right, bottom = box
    return [round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)]


def _columns(shot: Shot, label: str, start_s: float, end_s: float) -> tuple[str, ...]:
    actor, scene = f"actor{shot.actor:02d}", f"{shot.level}{shot.scene:02d}"
    where = (shot.split, actor, actor, scene, CLASS_GROUPS[label], shot.condition)
    return (shot.path, label, f"{start_s:.3f}", f"{end_s:.3f}", *where)


def entry(take: Take, number: int) -> Entry:
    """The labels of a take that is clip `number` of its data set."""
    shot, keyframes = take.shot, observe(take)
    segments = take.performance.segments(shot.duration_s)
    spans = [(shot.label, 0.0, shot.duration_s)] if shot.label else segments
    w, h = shot.size
    video = {
        "id": number,
        "name": shot.name,
        "file_name": shot.path,
        "width": w,
        "height": h,
        "fps": shot.fps,
        "length": len(take.seconds),
        "split": shot.split,
    }
    images, boxes, people, relations = [], [], [], []
    for keyframe in keyframes:
        image = number * 1_000_000 + keyframe.frame_index
        about = {"file_name": shot.path, "width": w, "height": h, "video_id": number}
        images.append(
            _json({"id": image, **about, "frame_index": keyframe.frame_index, "seconds": round(keyframe.seconds, 4)})
        )
        for thing in keyframe.things:
            base = _annotation(thing, image, number)
            boxes.append(_json(base))
            if thing.keypoints is not None:
                points = [round(float(v), 2) for v in thing.keypoints.ravel()]
                seen = int((thing.keypoints[:, 2] > 0).sum())
                people.append(_json({**base, "keypoints": points, "num_keypoints": seen}))
        relations.append(_json(_scene_graph(keyframe, image, number)))
    return Entry(
        rows=tuple(_columns(shot, *span) for span in spans),
        video=_json(video),
        images=tuple(images),
        boxes=tuple(boxes),
        people=tuple(people),
        relations=tuple(relations),
        ava=tuple(_ava(take, keyframes)),
        activitynet=f"{_json(shot.name)}:" + _json(_activitynet(shot, segments)),
        captions=tuple(f"{_json(shot.name)}:" + _json(_captions(take, segments, language)) for language in LANGUAGES),
        sounds=tuple((shot.path, f"{on:.3f}", f"{off:.3f}", kind) for on, off, kind in events(take)),
    )


def _annotation(thing: Thing, image: int, number: int) -> dict[str, Any]:
    return {
        "id": image * 100 + thing.track,
        "image_id": image,
        "category_id": CATEGORIES.index(thing.category) + 1,
        "bbox": _xywh(thing.box),
        "area": thing.seen_px,
        "iscrowd": 0,
        "track_id": number * 100 + thing.track,
        "video_id": number,
    }


def _scene_graph(keyframe: Keyframe, image: int, number: int) -> dict[str, Any]:
    def node(owner: str) -> dict[str, Any]:
        thing = next(t for t in keyframe.things if t.owner == owner)
        box = dict(zip("xywh", _xywh(thing.box), strict=True))
        return {"object_id": number * 100 + thing.track, "name": thing.category, **box, "synsets": []}

    found = [
        {"relationship_id": image * 100 + k, "predicate": verb, "subject": node(a), "object": node(b), "synsets": []}
        for k, (a, verb, b) in enumerate(keyframe.relations)
    ]
    return {"image_id": image, "relationships": found}


def _ava(take: Take, keyframes: Sequence[Keyframe]) -> Iterable[tuple[str, ...]]:
    shot, (w, h) = take.shot, take.shot.size
    actions = list(CLASSES)
    for keyframe in keyframes:
        at = keyframe.seconds
        doing = [b.label for b in take.performance.beats if b.start_s <= at <= b.end_s]
        for thing in keyframe.things:
            if thing.category != "person":
                continue
            action = len(actions) + 1 if thing.owner != MAIN else (actions.index(doing[0]) + 1 if doing else 0)
            if action:
                x1, y1, x2, y2 = thing.box
                corners = (f"{v:.4f}" for v in (x1 / w, y1 / h, x2 / w, y2 / h))
                yield (shot.name, f"{at:.3f}", *corners, str(action), str(thing.track))


def _activitynet(shot: Shot, segments: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    return {
        "duration": round(shot.duration_s, 3),
        "subset": _SUBSET[shot.split],
        "resolution": f"{shot.size[0]}x{shot.size[1]}",
        "url": shot.path,
        "annotations": [{"segment": [round(a, 3), round(b, 3)], "label": label} for label, a, b in segments],
    }


def _captions(take: Take, segments: Sequence[tuple[str, float, float]], language: str) -> dict[str, Any]:
    shot, boxes = take.shot, outlines(take)
    found = {}
    for index, (label, start, end) in enumerate(segments):
        caption = describe(label, take.people[0].actor.shirt, shot.level, language)
        middles = start + (np.arange(_GROUNDED_FRAMES) + 0.5) / _GROUNDED_FRAMES * (end - start)
        frames = np.minimum((middles * shot.fps).astype(int), len(take.seconds) - 1)
        grounded = []
        for phrase in caption.phrases:
            if phrase.owner in boxes:
                cut = np.clip(boxes[phrase.owner][frames], 0, (*shot.size, *shot.size))
                shown = (cut[:, 2] - cut[:, 0] >= 1) & (cut[:, 3] - cut[:, 1] >= 1)
                grounded += [(phrase, k, np.round(cut[k], 1).tolist()) for k in np.flatnonzero(shown).tolist()]
        found[str(index)] = {
            "timestamps": [round(start, 3), round(end, 3)],
            "sentence": caption.sentence,
            "tokens": caption.words,
            "process_clss": [[category(phrase.owner)] for phrase, _, _ in grounded],
            "process_idx": [[phrase.head] for phrase, _, _ in grounded],
            "process_bnd_box": [box for _, _, box in grounded],
            "frame_ind": [k for _, k, _ in grounded],
            "phrases": [{"words": [p.start, p.end], "name": category(p.owner)} for p in caption.phrases],
        }
    return {"duration": round(shot.duration_s, 3), "segments": found}


def _table(rows: Iterable[Sequence[str]], *, delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _from_labels(row: tuple[str, ...]) -> tuple[str, ...]:
    """A row whose path is seen from the folder `labels`."""
    return (f"../{row[0]}", *row[1:])


def _list(parts: Iterable[str]) -> str:
    return "[\n" + ",\n".join(parts) + "\n]"


def _object(parts: Iterable[str]) -> str:
    return "{\n" + ",\n".join(parts) + "\n}"


def _coco(entries: Sequence[Entry], annotations: str, categories: list[dict[str, Any]]) -> str:
    parts = [
        f'"videos":{_list(e.video for e in entries)}',
        f'"images":{_list(i for e in entries for i in e.images)}',
        f'"annotations":{annotations}',
        f'"categories":{_json(categories)}',
    ]
    return _object(parts)


def _texts(plan: Plan, planned: Sequence[Shot], entries: Sequence[Entry]) -> dict[str, str]:
    """File name -> content of every file in `labels`."""
    pairs = list(zip(planned, entries, strict=True))
    across = [e.rows[0] for s, e in pairs if s.label and s.condition in ("seen", "actor-unseen", "scene-unseen")]
    long = [row for s, e in pairs if not s.label for row in e.rows]
    texts: dict[str, str] = {}
    if across:
        across += [e.rows[0] for s, e in pairs if s.label and s.condition == "both-unseen"]
        texts["generalization.csv"] = _table([COLUMNS, *map(_from_labels, across)])
    if long:
        texts["untrimmed.csv"] = _table([COLUMNS, *map(_from_labels, long)])
    table = {c: {"group": CLASS_GROUPS[c], "twin": CLASSES[c].twin, "mirror": MIRROR.get(c, c)} for c in plan.classes}
    texts["classes.json"] = json.dumps(table, indent=1) + "\n"
    groups = list(dict.fromkeys(CLASS_GROUPS[c] for c in plan.classes))
    names = ["Root", *groups, *plan.classes]
    parents = {**dict.fromkeys(groups, "Root"), **{c: CLASS_GROUPS[c] for c in plan.classes}}
    taxonomy = [
        {
            "nodeName": name,
            "nodeId": names.index(name),
            "parentName": parents.get(name),
            "parentId": names.index(parents[name]) if name in parents else None,
        }
        for name in names
    ]
    database = f'"database":{_object(e.activitynet for e in entries)}'
    texts["activitynet.json"] = _object(['"version":"marey stage 1"', f'"taxonomy":{_json(taxonomy)}', database])
    texts["ava.csv"] = _table(row for e in entries for row in e.ava)
    texts["ava_actions.pbtxt"] = "".join(
        f'label {{\n  name: "{name}"\n  label_id: {number}\n  label_type: PERSON_MOVEMENT\n}}\n'
        for number, name in enumerate((*CLASSES, PASSING), 1)
    )
    things: list[dict[str, Any]] = [{"id": k, "name": c, "supercategory": "thing"} for k, c in enumerate(CATEGORIES, 1)]
    person = {"id": 1, "name": "person", "supercategory": "thing", "keypoints": KEYPOINTS, "skeleton": SKELETON}
    texts["instances.json"] = _coco(entries, _list(b for e in entries for b in e.boxes), things)
    texts["keypoints.json"] = _coco(entries, _list(p for e in entries for p in e.people), [person])
    texts["relations.json"] = _list(r for e in entries for r in e.relations)
    for k, language in enumerate(LANGUAGES):
        captions = _object(e.captions[k] for e in entries)
        texts[f"captions_{language}.json"] = _object([f'"language":"{language}"', f'"annotations":{captions}'])
    sounds = [("filename", "onset", "offset", "event_label"), *(row for e in entries for row in e.sounds)]
    texts["sounds.tsv"] = _table(sounds, delimiter="\t")
    return texts


def publish(out: Path, plan: Plan, planned: Sequence[Shot], entries: Sequence[Entry]) -> None:
    """Write every label file into `out`, and a README.md that says which holds what."""
    pairs = zip(planned, entries, strict=True)
    clips = [e.rows[0] for s, e in pairs if s.label and s.condition in ("train", "val", "both-unseen")]
    (out / "annotations.csv").write_text(_table([COLUMNS, *clips]), encoding="utf-8")
    texts = _texts(plan, planned, entries)
    (out / "labels").mkdir(exist_ok=True)
    for name, text in texts.items():
        (out / "labels" / name).write_text(text, encoding="utf-8")
    there = {*texts, *(("flow/", "occlusions/") if plan.flow else ())}
    files = [*FILES.items(), *((f"labels/{name}", what) for name, what in LABEL_FILES.items() if name in there)]
    arguments = ", ".join(f"{key} {value}" for key, value in asdict(plan).items() if key != "classes")
    page = [
        "# A data set of the Marey stage\n",
        "Synthetic film: articulated figures, props and cameras, rendered to real video files. The labels are exact,",
        "because they come from the geometry that was painted. Times are in seconds, pixels count from the upper left",
        "corner, and left and right of a joint are the figure's own. Paths in CSV files start from the file, other",
        "paths from this folder.\n",
        f"Rendered with: {arguments}.\n",
        "| file | holds |\n|---|---|",
        *(f"| `{name}` | {what} |" for name, what in files),
        "\nTwins show the same poses: the reversed ones in the opposite order of time, those of the tempo group at",
        "another speed, those of the order group in another order. One frame cannot tell them apart. A mirrored",
        "picture of a class with a mirror image shows that other class.\n",
        "| class | group | twin | mirror image |\n|---|---|---|---|",
        *(f"| {c} | {CLASS_GROUPS[c]} | {CLASSES[c].twin or ''} | {MIRROR.get(c, '')} |" for c in plan.classes),
    ]
    (out / "README.md").write_text("\n".join(page) + "\n", encoding="utf-8")
