"""What every job does first: read the data as asked for, refuse what cannot be learned from, split it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path
from typing import cast, get_args

from ..data import (
    FORMATS,
    SIDES,
    Manifest,
    class_problems,
    edit_classes,
    near_duplicates,
    read_manifest,
    split_manifest,
    unit_of,
)
from ..data.finding import videos_below
from ..errors import DataError, MissingExtra, UsageError, range_text
from ..video import DecoderName, torchcodec_problem
from .narrate import Narrator, progress_of

ANNOTATIONS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")  # what a video's name does not end with
FEWEST_UNITS_TO_WATCH = 8  # with fewer sources, all that are not tested on are needed to learn from


@dataclass(frozen=True)
class ClassEdits:
    """Classes to merge (new name -> old ones), rename (old -> new) and leave out."""

    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()


def check_range(flag: str, value: float | None, least: float, most: float) -> None:
    """UsageError for a number (None is none) outside of what makes sense; not-a-number is outside, too."""
    if value is not None and not least <= value <= most:
        raise UsageError(f"{flag} is {value}; give {range_text(value, least, most)}")


def pick_workers(workers: int | None) -> int:
    """How many processes decode: as asked, else all cores but one, at least one and at most eight."""
    if workers is None:
        return min(8, max(1, (os.cpu_count() or 1) - 1))
    if not 0 <= workers <= 256:
        raise UsageError(f"--workers is {workers}; give 0 (decode in the main process) to 256")
    return workers


def pick_decoder(name: str) -> DecoderName:
    """The decoder called so; "auto" is PyAV where torchcodec cannot be loaded, else it is decided by file."""
    if name not in get_args(DecoderName):
        raise UsageError(f"--decoder is {name!r}; it can be {', '.join(get_args(DecoderName))}")
    problem = None if name == "pyav" else torchcodec_problem()
    if problem and name == "torchcodec":
        raise MissingExtra(
            f"--decoder torchcodec cannot be had, for {problem}; pip install 'marey[torchcodec]' and install FFmpeg, "
            "or drop the flag: PyAV is there"
        )
    return "pyav" if problem else cast(DecoderName, name)


def load_data(
    data: str | Path,
    *,
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
) -> Manifest:
    """The manifest of DATA with its classes edited as asked."""
    if not str(data):
        raise UsageError("the path of the data is empty; name a folder, an annotation file or a pattern of shards")
    if kind is not None and kind not in FORMATS:
        raise UsageError(f"--kind is {kind!r}; it can be {', '.join(FORMATS)}")
    manifest = read_manifest(data, kind=kind, root=root, group_by=group_by)
    if edits is not None and edits != ClassEdits():
        manifest = edit_classes(manifest, merge=edits.merge, rename=edits.rename, leave_out=edits.leave_out)
    return manifest


def refuse_hopeless(manifest: Manifest) -> None:
    """DataError for data that no model can learn classes from, as `validate` would find without reading a video."""
    for problem in class_problems(manifest):
        if problem.severity == "error":
            raise DataError(f"{manifest.source}: {problem.message}")


def split_data(manifest: Manifest, *, seed: int, workers: int, narrator: Narrator) -> Manifest:
    """A split for every sample; declared splits stay, groups and near-duplicates are kept together."""
    duplicates = duplicates_of(manifest, workers=workers, narrator=narrator)
    units = len(set(unit_of(manifest.samples, duplicates).tolist()))
    few = units < FEWEST_UNITS_TO_WATCH and all(s.split is None for s in manifest.samples)
    if few:
        narrator.say(f"too few sources ({units}) to watch training on some of them: no validation split")
    fractions = (0.75, 0.0, 0.25) if few else (0.7, 0.1, 0.2)
    split = split_manifest(manifest, fractions=fractions, seed=seed, near_duplicate_groups=duplicates)
    if all(sample.split != "val" for sample in manifest.samples):
        split = _learnable(split, unit_of(manifest.samples, duplicates).tolist(), narrator)
    for head, labels in split.heads.items():
        seen = {label for s in split.samples if s.split == "train" for label in s.labels.get(head, ())}
        shown = {label for s in split.samples for label in s.labels.get(head, ())}
        for label in sorted(shown - seen):
            raise DataError(_why_absent(manifest, split, head, label))
        unseen = [label for label in labels if label not in shown]
        if unseen and not split.multi_label:
            split = replace(split, heads={**split.heads, head: tuple(x for x in labels if x in shown)})
    return split


def _learnable(split: Manifest, units: Sequence[int], narrator: Narrator) -> Manifest:
    """The split with the units of a class back in train where val, which was cut from it, had taken all of them."""
    classes = [{(head, name) for head, names in s.labels.items() for name in names} for s in split.samples]
    sides = [sample.split for sample in split.samples]
    learned = {one for own, side in zip(classes, sides, strict=True) if side == "train" for one in own}
    rows = zip(classes, sides, units, strict=True)
    back = {unit for own, side, unit in rows if side == "val" and not own <= learned}
    moved = ["train" if unit in back else side for unit, side in zip(units, sides, strict=True)]
    if "val" in sides and "val" not in moved:
        narrator.say("every source is needed to learn its classes: no validation split")
    return replace(split, samples=tuple(replace(s, split=k) for s, k in zip(split.samples, moved, strict=True)))


def _why_absent(manifest: Manifest, split: Manifest, head: str, label: str) -> str:
    """Why no clip of a class is in train, as the data and the split have it, and the cure."""
    having = [i for i, sample in enumerate(split.samples) if label in sample.labels.get(head, ())]
    sides = " and ".join(side for side in SIDES if any(split.samples[i].split == side for i in having))
    what = f"class {label!r} of {manifest.source} has no clip in train"
    if all(manifest.samples[i].split for i in having):
        return f"{what}: the data declare all of it for {sides}; move some to train, or leave it out with --leave-out"
    return (
        f"{what}: all of it belongs to groups or near-duplicate videos that are held out for {sides}; add clips of "
        "other sources, use --folds, or leave it out with --leave-out"
    )


def duplicates_of(manifest: Manifest, *, workers: int, narrator: Narrator) -> Sequence[Sequence[str]] | None:
    """Paths of near-duplicate videos; None where every sample has a group, which settles what belongs together."""
    if all(sample.group is not None for sample in manifest.samples):
        return None
    paths = list(dict.fromkeys(sample.path for sample in manifest.samples))
    return near_duplicates(paths, workers=workers, progress=progress_of(narrator, "compare videos")).near


def list_videos(inputs: str | Path | Sequence[str | Path]) -> list[str]:
    """Files, folders (searched for videos) and globs to a list of videos, each once; UsageError where there is none."""
    found: dict[str, None] = {}
    for given in map(str, [inputs] if isinstance(inputs, str | Path) else inputs):
        if not given:
            raise UsageError("one of the videos has an empty name; give files, folders or globs")
        path = Path(given)
        if path.is_dir():
            inside = [str(p) for p in videos_below(path)]
            if not inside:
                raise UsageError(f"{given} has no videos in it; name files, or a folder with videos")
        elif path.exists() or "::" in given:
            inside = [given]
        else:
            inside = sorted(glob(given, recursive=True))  # noqa: PTH207 - patterns may be absolute
            if not inside:
                raise UsageError(f"{given} does not exist; check the path")
        found |= dict.fromkeys(inside)
    if not found:
        raise UsageError("no video is named; give files, folders or globs")
    return list(found)


def videos_of(
    videos: str | Path | Sequence[str | Path], *, kind: str | None, root: str | Path | None
) -> tuple[list[str], Manifest | None]:
    """Files, folders and globs, each video once; or those that one annotation file names, and what it says of them."""
    given = [videos] if isinstance(videos, str | Path) else list(videos)
    if len(given) != 1 or (kind is None and Path(given[0]).suffix not in ANNOTATIONS):
        return list_videos(given), None
    manifest = load_data(given[0], kind=kind, root=root)
    return list(dict.fromkeys(sample.path for sample in manifest.samples)), manifest
