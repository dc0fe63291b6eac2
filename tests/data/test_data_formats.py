"""The formats of public data sets: recognised by content, read as their authors mean them, wrong lines refused."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from marey.data import FORMATS, Manifest, Sample, read_manifest, write_manifest
from marey.data.epic import clock
from marey.errors import DataError, UsageError
from marey.video import VideoWriter


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not read")
    return folder


def write(folder: Path, name: str, text: str | object) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return folder / name


def rows(data: Manifest) -> list[tuple]:
    """(file name, classes, start_s, end_s, split, group) of every sample."""
    return [
        (Path(s.path).name, *(names for names in s.labels.values()), s.start_s, s.end_s, s.split, s.group)
        for s in data.samples
    ]


# Kinetics

KINETICS = "label,youtube_id,time_start,time_end,split\nriding a bike,abc,12,22,train\nzumba,-_xyz,0,10,validate\n"


def test_kinetics(tmp_path: Path) -> None:
    touch(tmp_path, "riding a bike/abc_000012_000022.mp4", "-_xyz.mkv")
    data = read_manifest(write(tmp_path, "k.csv", KINETICS + "zumba,gone,3,13,train\nswing,gone2,3,13,train\n"))
    assert data.kind == "Kinetics CSV"
    assert rows(data) == [
        ("abc_000012_000022.mp4", ("riding a bike",), None, None, "train", "abc"),
        ("-_xyz.mkv", ("zumba",), 0.0, 10.0, "val", "-_xyz"),
    ]
    assert [Path(path).name for path in data.missing] == ["gone.mp4", "gone2.mp4"]
    assert data.heads == {"label": ("riding a bike", "swing", "zumba")}


def test_kinetics_test_list_has_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "abc.mp4")
    data = read_manifest(write(tmp_path, "k.csv", "youtube_id,time_start,time_end,split\nabc,1,2,test\n"))
    assert rows(data) == [("abc.mp4", (), 1.0, 2.0, "test", "abc")]


@pytest.mark.parametrize(
    "line, message",
    [
        (",abc,1,2,train", "k.csv, line 4: label is empty; fill it in or remove the line"),
        ("zumba,,1,2,train", "line 4: youtube_id is empty"),
        ("zumba,abc,one,2,train", "line 4: time_start is 'one'; write seconds"),
        ("zumba,abc,2,1,train", "line 4: the span ends at 1 s but starts at 2 s"),
    ],
)
def test_wrong_kinetics(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(write(touch(tmp_path, "abc.mp4"), "k.csv", KINETICS + line))


def test_nothing_downloaded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 of 2 videos that .*k.csv names do not exist.*--root in which folder"):
        read_manifest(write(tmp_path / "lists", "k.csv", KINETICS))


# UCF-101 and HMDB-51


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    touch(tmp_path, *(f"UCF-101/{c}/v_{c}_g0{g}_c01.avi" for c in ("Run", "Jump") for g in (1, 2)))
    lists = tmp_path / "ucfTrainTestlist"
    for number, (train, test) in enumerate([(1, 2), (2, 1)], 1):
        write(lists, f"trainlist0{number}.txt", f"Run/v_Run_g0{train}_c01.avi 2\nJump/v_Jump_g0{train}_c01.avi 1\n")
        write(lists, f"testlist0{number}.txt", f"Run/v_Run_g0{test}_c01.avi\nJump/v_Jump_g0{test}_c01.avi\n")
    write(lists, "classInd.txt", "1 Jump\n2 Run\n")
    return lists


def test_ucf(ucf: Path) -> None:
    data = read_manifest(ucf)
    assert data.kind == "UCF-101 split lists (split 1 of 2)"
    assert data.heads == {"label": ("Jump", "Run")}
    assert sorted(rows(data)) == [
        ("v_Jump_g01_c01.avi", ("Jump",), None, None, "train", "Jump g01"),
        ("v_Jump_g02_c01.avi", ("Jump",), None, None, "test", "Jump g02"),
        ("v_Run_g01_c01.avi", ("Run",), None, None, "train", "Run g01"),
        ("v_Run_g02_c01.avi", ("Run",), None, None, "test", "Run g02"),
    ]
    second = read_manifest(ucf / "testlist02.txt")
    assert second.kind == "UCF-101 split lists (split 2)"
    assert {(s.group, s.split) for s in second.samples} >= {("Run g02", "train"), ("Run g01", "test")}


def test_wrong_ucf(ucf: Path) -> None:
    (ucf / "classInd.txt").unlink()
    assert read_manifest(ucf).heads == {"label": ("Jump", "Run")}
    write(ucf, "classInd.txt", "1 Run\n2 Jump\n")
    with pytest.raises(
        DataError, match=r"trainlist01.txt, line 1: class 'Run' 2 is not so in classInd.txt; correct either"
    ):
        read_manifest(ucf)
    write(ucf, "classInd.txt", "Run\n")
    with pytest.raises(DataError, match=r"classInd.txt, line 1: 'Run' is not a number and a class"):
        read_manifest(ucf)
    with pytest.raises(DataError, match="UCF-101 lists have no column 'source' to group by"):
        read_manifest(ucf, group_by="source")
    (ucf / "classInd.txt").unlink()
    write(ucf, "testlist01.txt", "Run/v_Run_g01_c01.avi\nv_Run_g02_c01.avi\n")
    with pytest.raises(DataError, match=r"testlist01.txt, line 2: 'v_Run_g02_c01.avi' has no class folder"):
        read_manifest(ucf)
    with pytest.raises(DataError, match="holds no list named like"):
        read_manifest(ucf.parent, kind="ucf101")


@pytest.fixture
def hmdb(tmp_path: Path) -> Path:
    for c in ("wave", "brush_hair"):
        names = [f"film{i}_{c}_u_nm_np1_ba_goo_{i}.avi" for i in range(3)]
        touch(tmp_path, *(f"{c}/{name}" for name in names))
        write(tmp_path / "splits", f"{c}_test_split1.txt", "".join(f"{name} {i} \n" for i, name in enumerate(names)))
    return tmp_path / "splits"


def test_hmdb(hmdb: Path) -> None:
    data = read_manifest(hmdb)
    assert data.kind == "HMDB-51 split lists (split 1)"
    assert rows(data)[:2] == [
        ("film1_brush_hair_u_nm_np1_ba_goo_1.avi", ("brush_hair",), None, None, "train", "brush_hair film1"),
        ("film2_brush_hair_u_nm_np1_ba_goo_2.avi", ("brush_hair",), None, None, "test", "brush_hair film2"),
    ]
    assert read_manifest(hmdb / "wave_test_split1.txt").samples == data.samples
    write(hmdb, "wave_test_split1.txt", "film1.avi 1\nfilm2.avi 3\n")
    with pytest.raises(DataError, match=r"wave_test_split1.txt, line 2: 'film2.avi 3' is not a video and 0, 1 or 2"):
        read_manifest(hmdb)


# Charades

CHARADES = "id,subject,scene,actions,length\n"


def test_charades(tmp_path: Path) -> None:
    touch(tmp_path, "AAAA1.mp4", "BBBB2.mp4")
    write(tmp_path, "Charades_v1_classes.txt", "c000 Holding a cup\nc001 Putting a cup down\n")
    write(tmp_path, "Charades_v1_mapping.txt", "c000 o009 v008\n")
    text = CHARADES + "AAAA1,S1,Kitchen,c001 11.90 21.20;c000 0.00 12.60;c001 30.00 31.00,33.0\nBBBB2,S2,Attic,,20.0\n"
    data = read_manifest(write(tmp_path, "Charades_v1_train.csv", text))
    both = ("Putting a cup down", "Holding a cup")
    assert (data.kind, data.multi_label, data.grouped_by) == ("Charades CSV", True, "subject")
    assert data.heads == {"label": both[::-1]}
    assert rows(data) == [("AAAA1.mp4", both, None, None, None, "S1"), ("BBBB2.mp4", (), None, None, None, "S2")]
    spans = read_manifest(tmp_path / "Charades_v1_train.csv", kind="charades-spans", group_by="scene")
    assert rows(spans)[0] == ("AAAA1.mp4", ("Putting a cup down",), 11.9, 21.2, None, "Kitchen")
    assert len(spans) == 3
    write(tmp_path, "Charades_v1_test.csv", CHARADES + "BBBB2,S2,Attic,c000 1 2,20\n")
    assert [s.split for s in read_manifest(tmp_path).samples] == ["test", "train", "train"]


@pytest.mark.parametrize(
    "line, message",
    [
        ("AAAA1,S1,x,c157 1 2,3", r"c.csv, line 2: action 'c157 1 2' is not a known class with start and end"),
        ("AAAA1,S1,x,c000 1,3", "line 2: action 'c000 1' is not a known class with start and end"),
        ("AAAA1,S1,x,c000 2 1,3", "line 2: the span ends at 1 s but starts at 2 s"),
        ("AAAA1,S1,x,c000 2 z,3", "line 2: time of c000 is 'z'"),
        (",S1,x,,3", "line 2: id is empty"),
        ("CCCC3,S1,x,,3", r"1 of 1 video that .* names does not exist, first .*CCCC3.mp4 \(.*c.csv, line 2\)"),
    ],
)
def test_wrong_charades(tmp_path: Path, line: str, message: str) -> None:
    write(touch(tmp_path, "AAAA1.mp4"), "classes.txt", "c000 Holding a cup\n")
    with pytest.raises(DataError, match=message):
        read_manifest(write(tmp_path, "c.csv", CHARADES + line + "\n"))


# ActivityNet


def activitynet(annotations: object = (), subset: str = "validation") -> dict:
    first = {"duration": 9, "subset": "training", "annotations": [{"segment": [1, 2.5], "label": "Ski"}]}
    return {
        "version": "1.3",
        "taxonomy": [],
        "database": {"abc": first, "def": {"subset": subset, "annotations": annotations}},
    }


def test_activitynet(tmp_path: Path) -> None:
    touch(tmp_path, "v_abc.mp4", "def.mkv")
    two = [{"segment": [0, 3], "label": "Ski"}, {"segment": [3, 4], "label": "Dive"}]
    data = read_manifest(write(tmp_path, "a.json", activitynet(two)))
    assert data.kind == "ActivityNet JSON"
    assert data.heads == {"label": ("Dive", "Ski")}
    assert rows(data) == [
        ("v_abc.mp4", ("Ski",), 1.0, 2.5, "train", "abc"),
        ("def.mkv", ("Ski",), 0.0, 3.0, "val", "def"),
        ("def.mkv", ("Dive",), 3.0, 4.0, "val", "def"),
    ]
    assert rows(read_manifest(write(tmp_path, "a.json", activitynet((), "testing"))))[1] == (
        *("def.mkv", (), None, None, "test", "def"),
    )


@pytest.mark.parametrize(
    "annotations, message",
    [
        (
            [{"segment": [1], "label": "Ski"}],
            r"a.json, video def, annotation 1: write it as .*\[1.5, 20.0\], .* seconds",
        ),
        ([{"segment": "12", "label": "Ski"}], "video def, annotation 1: write it as"),
        ([{"segment": [1, 2]}], "video def, annotation 1: write it as"),
        ([{"segment": [1, 2], "label": None}], "video def, annotation 1: write it as"),
        (["Ski"], "video def, annotation 1: write it as"),
        ("Ski", 'video def: write it as {"subset": "training", "annotations": '),
        ([{"segment": [2, 1], "label": "Ski"}], "video def, annotation 1: the span ends at 1 s"),
        (
            [{"segment": ["1m30s", 99], "label": "Ski"}],
            "segment is '1m30s'; write seconds .* clock time like 00:01:02.5",
        ),
    ],
)
def test_wrong_activitynet(tmp_path: Path, annotations: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(write(touch(tmp_path, "abc.mp4", "def.mp4"), "a.json", activitynet(annotations)))
    data = activitynet()
    del data["database"]["def"]["subset"]
    with pytest.raises(DataError, match=r'a.json, video def: write it as {"subset": "training", "annotations": '):
        read_manifest(write(tmp_path, "a.json", data))
    with pytest.raises(DataError, match="video def: split is 'extra'; use train, val or test"):
        read_manifest(write(tmp_path, "a.json", activitynet([], "extra")))
    with pytest.raises(DataError, match="is not an ActivityNet file; it needs"):
        read_manifest(write(tmp_path, "a.json", {"videos": {}}), kind="activitynet")


@pytest.mark.parametrize("kind", [None, "activitynet", "something"])
def test_broken_json_is_named_by_line_and_column(tmp_path: Path, kind: str | None) -> None:
    touch(tmp_path, "abc.mp4")
    whole = json.dumps(activitynet(), indent=1)
    for text, fault in (
        (whole[:-9], r"a.json, line \d+, column \d+: not JSON \(.*\); correct it there, or copy the file again"),
        (whole.replace(": 9,", ": 9"), r"a.json, line 7, column 4: not JSON \(Expecting ',' delimiter\)"),
    ):
        path = write(tmp_path, "a.json", text)
        for place in (path, tmp_path) if kind is None else (path,):
            with pytest.raises(DataError, match=fault):
                read_manifest(place, kind=kind)


# Something-Something


@pytest.fixture
def something(tmp_path: Path) -> Path:
    touch(tmp_path, "20bn/7.webm", "20bn/8.webm", "20bn/9.webm")
    names = ["Pushing something from left to right", "Pushing something from right to left"]
    write(tmp_path, "labels/labels.json", {names[1]: "0", names[0]: "1"})
    record = {
        "id": "7",
        "label": "pushing a cup from left to right",
        "template": "Pushing [something] from left to right",
    }
    write(tmp_path, "labels/train.json", [record])
    write(tmp_path, "labels/validation.json", [{"id": "8", "template": "Pushing [something] from right to left"}])
    write(tmp_path, "labels/test.json", [{"id": "9"}])
    return tmp_path / "labels"


def test_something(something: Path) -> None:
    data = read_manifest(something)
    left, right = "Pushing something from right to left", "Pushing something from left to right"
    assert data.kind == "Something-Something V2 JSON"
    assert data.heads == {"label": (left, right)}
    assert data.mirror == {left: right, right: left}
    assert [(row[0], row[1], row[4]) for row in rows(data)] == [
        ("9.webm", (), "test"),
        ("7.webm", (right,), "train"),
        ("8.webm", (left,), "val"),
    ]
    write(something, "train.json", [{"id": "7", "template": "Pushing [something] from left to roght"}])
    with pytest.raises(
        DataError, match=r"train.json, entry 1: template .* not in the class list; did you mean 'Pushing some"
    ):
        read_manifest(something)
    with pytest.raises(DataError, match=r"train.json, entry 2: no id; write it as"):
        read_manifest(write(something, "train.json", [{"id": "7"}, {"template": "x"}]))
    with pytest.raises(DataError, match="is not a Something-Something list"):
        read_manifest(something / "labels.json", kind="something")
    write(something, "train.json", [{"id": "7"}])
    write(something, "labels.json", '{"a": "0"')
    with pytest.raises(DataError, match=r"labels.json, line 1, column 10: not JSON"):
        read_manifest(something)


# EPIC-Kitchens

EPIC = "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb,verb_class,noun,noun_class\n"
EPIC_ROWS = (
    "P01_01_0,P01,P01_01,00:00:01.14,00:00:02.50,grab,0,cup,1\nP01_01_1,P01,P01_01,00:01:00.0,00:01:01.0,take,0,lid,0\n"
)


def test_epic(tmp_path: Path) -> None:
    touch(tmp_path, "P01/videos/P01_01.MP4")
    path = write(tmp_path, "EPIC_100_train.csv", EPIC + EPIC_ROWS)
    data = read_manifest(path)
    assert data.heads == {"verb": ("grab",), "noun": ("lid", "cup")}
    write(
        tmp_path,
        "EPIC_100_verb_classes.csv",
        "id,key,instances,category\n0,take,\"['take', 'grab']\",retrieve\n1,put,[],leave\n",
    )
    write(tmp_path, "EPIC_100_noun_classes.csv", "id,key,instances,category\n0,lid,[],x\n1,cup,[],x\n")
    data = read_manifest(path)
    assert (data.kind, data.grouped_by) == ("EPIC-Kitchens CSV", "participant_id")
    assert data.heads == {"verb": ("take", "put"), "noun": ("lid", "cup")}
    assert rows(data) == [
        ("P01_01.MP4", ("take",), ("cup",), 1.14, 2.5, None, "P01"),
        ("P01_01.MP4", ("take",), ("lid",), 60.0, 61.0, None, "P01"),
    ]
    assert read_manifest(path, group_by="video_id").samples[0].group == "P01_01"
    write(tmp_path, "EPIC_100_train.csv", EPIC + EPIC_ROWS.replace("grab,0", "grab,2"))
    with pytest.raises(
        DataError,
        match=r"EPIC_100_train.csv, line 2: verb_class is 2, but EPIC_100_verb_classes.csv has 2 classes, num",
    ):
        read_manifest(path)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("grab,0", "grab,take", "verb_class is 'take'; write the number of a class of e.csv, counted from 0"),
        ("grab,0", "grab,", "verb_class is ''; write the number of a class"),
        ("00:00:01.14", "00:00:x", "start_timestamp is '00:00:x'; write .* or a clock time like 00:01:02.5"),
        ("00:00:01.14", "00:00:01,14", "1 field|10 fields where the header names 9"),
        ("00:00:02.50", "1:00:00:02", "stop_timestamp is '1:00:00:02'; write seconds of 0 or more"),
        ("00:00:02.50", "00:-1:99", "stop_timestamp is '00:-1:99'; write seconds of 0 or more"),
        ("P01,P01_01,00:00:01", "P01,,00:00:01", "video_id is empty; name the video or remove the line"),
    ],
)
def test_wrong_epic(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=f"e.csv, line 2: {message}"):
        read_manifest(write(touch(tmp_path, "P01_01.MP4"), "e.csv", EPIC + EPIC_ROWS.replace(old, new)))


@pytest.mark.parametrize("kind, title", [("epic", "EPIC-Kitchens"), ("kinetics", "Kinetics"), ("charades", "Charades")])
def test_another_kind_of_table_is_no_such(tmp_path: Path, kind: str, title: str) -> None:
    path = write(tmp_path, "x.csv", "path,label\na.mp4,x\n")
    with pytest.raises(
        DataError, match=rf"x.csv is no {title} CSV, for it has no column '\w+' among path, label; corr"
    ):
        read_manifest(path, kind=kind)
    with pytest.raises(DataError, match=r"x.csv is a file and no folder of class folders; name the folder"):
        read_manifest(path, kind="folders")


def test_clock_times_carry_over() -> None:
    assert clock(3599.9996) == "01:00:00.000"
    assert clock(61.25) == "00:01:01.250"


# Sports-1M


def test_sports1m(tmp_path: Path) -> None:
    touch(tmp_path, "abc-1.mp4", "def.flv")
    write(tmp_path, "labels.txt", "archery\nrowing\nski jumping\n")
    text = "https://www.youtube.com/watch?v=abc-1 2,0\nhttp://youtu.be/def 1\nhttp://youtu.be/gone 1\n"
    path = write(tmp_path, "train_partition.txt", text)
    data = read_manifest(path)
    assert (data.kind, data.multi_label, len(data.missing)) == ("Sports-1M lists", True, 1)
    assert data.heads == {"label": ("archery", "rowing", "ski jumping")}
    assert rows(data) == [
        ("abc-1.mp4", ("ski jumping", "archery"), None, None, None, "abc-1"),
        ("def.flv", ("rowing",), None, None, None, "def"),
    ]
    with pytest.raises(DataError, match=r"line 4: class is 3, but labels.txt has 3 classes, numbered from 0; correct"):
        read_manifest(write(tmp_path, "train_partition.txt", text + "http://youtu.be/def 3\n"))
    with pytest.raises(DataError, match="line 4: 'def 1' is not an address and class numbers"):
        read_manifest(write(tmp_path, "train_partition.txt", text + "def 1\n"))
    for lines, fault in (
        ("a\n\nb\n", "line 2: empty; name each class once"),
        ("a\nb\na\n", "line 3: class 'a' is there"),
    ):
        write(tmp_path, "labels.txt", lines)
        with pytest.raises(DataError, match=f"labels.txt, {fault}"):
            read_manifest(path)
    (tmp_path / "labels.txt").unlink()
    assert read_manifest(write(tmp_path, "train_partition.txt", text)).heads == {"label": ("0", "1", "2")}


# WebDataset


def shard(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_webdataset(tmp_path: Path) -> None:
    video = b"not read"
    shard(
        tmp_path / "s-000.tar",
        {"a/1.mp4": video, "a/1.cls": b"1", "2.json": b'{"label": "x", "split": "val"}', "2.mp4": video},
    )
    shard(
        tmp_path / "s-001.tar",
        {"1.mp4": video, "1.txt": b"x\n", "3.mp4": video, "3.json": b'{"label": "1", "subject": "p"}'},
    )
    data = read_manifest(tmp_path / "s-{000..001}.tar")
    assert data.kind == "WebDataset shards"
    assert [s.path.removeprefix(f"{tmp_path}/") for s in data.samples] == [
        *("s-000.tar::a/1.mp4", "s-000.tar::2.mp4", "s-001.tar::1.mp4", "s-001.tar::3.mp4"),
    ]
    assert [row[1:] for row in rows(data)] == [
        (("1",), None, None, None, None),
        (("x",), None, None, "val", None),
        (("x",), None, None, None, None),
        (("1",), None, None, None, "p"),
    ]
    assert data.samples == read_manifest(tmp_path / "s-*.tar").samples == read_manifest(tmp_path).samples
    assert len(read_manifest(tmp_path / "s-000.tar")) == 2
    write(tmp_path, "classes.txt", "y\nx\n1\n")
    assert read_manifest(tmp_path).samples[0].labels == {"label": ("x",)}
    assert read_manifest(tmp_path).heads == {"label": ("y", "x", "1")}


def test_shard_names_state_splits(tmp_path: Path) -> None:
    for name in ("train-0", "train-1", "test-0"):
        shard(tmp_path / f"{name}.tar", {"1.mp4": b"x", "1.json": b'{"labels": ["a", "b"], "group": "g"}'})
    data = read_manifest(tmp_path)
    assert [s.split for s in data.samples] == ["test", "train", "train"]
    assert data.multi_label
    assert read_manifest(tmp_path / "train-*.tar").samples[0].split is None


@pytest.mark.parametrize(
    "members, message",
    [
        ({"1.mp4": b"x"}, "s-000.tar, member 1.mp4 has no label; add a member .cls, .txt or .json"),
        ({"1.mp4": b"x", "1.json": b"{"}, "member 1.mp4: its json cannot be read"),
        ({"1.mp4": b"x", "1.json": b"[]"}, "member 1.mp4: its json is a list; write an object with a label"),
        ({"1.mp4": b"x", "1.json": b'{"label": "x", "end_s": -1}'}, "member 1.mp4: end_s is -1"),
        ({"1.mp4": b"x", "1.avi": b"x", "1.cls": b"0"}, "holds two videos of key '1'; rename one"),
        ({"1.mp4": b"x", "1.txt": b"\xff"}, "s-000.tar, member 1.txt: not UTF-8 text; write it as UTF-8"),
        ({"1.txt": b"x"}, "s-000.tar is no tar that begins with videos; pack each as KEY.mp4 beside its KEY.cls"),
    ],
)
def test_wrong_shards(tmp_path: Path, members: dict, message: str) -> None:
    shard(tmp_path / "s-000.tar", members)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "s-*.tar")


def test_absent_and_compressed_shards(tmp_path: Path) -> None:
    shard(tmp_path / "s-000.tar", {"1.mp4": b"x", "1.cls": b"0"})
    with pytest.raises(DataError, match=r"1 of 2 shards of .* does not exist, first .*s-001.tar; correct the numbers"):
        read_manifest(tmp_path / "s-{000..001}.tar")
    with pytest.raises(DataError, match=r"2 of 3 shards of .* do not exist, first .*s-001.tar"):
        read_manifest(tmp_path / "s-{000..002}.tar")
    with pytest.raises(UsageError, match=r"none-\*.tar does not exist"):
        read_manifest(tmp_path / "none-*.tar")
    shard(tmp_path / "packed.tar", {"1.mp4": b"x", "1.cls": b"0"}, mode="w:gz")
    with pytest.raises(DataError, match=r"packed.tar is compressed; unpack it"):
        read_manifest(tmp_path / "packed.tar")
    with pytest.raises(DataError, match=r"packed.tar is compressed; unpack it"):
        read_manifest(tmp_path / "pack*.tar")
    with pytest.raises(DataError, match=r"packed.tar is not an uncompressed tar .*; unpack it and pack it without -z"):
        read_manifest(tmp_path / "pack*.tar", kind="webdataset")
    with pytest.raises(DataError, match=r"packed.tar names no uncompressed tar; .* or pack it again without -z"):
        read_manifest(tmp_path / "packed.tar", kind="webdataset")
    with pytest.raises(DataError, match="names no uncompressed tar; write a pattern like"):
        read_manifest(write(tmp_path / "no", "x.csv", "path"), kind="webdataset")


def test_a_shard_that_breaks_off(tmp_path: Path) -> None:
    members = {f"{i}.{end}": b"0" * 2000 for i in range(20) for end in ("mp4", "cls")}
    whole = shard(tmp_path / "s-000.tar", members).read_bytes()
    for length in (700, 2500, 8 * 2560, 90_000, len(whole) // 2 + 600):
        (tmp_path / "s-000.tar").write_bytes(whole[:length])
        for place in (tmp_path, tmp_path / "s-000.tar", tmp_path / "s-*.tar"):
            with pytest.raises(
                DataError, match=r"s-000.tar is a tar that breaks off or is damaged \(.*\); copy or write"
            ):
                read_manifest(place)


# and back


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four real videos of one second, in class folders."""
    folder = tmp_path_factory.mktemp("videos")
    for name in ("x/v1.mp4", "x/v2.mp4", "y/v3.mp4", "y/v4.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        with VideoWriter(folder / name, fps=10, size=(32, 32)) as writer:
            for value in range(10):
                writer.write(np.full((32, 32, 3), 20 * value, np.uint8))
    return folder


def samples(folder: Path, **changes) -> Manifest:
    paths = [str(folder / name) for name in ("x/v1.mp4", "x/v2.mp4", "y/v3.mp4", "y/v4.mp4")]
    splits = ["train", "test", "train", "test"]
    found = [Sample(p, {"label": (p[-8],)}, split=s) for p, s in zip(paths, splits, strict=True)]
    return Manifest(tuple(replace(s, **changes) for s in found), {"label": ("x", "y")}, False, "", "")


WITH_VIDEO_GROUPS = {"kinetics", "activitynet", "sports1m"}


def assert_comes_back(before: Manifest, folder: Path, kind: str, **ignored) -> Manifest:
    out = folder / f"{kind}-out"
    write_manifest(before, out, kind)
    after = read_manifest(out, kind=None if kind == "webdataset" else kind, root=folder)
    key = lambda s: (s.path, s.start_s or 0, s.labels.get("label", ()))  # noqa: E731
    assert sorted((replace(s, **ignored) for s in after.samples), key=key) == sorted(before.samples, key=key)
    return after


@pytest.mark.parametrize("kind", ["kinetics", "ucf101", "hmdb51", "something"])
def test_whole_videos_come_back(videos: Path, kind: str) -> None:
    before = samples(videos)
    after = assert_comes_back(before, videos, kind, group=None)
    assert after.heads == before.heads
    assert not after.multi_label


@pytest.mark.parametrize("kind", ["kinetics", "activitynet", "charades-spans"])
def test_spans_come_back(videos: Path, kind: str) -> None:
    before = samples(videos, start_s=0.25, end_s=0.75, group=None)
    second = replace(before.samples[0], start_s=0.5, end_s=1.0, labels={"label": ("y",)})
    before = replace(before, samples=(*before.samples, second))
    assert_comes_back(before, videos, f"{kind}", group=None)


def test_activitynet_and_charades_fill_in_the_length(videos: Path) -> None:
    write_manifest(samples(videos), videos / "a.json", "activitynet")
    read = read_manifest(videos / "a.json")
    assert [(s.start_s, s.end_s) for s in read.samples] == [(0.0, pytest.approx(1.0))] * 4
    write_manifest(replace(samples(videos), multi_label=True), videos / "c", "charades")
    assert_comes_back(replace(samples(videos, group="s1"), multi_label=True), videos, "charades")


def test_epic_comes_back(videos: Path) -> None:
    found = [replace(s, labels={"verb": ("put",), "noun": s.labels["label"]}) for s in samples(videos).samples]
    found = [replace(s, start_s=0.125, end_s=0.5 + i / 8, group=f"P{i}") for i, s in enumerate(found)]
    before = Manifest(tuple(found), {"verb": ("take", "put"), "noun": ("x", "y, z", "y")}, False, "", "")
    assert assert_comes_back(before, videos, "epic").heads == before.heads


def test_sports1m_comes_back(videos: Path) -> None:
    before = replace(samples(videos), multi_label=True)
    before = replace(before, samples=(replace(before.samples[0], labels={"label": ("y", "x")}), *before.samples[1:]))
    assert assert_comes_back(before, videos, "sports1m", group=None).heads == before.heads


@pytest.mark.parametrize("multi", [True, False])
def test_webdataset_comes_back(videos: Path, tmp_path: Path, multi: bool) -> None:
    before = replace(samples(videos, group="g", start_s=0.5), multi_label=multi)
    write_manifest(before, tmp_path / "shards", "webdataset")
    after = read_manifest(tmp_path / "shards")
    assert [replace(s, path="") for s in after.samples] == [replace(s, path="") for s in before.samples]
    assert after.multi_label == multi
    write_manifest(after, tmp_path / "again", "webdataset")  # members of shards can be packed anew
    assert (tmp_path / "again/shards-000000.tar").read_bytes() == (tmp_path / "shards/shards-000000.tar").read_bytes()


def test_a_trimmed_kinetics_name_comes_back(videos: Path, tmp_path: Path) -> None:
    touch(tmp_path, "abc_000012_000022.mp4", "abc_000022_000012.mp4")
    found = tuple(Sample(str(path), {"label": ("x",)}) for path in sorted(tmp_path.iterdir()))
    write_manifest(Manifest(found, {"label": ("x",)}, False, "", ""), tmp_path / "k.csv", "kinetics")
    assert "x,abc,12,22," in (tmp_path / "k.csv").read_text()
    assert [s.path for s in read_manifest(tmp_path / "k.csv").samples] == [s.path for s in found]


TWICE = "knows a video by its file name, and .* share theirs; rename one"
REFUSED = [
    ("kinetics", {"labels": {"label": ()}}, "has 0 classes, and Kinetics CSV holds one a clip; write parquet or jsonl"),
    ("ucf101", {"split": "val"}, "UCF-101 lists have train and test alone"),
    ("ucf101", {"start_s": 1.0}, "UCF-101 lists name whole videos, and some samples are spans"),
    ("ucf101", {"labels": {"label": ("y",)}}, "take the class from the folder, and .*v1.mp4 is not in one named 'y'"),
    ("hmdb51", {"split": None}, "has a file for each split, and .* has no split; fill the splits first"),
    ("something", {"end_s": 1.0}, "Something-Something JSON holds whole videos, and .* is used in part"),
    ("sports1m", {"labels": {"label": ()}}, "Sports-1M lists name whole videos with classes, unlike .*v1.mp4"),
    ("activitynet", {"labels": {"label": ("x", "y")}}, "has 2 classes, and ActivityNet JSON holds one a clip"),
    ("epic", {}, "holds one verb and one noun a span, not label; write parquet or csv"),
]


@pytest.mark.parametrize("kind, change, message", REFUSED)
def test_what_a_format_cannot_hold(videos: Path, tmp_path: Path, kind: str, change: dict, message: str) -> None:
    data = samples(videos)
    data = replace(data, samples=(replace(data.samples[0], **change), *data.samples[1:]))
    with pytest.raises(DataError, match=message):
        write_manifest(data, tmp_path / "out", kind)
    assert not list(tmp_path.iterdir())


def test_more_that_formats_cannot_hold(videos: Path, tmp_path: Path) -> None:
    data = samples(videos)
    same = replace(data, samples=(*data.samples, replace(data.samples[0], path=str(videos / "y/v1.mp4"))))
    for kind in ("kinetics", "charades", "activitynet", "something", "sports1m"):
        with pytest.raises(DataError, match=TWICE):
            write_manifest(same, tmp_path / "out", kind)
    with pytest.raises(DataError, match=r"know a video by class and file name, and x/v1.mp4 is there twice"):
        write_manifest(replace(data, samples=data.samples[:1] * 2), tmp_path / "out", "hmdb51")
    with pytest.raises(DataError, match="WebDataset shards hold one head, and each video once"):
        write_manifest(replace(data, samples=data.samples * 2), tmp_path / "out", "webdataset")
    with pytest.raises(DataError, match=r"has one subset a video, and .*v1.mp4 is in two"):
        twice = (data.samples[0], replace(data.samples[0], split="test"))
        write_manifest(replace(data, samples=twice), tmp_path / "out", "activitynet")
    heads = {"verb": ("x",), "noun": ("y",)}
    for labels, span, message in (
        ({"verb": ("x",), "noun": ("y",)}, {}, "EPIC-Kitchens CSV holds spans, and .* has none"),
        ({"verb": ("x",)}, {"start_s": 0.0, "end_s": 1.0}, "one verb and one noun a span, and .* lacks one"),
    ):
        sample = replace(data.samples[0], labels=labels, **span)
        with pytest.raises(DataError, match=message):
            write_manifest(Manifest((sample,), heads, False, "", ""), tmp_path / "out", "epic")
    for kind in ("kinetics", "ucf101", "something"):
        with pytest.raises(DataError, match="holds one label a clip, not verb, noun; write parquet or jsonl"):
            write_manifest(Manifest((data.samples[0],), heads, False, "", ""), tmp_path / "out", kind)
    packed = replace(data, samples=(replace(data.samples[0], path="/s.tar::1.mp4"),))
    with pytest.raises(DataError, match=r"names files, and .*s.tar::1.mp4 is in a shard; unpack it"):
        write_manifest(packed, tmp_path / "out", "kinetics")
    gone = replace(data, samples=(replace(data.samples[0], path="/gone.mp4"),))
    with pytest.raises(DataError, match=r"shards hold copies of the videos, and /gone.mp4 is not there; remove it"):
        write_manifest(gone, tmp_path / "out", "webdataset")
    assert not list(tmp_path.iterdir())


def test_every_format_has_a_title_and_is_found_by_one_only(videos: Path, tmp_path: Path) -> None:
    """What a format writes is recognised as that format and no other."""
    plain = samples(videos)
    epic = [replace(s, labels={"verb": ("x",), "noun": ("y",)}, start_s=0.0, end_s=1.0) for s in plain.samples]
    for kind, form in FORMATS.items():
        data = Manifest(tuple(epic), {"verb": ("x",), "noun": ("y",)}, False, "", "") if kind == "epic" else plain
        write_manifest(data, tmp_path / kind, kind)
        read = read_manifest(tmp_path / kind, root=videos)
        assert read.kind.startswith(form.title.removesuffix(" by span")), kind
