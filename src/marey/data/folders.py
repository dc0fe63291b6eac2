"""A folder of class folders: CLASS/video.mp4, or train/CLASS/video.mp4 with val and test beside it."""

import os
import re
from pathlib import Path

from ..errors import DataError, counted
from .finding import broken_links, is_video, videos_below, visible_folders
from .manifest import Manifest, Sample
from .rows import SPLITS, Draft, class_order, one_label, only_head
from .sources import Source

UCF_NAME = re.compile(r"v_(\w+)_g(\d+)_c\d+\.\w+")  # v_CLASS_gGROUP_cCLIP.avi: clips of one group share a scene


def ucf_group(name: str) -> str | None:
    """The group that a file name in UCF-101's pattern states."""
    match = UCF_NAME.fullmatch(name)
    return f"{match[1]} g{match[2]}" if match else None


def split_folders(folder: Path) -> dict[str, Path]:
    """split -> folder where every folder inside is named after a split; empty otherwise."""
    inside = visible_folders(folder)
    named = {SPLITS[p.name.lower()]: p for p in inside if p.name.lower() in SPLITS}
    return named if inside and len(named) == len(inside) else {}


def _refuse_mixed(folder: Path) -> None:
    """DataError where folders named after splits, with folders of videos in them, would be taken for classes."""
    inside = visible_folders(folder)
    splits = [p for p in inside if p.name.lower() in SPLITS and not any(is_video(q.name) for q in p.iterdir())]
    if len(splits) < 2:
        return
    names, rest = " and ".join(p.name for p in splits), ", ".join(p.name for p in inside if p not in splits)
    if rest:
        raise DataError(f"{folder} holds {names}, which are splits, but also {rest}; move that away, or write a CSV")
    raise DataError(f"{folder} holds {names}, of which some are the same split; merge those, or write a CSV")


def recognise_folders(source: Source) -> bool:
    """At least two folders that hold videos, directly or below folders named after splits."""
    if not source.path.is_dir():
        return False
    parents = split_folders(source.path).values() or [source.path]
    holding = {p.name for parent in parents for p in visible_folders(parent) if next(videos_below(p), None)}
    return len(holding) >= 2


def read_folders(source: Source) -> Draft:
    """The class of a video is the name of the first folder on its way; deeper folders are searched too."""
    source.refuse_group_by("class folders")
    if not source.path.is_dir():
        raise DataError(f"{source} is a file and no folder of class folders; name the folder, or another --kind")
    splits = split_folders(source.path)
    if not splits:
        _refuse_mixed(source.path)
    broken = [link for parent in {source.path, *splits.values()} for link in broken_links(parent)]
    if broken:
        raise DataError(
            f"{min(broken)} is a link to {min(broken).readlink()}, which is not there; mend it or remove it"
        )
    rows: list[tuple[str, Sample]] = []
    classes: set[str] = set()
    for split, parent in splits.items() or [(None, source.path)]:
        loose = [p.name for p in sorted(parent.iterdir()) if is_video(p.name) and not p.is_dir()]
        if loose:
            raise DataError(
                f"{parent} holds {counted(len(loose), 'video')} outside any class folder, first {loose[0]}; "
                "move each into a folder named after its class, or write a CSV with path,label"
            )
        for folder in visible_folders(parent):
            found = list(videos_below(folder))
            if not found:
                raise DataError(f"class folder {folder} holds no video; add some, or remove it")
            classes.add(folder.name)
            labels = {"label": (folder.name,)}
            rows += [(str(path), Sample(str(path), labels, split=split, group=ucf_group(path.name))) for path in found]
    if not all(sample.group for _, sample in rows):
        rows = [(where, Sample(sample.path, sample.labels, split=sample.split)) for where, sample in rows]
    return Draft(rows, heads={"label": class_order(classes)}, grouped_by="UCF-101 file names")


def write_folders(manifest: Manifest, path: Path) -> None:
    """Make class folders of symbolic links to the videos; spans, groups and several labels do not fit."""
    kind = "a folder of class folders"
    head, links = only_head(manifest, kind=kind), {}
    for sample in manifest.samples:
        if sample.start_s is not None or sample.end_s is not None or "::" in sample.path:
            raise DataError(f"{kind} holds whole files, and {sample.path} is used in part; write parquet, csv or jsonl")
        name = one_label(sample, head, kind=kind)
        if "/" in name or name.startswith(".") or name.lower() in SPLITS:
            raise DataError(f"{kind} cannot hold the class {name!r} as a folder name; rename it with --rename")
        link = path.joinpath(*filter(None, (sample.split, name, Path(sample.path).name)))
        if link in links:
            raise DataError(f"{links[link]} and {sample.path} would both become {link}; rename one")
        links[link] = sample.path
    if len({sample.split is None for sample in manifest.samples}) > 1:
        raise DataError(f"{kind} needs a split for every sample or for none; fill the splits first")
    for link, target in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, link)  # noqa: PTH211 - target first reads better here
