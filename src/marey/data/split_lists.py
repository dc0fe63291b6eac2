"""The official split lists of UCF-101 and HMDB-51, each in a folder of its own beside the videos.

UCF-101: trainlist01.txt with lines "Class/v_Class_g08_c01.avi 1", testlist01.txt without the number, classInd.txt with
lines "1 Class". HMDB-51: one CLASS_test_split1.txt a class with lines "video.avi 1", 1 for train, 2 for test, 0 for
unused. A folder means its first split; naming a list chooses another.
"""

import re
from pathlib import Path

from ..errors import DataError
from .finding import is_video
from .folders import ucf_group
from .manifest import Manifest, Sample
from .rows import Draft, by_split, one_label, only_head
from .sources import Source

UCF_LIST = re.compile(r"(train|test)list(\d+)\.txt")
HMDB_LIST = re.compile(r"(.+)_test_split(\d+)\.txt")
HMDB_SIDES = {"0": None, "1": "train", "2": "test"}
HMDB_CODES = re.compile(r"_[a-z]_[a-z]{2}_np\d_[a-z]{2}_[a-z]{3}_\d+$")  # visible parts, camera, people, view, quality


def _lists(source: Source, pattern: re.Pattern[str]) -> dict[int, list[Path]]:
    """split number -> its lists: all in a folder, or those with the number of the one that was named."""
    found: dict[int, list[Path]] = {}
    wanted = pattern.fullmatch(source.path.name)
    for path in sorted(source.folder.iterdir()):
        match = pattern.fullmatch(path.name)
        if match and (source.path.is_dir() or (wanted and int(wanted[2]) == int(match[2]))):
            found.setdefault(int(match[2]), []).append(path)
    return found


def official_lists(path: Path) -> list[Path]:
    """One list of each split that lies there, by which it is chosen; empty where there are no such lists."""
    folder = Source(path if path.is_dir() else path.parent)
    found = {number: lists[0] for pattern in (UCF_LIST, HMDB_LIST) for number, lists in _lists(folder, pattern).items()}
    return [found[number] for number in sorted(found)]


def _first_words(source: Source, pattern: re.Pattern[str]) -> list[str]:
    lists = _lists(source, pattern)
    return Source(lists[min(lists)][0]).first_line.rsplit(None, 1) if lists else []


def recognise_ucf(source: Source) -> bool:
    """A trainlist or testlist whose lines name a video in a class folder."""
    words = _first_words(source, UCF_LIST)
    return bool(words) and "/" in words[0] and is_video(Path(words[0]).name)


def recognise_hmdb(source: Source) -> bool:
    """A CLASS_test_splitN list whose lines are a video and 0, 1 or 2."""
    words = _first_words(source, HMDB_LIST)
    return len(words) == 2 and words[1] in HMDB_SIDES and "." in words[0]


def _chosen(source: Source, pattern: re.Pattern[str]) -> tuple[list[Path], str]:
    lists = _lists(source, pattern)
    if not lists:
        raise DataError(f"{source} holds no list named like {pattern.pattern}; name the folder that the lists are in")
    number = min(lists)
    return lists[number], f"split {number}" + (f" of {len(lists)}" if len(lists) > 1 else "")


def read_ucf(source: Source) -> Draft:
    """The group of a video is its class and the gNN of its name."""
    source.refuse_group_by("UCF-101 lists")
    paths, detail = _chosen(source, UCF_LIST)
    names = {}
    if (index := source.folder / "classInd.txt").is_file():
        for where, line in Source(index).lines():
            number, _, name = line.partition(" ")
            if not number.isdigit() or not name:
                raise DataError(f"{where}: {line!r} is not a number and a class; write it like '1 ApplyEyeMakeup'")
            names[name.strip()] = int(number)
    rows = []
    for path in paths:
        split = "train" if path.name.startswith("train") else "test"
        for where, line in Source(path).lines():
            video, _, number = line.rpartition(" ") if line.rpartition(" ")[2].isdigit() else (line, "", "")
            label, name = Path(video).parent.name, Path(video).name
            if not label:
                raise DataError(f"{where}: {line!r} has no class folder; write it like 'Class/video.avi'")
            if names and (label not in names or (number and int(number) != names[label])):
                raise DataError(f"{where}: class {label!r} {number} is not so in {index.name}; correct either")
            found = source.finder.find(video, f"{label}/{name}", name, Path(name).stem)
            sample = Sample(
                str(found or source.finder.expected(video)), {"label": (label,)}, split=split, group=ucf_group(name)
            )
            rows.append((where, sample))
    heads = {"label": sorted(names, key=names.__getitem__)} if names else None
    return Draft(rows, heads=heads, grouped_by="UCF-101 file names", detail=detail)


