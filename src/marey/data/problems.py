"""The findings of a validation, each with its severity, what and where it is, and the cure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import counted
from ..video import VideoInfo
from .duplicates import Duplicates
from .manifest import Manifest, Sample
from .splits import SIDES, leaks, unit_of

MOST_BAD, MOST_BAD_SHARE = 3, 100  # beyond the larger of 3 files and 1 in 100 a training run refuses
SPAN_SLACK_S = 0.5  # labels may end this much after the video: people round
MOST_IMBALANCE = 20
MOST_LEAKED_SHARE = 0.01


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    severity  "error": numbers from training on this could not be trusted, or training would refuse; else "warning"
    kind      unreadable, header, motion, span, missing, label, duplicate, leak, class or balance
    message   what, where and what cures it, in one sentence
    paths     all videos that it is about
    """

    severity: Literal["error", "warning"]
    kind: str
    message: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassBalance:
    """How much there is of one class: clips, separate units (groups or videos), seconds, and clips by split."""

    head: str
    label: str
    clips: int
    units: int
    seconds: float
    splits: Mapping[str, int]


def class_problems(manifest: Manifest) -> list[Problem]:
    """Classes that cannot be learned or tested as they are; reads no video, so that training can ask it first."""
    parted = {sample.split for sample in manifest.samples if sample.split}
    balances = class_balance(manifest, [0.0] * len(manifest))
    found = [problem for balance in balances if (problem := _scarcity(manifest, balance, parted))]
    for head in manifest.heads:
        having = sorted((b for b in balances if b.head == head and b.clips), key=lambda b: b.clips)
        if len(having) < 2 and not (manifest.multi_label and having):
            only = f"one class in {head}, {having[0].label!r}" if having else f"no class in {head}"
            message = f"there is {only}, and nothing can be told apart; add clips of another"
            found.append(Problem("error", "class", message))
        elif having[-1].clips > MOST_IMBALANCE * having[0].clips:
            message = (
                f"class {having[-1].label!r} has {having[-1].clips} clips and {having[0].label!r} {having[0].clips}; "
                "balance the sampling or the class weights, or read mean per class and not top-1"
            )
            found.append(Problem("warning", "balance", message))
    return found


def _scarcity(manifest: Manifest, balance: ClassBalance, parted: set[str]) -> Problem | None:
    """What one class lacks; `parted` are the splits that the data declare."""
    name = f"class {balance.label!r}" + (f" of {balance.head}" if len(manifest.heads) > 1 else "")
    cure = "add clips of it, merge it with another class or leave it out"
    undecided = balance.splits.get("", 0)
    if not balance.clips:
        return Problem("warning", "class", f"{name} is listed but has no clip; {cure}")
    if balance.clips == 1:
        severity = "warning" if manifest.multi_label else "error"  # it counts for little among the other classes
        return Problem(severity, "class", f"{name} has one clip, too few to learn and to test; {cure}")
    if "train" in parted and not undecided and not balance.splits.get("train"):
        return Problem("error", "class", f"{name} has no clip in train; move some there, or leave it out")
    if balance.units == 1:
        word = "group" if manifest.grouped_by else "video"
        return Problem("warning", "class", f"{name} is in one {word} only, so it cannot be tested; {cure}")
    if "test" in parted and not undecided and not balance.splits.get("test"):
        return Problem("warning", "class", f"{name} has no clip in test, so nothing will be known of it; {cure}")
    return None