def read_hmdb(source: Source) -> Draft:
    """The group of a video is its class and the film that its name states; unused videos are left out."""
    source.refuse_group_by("HMDB-51 lists")
    paths, detail = _chosen(source, HMDB_LIST)
    rows, classes = [], []
    for path in paths:
        match = HMDB_LIST.fullmatch(path.name)
        label = match[1] if match else path.stem
        classes.append(label)
        for where, line in Source(path).lines():
            name, _, side = line.rpartition(" ")
            if side not in HMDB_SIDES or not name:
                raise DataError(f"{where}: {line!r} is not a video and 0, 1 or 2; write it like 'video.avi 1'")
            name = name.strip()
            film = HMDB_CODES.sub("", Path(name).stem)
            group = f"{label} {film.removesuffix(f'_{label}')}" if film != Path(name).stem else None
            found = source.finder.find(f"{label}/{name}", name, Path(name).stem)
            sample = Sample(
                str(found or source.finder.expected(f"{label}/{name}")),
                {"label": (label,)},
                split=HMDB_SIDES[side],
                group=group,
            )
            rows.append((where, sample))
    kept = [(where, sample) for where, sample in rows if sample.split]
    return Draft(kept, heads={"label": sorted(classes)}, grouped_by="HMDB-51 file names", detail=detail)


def _train_and_test(manifest: Manifest, kind: str) -> dict[str, list[Sample]]:
    parts = by_split(manifest, kind=kind)
    if set(parts) - {"train", "test"}:
        raise DataError(f"{kind} have train and test alone; give every sample one of them, or write parquet or csv")
    if any(sample.start_s is not None or sample.end_s is not None for sample in manifest.samples):
        raise DataError(f"{kind} name whole videos, and some samples are spans; write parquet, csv or jsonl")
    return parts


def write_ucf(manifest: Manifest, path: Path) -> None:
    """A folder of trainlist01.txt, testlist01.txt and classInd.txt; a video must lie in a folder named as its class."""
    kind = "UCF-101 lists"
    head, parts = only_head(manifest, kind=kind), _train_and_test(manifest, kind)
    numbers = {name: number for number, name in enumerate(manifest.heads[head], 1)}
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for split, samples in parts.items():
        for sample in samples:
            label, video = one_label(sample, head, kind=kind), Path(sample.path)
            if video.parent.name != label:
                raise DataError(
                    f"{kind} take the class from the folder, and {video} is not in one named {label!r}; write csv"
                )
            number = f" {numbers[label]}" if split == "train" else ""
            lines[split].append(f"{label}/{video.name}{number}\n")
    path.mkdir()
    for split, text in lines.items():
        (path / f"{split}list01.txt").write_text("".join(text), encoding="utf-8")
    (path / "classInd.txt").write_text("".join(f"{n} {name}\n" for name, n in numbers.items()), encoding="utf-8")


def write_hmdb(manifest: Manifest, path: Path) -> None:
    """A folder of CLASS_test_split1.txt lists."""
    kind = "HMDB-51 lists"
    head, parts = only_head(manifest, kind=kind), _train_and_test(manifest, kind)
    lines: dict[str, dict[str, str]] = {name: {} for name in manifest.heads[head]}
    for side, split in (("1", "train"), ("2", "test")):
        for sample in parts.get(split, ()):
            label, name = one_label(sample, head, kind=kind), Path(sample.path).name
            if name in lines[label]:
                raise DataError(
                    f"{kind} know a video by class and file name, and {label}/{name} is there twice; rename one"
                )
            lines[label][name] = side
    path.mkdir()
    for label, sides in lines.items():
        text = "".join(f"{name} {side}\n" for name, side in sides.items())
        (path / f"{label}_test_split1.txt").write_text(text, encoding="utf-8")