def class_balance(manifest: Manifest, lengths: Sequence[float]) -> tuple[ClassBalance, ...]:
    units = unit_of(manifest.samples).tolist()
    having: dict[tuple[str, str], list[int]] = {
        (head, name): [] for head, names in manifest.heads.items() for name in names
    }
    for index, sample in enumerate(manifest.samples):
        for head, names in sample.labels.items():
            for name in names:
                having[head, name].append(index)
    return tuple(
        ClassBalance(
            head=head,
            label=name,
            clips=len(indices),
            units=len({units[i] for i in indices}),
            seconds=sum((lengths[i] for i in indices), 0.0),
            splits=dict(Counter(manifest.samples[i].split or "" for i in indices)),
        )
        for (head, name), indices in having.items()
    )


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def file_problems(
    manifest: Manifest, unreadable: Mapping[str, str], lies: Mapping[str, str], videos: int
) -> list[Problem]:
    found: list[Problem] = []
    too_many = len(unreadable) > max(MOST_BAD, videos // MOST_BAD_SHARE)
    for path, reason in unreadable.items():
        message = f"{path} cannot be read: {reason}; repair or remove it (training leaves it out)"
        found.append(Problem("error" if too_many else "warning", "unreadable", message, (path,)))
    for path, reason in lies.items():
        found.append(Problem("warning", "header", f"{path}: {reason}", (path,)))
    if manifest.missing:
        message = (
            f"{counted(len(manifest.missing), 'video')} that {manifest.source} names "
            f"{'is' if len(manifest.missing) == 1 else 'are'} not there, first {manifest.missing[0]}; "
            "scores on the others cannot be compared with published ones"
        )
        found.append(Problem("warning", "missing", message, manifest.missing))
    return found


def motion_problems(motionless: Mapping[str, str]) -> list[Problem]:
    """Videos that networks of frames take, and networks of motion leave out."""
    return [
        Problem("warning", "motion", f"{path} {reason} (networks of frames take it as it is)", (path,))
        for path, reason in motionless.items()
    ]


def span_problems(manifest: Manifest, infos: Mapping[str, VideoInfo]) -> list[Problem]:
    found: list[Problem] = []
    for sample in manifest.samples:
        info = infos.get(sample.path)
        if info is None:
            continue
        length = f"the video lasts {info.duration_s:.2f} s"
        if (sample.start_s or 0.0) >= info.duration_s:
            message = f"{sample.path}: a clip starts at {sample.start_s:g} s, but {length}; correct or remove its line"
            found.append(Problem("error", "span", message, (sample.path,)))
        elif sample.end_s is not None and sample.end_s > info.duration_s + SPAN_SLACK_S:
            message = f"{sample.path}: a clip ends at {sample.end_s:g} s, but {length}; correct its line"
            found.append(Problem("warning", "span", message, (sample.path,)))
    return found


def label_problems(manifest: Manifest) -> list[Problem]:
    found: list[Problem] = []
    if not manifest.multi_label:
        bare = [sample for sample in manifest.samples if not all(map(sample.labels.get, manifest.heads))]
        for tested in (False, True):  # a test list without classes can still be predicted on
            paths = tuple(sample.path for sample in bare if (sample.split == "test") == tested)
            if paths:
                has = "has" if len(paths) == 1 else "have"
                message = f"{counted(len(paths), 'clip')} {has} no class, first {paths[0]}; name it or remove the line"
                found.append(Problem("warning" if tested else "error", "label", message, paths))
    clips: dict[tuple[str, float | None, float | None], list[Sample]] = {}
    for sample in manifest.samples:
        clips.setdefault((sample.path, sample.start_s, sample.end_s), []).append(sample)
    for (path, start_s, end_s), same in clips.items():
        if len(same) < 2:
            continue
        span = "" if start_s is None and end_s is None else f" from {start_s or 0:g} s"
        several = {str(dict(sample.labels)) for sample in same}
        if len(several) > 1 and not manifest.multi_label:
            message = f"{path}{span} is listed {len(same)} times with different classes; keep the line that is right"
            found.append(Problem("error", "label", message, (path,)))
        else:
            message = f"{path}{span} is listed {len(same)} times; keep one line"
            found.append(Problem("warning", "duplicate", message, (path,)))
    return found


def duplicate_problems(manifest: Manifest, duplicates: Duplicates) -> list[Problem]:
    """Doubles with other labels, or in other groups; those on two sides of a split are leaks."""
    found: list[Problem] = []
    by_path: dict[str, list[Sample]] = {}
    for sample in manifest.samples:
        by_path.setdefault(sample.path, []).append(sample)
    in_exact = {path for group in duplicates.exact for path in group}
    for group in (*duplicates.exact, *(g for g in duplicates.near if not in_exact.issuperset(g))):
        same_bytes = in_exact.issuperset(group)
        what = f"{_named(group)} " + ("are the same file" if same_bytes else "show the same film")
        labels = [{name for s in by_path[path] for names in s.labels.values() for name in names} for path in group]
        mirrored = [{manifest.mirror.get(name, name) for name in names} for names in labels]
        owners = {s.group for path in group for s in by_path[path]} - {None}
        if any(names not in (labels[0], mirrored[0]) for names in labels):
            severity = "error" if same_bytes and not manifest.multi_label else "warning"
            found.append(Problem(severity, "label", f"{what} under different classes; keep the right one", group))
        elif len(owners) > 1:
            message = f"{what} in {len(owners)} groups, which a split may part; give them one group, or keep one"
            found.append(Problem("warning", "duplicate", message, group))
        else:
            found.append(Problem("warning", "duplicate", f"{what}; keep one, unless that is meant", group))
    return found


def group_leaks(manifest: Manifest) -> list[Problem]:
    """Groups, and videos without one, that are on two sides of the splits."""
    found = []
    for indices in leaks(manifest):
        first = manifest.samples[indices[0]]
        what = f"group {first.group!r}" if first.group else f"video {first.path}"
        found.append(_leak(manifest, indices, what, "error"))
    return found


def leak_problems(manifest: Manifest, duplicates: Duplicates) -> list[Problem]:
    """What is on two sides of the declared splits: a group, a video, the same bytes, near-duplicates.

    Near-duplicates make training unsafe where they reach more than 1 % of the clips held out; fewer hardly move scores.
    """
    found = group_leaks(manifest)
    known = {index for indices in leaks(manifest) for index in indices}
    held_out = {i for i, sample in enumerate(manifest.samples) if sample.split in ("val", "test")}
    copied = [indices for indices in leaks(manifest, duplicates.near) if not known.issuperset(indices)]
    reached = held_out & {index for indices in copied for index in indices}
    severe = len(reached) > MOST_LEAKED_SHARE * len(held_out)
    same_bytes = {path for group in duplicates.exact for path in group}
    for indices in copied:
        paths = dict.fromkeys(manifest.samples[i].path for i in indices)
        severity = "error" if severe or same_bytes.issuperset(paths) else "warning"
        found.append(_leak(manifest, indices, f"one film ({_named(tuple(paths))})", severity))
    return found


def _leak(manifest: Manifest, indices: Sequence[int], what: str, severity: Literal["error", "warning"]) -> Problem:
    sides = Counter(manifest.samples[i].split for i in indices)
    where = " and ".join(f"{side} ({sides[side]})" for side in SIDES if sides[side])
    paths = tuple(dict.fromkeys(manifest.samples[i].path for i in indices))
    message = f"{what} is on several sides of the split: {where}; put all of it on one, or scores will be too good"
    return Problem(severity, "leak", message, paths)
