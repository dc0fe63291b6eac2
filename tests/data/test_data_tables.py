"""CSV, TSV, JSON Lines, Parquet and class folders: what is read, what is refused and how, and the way back."""

import json
import os
import string
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.data import Manifest, Sample, read_manifest, write_manifest
from marey.errors import DataError, UsageError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not read")
    return folder


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return touch(tmp_path, "a/1.mp4", "a/2.avi", "b/3.mp4", "b/4.MOV")


def table(folder: Path, text: str, name: str = "clips.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def labels(data: Manifest) -> list[tuple[str, ...]]:
    return [sample.labels["label"] for sample in data.samples]


# class folders


def test_class_folders(clips: Path) -> None:
    touch(clips, ".hidden/x.mp4", "a/.DS_Store", "a/._1.mp4", "a/notes.txt", "b/deeper/5.webm")
    data = read_manifest(clips)
    assert data.kind == "class folders"
    assert data.heads == {"label": ("a", "b")}
    assert [Path(s.path).name for s in data.samples] == ["1.mp4", "2.avi", "3.mp4", "4.MOV", "5.webm"]
    assert all(Path(s.path).is_absolute() and s.split is None and s.group is None for s in data.samples)


@pytest.mark.parametrize(
    "names, message",
    [
        (("extra/b/4.mp4",), "holds test and train, which are splits, but also extra; move that away, or write a CSV"),
        (("training/b/4.mp4",), "holds test and train and training, of which some are the same split; merge those, or"),
    ],
)
def test_split_folders_are_not_taken_for_classes(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(touch(tmp_path, "train/a/1.mp4", "train/b/2.mp4", "test/a/3.mp4", *names))


def test_classes_may_be_called_like_splits(tmp_path: Path) -> None:
    assert read_manifest(touch(tmp_path, "train/1.mp4", "test/2.mp4", "bus/3.mp4")).heads["label"] == (
        *("bus", "test", "train"),
    )


def test_split_folders(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.mp4", "train/b/2.mp4", "validation/a/3.mp4", "test/b/4.mp4")
    data = read_manifest(tmp_path)
    assert {Path(s.path).name: (s.split, *s.labels["label"]) for s in data.samples} == {
        "1.mp4": ("train", "a"),
        "2.mp4": ("train", "b"),
        "3.mp4": ("val", "a"),
        "4.mp4": ("test", "b"),
    }


def test_ucf_names_in_class_folders_give_groups(tmp_path: Path) -> None:
    touch(tmp_path, "Run/v_Run_g01_c01.avi", "Run/v_Run_g01_c02.avi", "Jump/v_Jump_g01_c01.avi")
    data = read_manifest(tmp_path)
    assert [s.group for s in data.samples] == ["Jump g01", "Run g01", "Run g01"]
    assert data.grouped_by == "UCF-101 file names"


@pytest.mark.parametrize(
    "names, message",
    [
        (("1.mp4", "2.mp4"), "holds 2 videos but no class folders.*write a CSV with path,label"),
        (("a/1.mp4",), "holds one folder with videos, a, and one class cannot be told from another"),
        (("a/1.mp4", "b/2.mp4", "3.mp4"), "holds 1 video outside any class folder, first 3.mp4"),
        (("1.mp4",), "holds 1 video but no class folders"),
        (
            ("1.mp4", "clips.csv"),
            "clips.csv is none of the kinds of data known here.*first line is 'not read'; name its",
        ),
        (("a/1.mp4", "b/2.mp4", "c/readme.md"), "class folder .*c holds no video; add some, or remove it"),
        (
            ("train/1.mp4", "test/2.mp4"),
            "has splits, but no class folders in them; put .* in a folder like test/CLASS/, or",
        ),
        (("a/readme.md",), "no class folders with videos and no annotation file; put the videos of each class"),
        ((), "no class folders with videos and no annotation file"),
    ],
)
def test_wrong_folders_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(touch(tmp_path, *names))


def test_links_in_class_folders(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Links to folders are followed, once; what a broken link stood for is left to the quarantine."""
    other = touch(tmp_path_factory.mktemp("other"), "6.mp4", "deep/7.mp4")
    (clips / "b/more").symlink_to(other)
    (clips / "b/more again").symlink_to(other)
    (other / "deep/round").symlink_to(clips / "b")
    (other / "deep/up").symlink_to(clips)
    (clips / "a/gone.mp4").symlink_to("nowhere.mp4")
    names = [Path(s.path).name for s in read_manifest(clips).samples]
    assert names == ["1.mp4", "2.avi", "gone.mp4", "3.mp4", "4.MOV", "6.mp4", "7.mp4"]
    assert read_manifest(table(clips, "path,label\na/gone.mp4,x\nb/3.mp4,y\n"), kind="csv").missing == ()
    (clips / "c").symlink_to(other / "gone")
    with pytest.raises(DataError, match=r"/c is a link to .*/gone, which is not there; mend it or remove it"):
        read_manifest(clips, kind="folders")


def test_a_split_folder_that_is_a_broken_link_is_named(tmp_path: Path) -> None:
    (touch(tmp_path, "train/a/1.mp4", "train/b/2.mp4") / "val").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"/val is a link to .*/gone, which is not there; mend it or remove it"):
        read_manifest(tmp_path)


def test_a_class_folder_that_is_a_broken_link_is_named(tmp_path: Path) -> None:
    (touch(tmp_path, "a/1.mp4") / "b").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"/b is a link to .*/gone, which is not there; mend it or remove it"):
        read_manifest(tmp_path)


def test_a_name_that_is_no_text_is_refused(clips: Path) -> None:
    (clips / "a" / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"not read")
    with pytest.raises(DataError, match=r"the name of the file '.*caf\\udce9.mp4' is not UTF-8; rename it"):
        read_manifest(clips)


# tables


def test_csv_with_all_columns(clips: Path) -> None:
    head = "Path, label ,start_s,end_s,split,camera,class_group\n"
    data = read_manifest(table(clips, head + "a/1.mp4,x,1.5,00:02.5,training,k1,g\nb/3.mp4,y,,,test,,h\n"))
    assert data.kind == "CSV"
    assert data.grouped_by == "camera"
    assert data.class_groups == {"x": "g", "y": "h"}
    assert data.samples == (
        Sample(str(clips / "a/1.mp4"), {"label": ("x",)}, 1.5, 2.5, "train", "k1"),
        Sample(str(clips / "b/3.mp4"), {"label": ("y",)}, None, None, "test", None),
    )


def test_tsv_semicolons_and_byte_order_mark(clips: Path) -> None:
    assert read_manifest(table(clips, "path\tlabel\na/1.mp4\tx, y\n")).heads == {"label": ("x, y",)}
    assert read_manifest(clips / "clips.csv").kind == "TSV"
    assert read_manifest(table(clips, "\ufeffpath;label\na/1.mp4;x|y\n")).heads == {"label": ("x", "y")}


@pytest.mark.parametrize("cell", ["x|y", "x; y", "x|y|x"])
def test_several_labels_make_multi_label_data(clips: Path, cell: str) -> None:
    data = read_manifest(table(clips, f"path,label\na/1.mp4,{cell}\nb/3.mp4,\n"))
    assert data.multi_label
    assert labels(data) == [("x", "y"), ()]


def test_paths_written_on_windows(clips: Path) -> None:
    touch(clips, "a/odd\\name.mp4")
    data = read_manifest(table(clips, "path,label\na\\1.mp4,x\na/odd\\name.mp4,x\r\nb\\3.mp4,y\n"))
    assert [s.path.removeprefix(f"{clips}/") for s in data.samples] == ["a/1.mp4", "a/odd\\name.mp4", "b/3.mp4"]


def test_group_by_names_any_column(clips: Path) -> None:
    path = table(clips, "path,label,source,Day\na/1.mp4,x,s1,mon\nb/3.mp4,y,s2,tue\n")
    assert [s.group for s in read_manifest(path).samples] == ["s1", "s2"]
    data = read_manifest(path, group_by="Day")
    assert [s.group for s in data.samples] == ["mon", "tue"]
    assert data.grouped_by == "day"
    with pytest.raises(DataError, match="no column 'night' to group by; it has path, label, source, day"):
        read_manifest(path, group_by="night")
    with pytest.raises(DataError, match="class folders have no column 'day' to group by; write a CSV"):
        read_manifest(clips, kind="folders", group_by="day")


def test_test_clips_may_lack_a_label(clips: Path) -> None:
    text = "path,label,split\na/1.mp4,x,train\nb/3.mp4,,test\n"
    data = read_manifest(table(clips, text))
    assert labels(data) == [("x",), ()]
    for kind in ("csv", "jsonl", "parquet"):
        write_manifest(data, clips / f"again.{kind}", kind)
        assert read_manifest(clips / f"again.{kind}").samples == data.samples


def test_root_says_where_the_videos_are(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = table(tmp_path_factory.mktemp("lists"), "path,label\na/1.mp4,x\n")
    assert read_manifest(path, root=clips).samples[0].path == str(clips / "a/1.mp4")
    with pytest.raises(UsageError, match="the folder of videos nowhere does not exist; correct --root"):
        read_manifest(path, root="nowhere")


def test_whole_number_classes_are_ordered_by_value(clips: Path) -> None:
    assert read_manifest(table(clips, "path,label\na/1.mp4,10\na/2.avi,9\n")).heads == {"label": ("9", "10")}


def test_left_and_right_mirror_each_other(clips: Path) -> None:
    text = "path,label\na/1.mp4,turn left\na/2.avi,turn right\nb/3.mp4,left alone\n"
    assert read_manifest(table(clips, text)).mirror == {"turn left": "turn right", "turn right": "turn left"}


def test_a_folder_of_lists_keeps_their_splits(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    lists = tmp_path_factory.mktemp("lists")
    table(lists, "path,label\na/1.mp4,x\n", "train.csv")
    table(lists, "path,label\nb/3.mp4,y\n", "val.csv")
    data = read_manifest(lists, root=clips)
    assert [(s.split, *s.labels["label"]) for s in data.samples] == [("train", "x"), ("val", "y")]
    assert data.heads == {"label": ("x", "y")}
    table(lists, "path,label\nb/3.mp4,y\n", "more.csv")
    with pytest.raises(
        DataError, match=r"holds 3 files of CSV \(more.csv, train.csv, val.csv\); name the one you mean"
    ):
        read_manifest(lists, root=clips)


def test_a_doubt_is_said_with_its_cure(clips: Path) -> None:
    table(clips, "path,label\na/1.mp4,x\nb/3.mp4,y\n")
    with pytest.raises(
        DataError, match=r"in 2 ways: class folders \(--kind folders\); CSV in clips.csv \(--kind csv\)"
    ):
        read_manifest(clips)
    assert read_manifest(clips, kind="folders").heads == {"label": ("a", "b")}
    assert read_manifest(clips, kind="csv").heads == {"label": ("x", "y")}
    with pytest.raises(DataError, match="holds no TSV; name the file itself, or another --kind"):
        read_manifest(clips, kind="tsv")
    with pytest.raises(UsageError, match=r"unknown kind of data 'cvs'; did you mean 'csv'"):
        read_manifest(clips, kind="cvs")


def test_a_table_that_agrees_with_its_class_folders_is_taken(clips: Path) -> None:
    lines = [f"{name},{name[0]},s" for name in ("a/1.mp4", "a/2.avi", "b/3.mp4", "b/4.MOV")]
    table(clips, "path,label,source\n" + "\n".join(lines))
    assert (read_manifest(clips).kind, read_manifest(clips).grouped_by) == ("CSV", "source")
    table(clips, "path,label\na/1.mp4,x\nb/3.mp4,y\n")
    (clips / "docs").mkdir()
    assert read_manifest(clips).kind == "CSV"  # the folders are not the classes


@pytest.mark.parametrize(
    "text, message",
    [
        ("path,name\na/1.mp4,x\n", "clips.csv has no column 'label' among path, name; rename one to 'label'"),
        ("path,label\n,x\n", "clips.csv, line 2: path is empty; name the video file or remove the line"),
        ("path,label\na/1.mp4,x\na/2.avi,\n", "clips.csv, line 3: label is empty; name the class or remove the line"),
        ("path,label\na/1.mp4\n", "line 2: 1 field where the header names 2; put a field that holds ','"),
        ("path,label\na/8.mp4,x\n", "1 of 1 video that .* names does not exist, first .*a/8.mp4"),
        ("path,label\n\na/1.mp4,x,y\n", "line 3: 3 fields where the header names 2; put a field that holds ','"),
        ('path,label\na/1.mp4,"x\n', "line 2: .*; correct the quotes of this line"),
        ("path,label,start_s\na/1.mp4,x,soon\n", "line 2: start_s is 'soon'; write seconds of 0 or more, like 12.5"),
        ("path,label,start_s\na/1.mp4,x,-1\n", "start_s is '-1'; write seconds of 0 or more"),
        ("path,label,start_s\na/1.mp4,x,nan\n", "start_s is 'nan'; write seconds"),
        ("path,label,start_s,end_s\na/1.mp4,x,5,4\n", "line 2: the span ends at 4 s but starts at 5 s; the end must"),
        ("path,label,split\na/1.mp4,x,trian\n", "line 2: split is 'trian'; use train, val or test, or leave it empty"),
        ("path,label,Label\na/1.mp4,x,y\n", "clips.csv has two columns called 'label'; rename one of them"),
        ("path,label\n", "clips.csv lists no video; add a line for each"),
        (
            "path,label\na/1.mp4,x\na/8.mp4,x\na/9.mp4,x\n",
            r"2 of 3 videos that .*clips.csv names do not exist, first .*a/8.mp4 \(.*clips.csv, line 3\); correct",
        ),
        ("frames of a film\n", "is none of the kinds of data known here.*its first line is 'frames of a film'"),
        ("", "clips.csv is empty; name an annotation file with a line for each video"),
    ],
)
def test_a_wrong_line_is_refused(clips: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(table(clips, text))


def test_other_wrong_files(clips: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere.csv does not exist; check the path of your data"):
        read_manifest(clips / "nowhere.csv")
    with pytest.raises(DataError, match=r"1.mp4 is a video, not a data set; give a folder of class folders or a CSV"):
        read_manifest(clips / "a/1.mp4")
    (clips / "latin.csv").write_bytes("path,label\na/1.mp4,caf\xe9\n".encode("latin-1"))
    (clips / "excel.csv").write_text("path\tlabel\na/1.mp4\tx\n", encoding="utf-16")
    with pytest.raises(DataError, match=r"excel.csv is UTF-16 text, as Excel saves; save the file as UTF-8"):
        read_manifest(clips / "excel.csv")
    with pytest.raises(
        DataError, match=r"list.json is a JSON list of no known kind; write an object with path and label"
    ):
        read_manifest(table(clips, '[{"path": "a/1.mp4", "label": "x"}]', "list.json"))
    with pytest.raises(DataError, match=r"latin.csv, line 2: not UTF-8 text; save the file as UTF-8"):
        read_manifest(clips / "latin.csv")


def test_a_file_that_may_not_be_opened(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = table(clips, "path,label\n")
    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(DataError, match=r"clips.csv cannot be opened \(Permission denied\); check its permissions"):
        read_manifest(path)


# JSON Lines and Parquet


def test_jsonl(clips: Path) -> None:
    lines = [{"path": "a/1.mp4", "label": ["x", "y"], "start_s": 1}, {"path": "b/3.mp4", "label": [], "group": 7}]
    data = read_manifest(table(clips, "\n".join(map(json.dumps, lines)), "clips.jsonl"))
    assert data.kind == "JSON Lines"
    assert data.multi_label
    assert labels(data) == [("x", "y"), ()]
    assert (data.samples[0].start_s, data.samples[1].group) == (1.0, "7")


@pytest.mark.parametrize(
    "line, message",
    [
        ("{'path': 1}", "line 2: not JSON .*; write one object a line"),
        ('["a/1.mp4", "x"]', "line 2: a JSON list, not an object; write one object a line"),
        ('{"label": "x"}', "line 2: path is empty"),
        ('{"path": ["a/2.avi"], "label": "x"}', r"line 2: path is \['a/2.avi'\]; write the path of one video as text"),
        ('{"path": "a/2.avi", "label": {"x": 1}}', "line 2: label is {'x': 1}; write the name of a class, or a list"),
        ('{"path": "a/2.avi", "label": ["x", null]}', "line 2: label is None; write the name of a class, or a list"),
    ],
)
def test_wrong_jsonl(clips: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(table(clips, '{"path": "a/1.mp4", "label": "x"}\n' + line, "clips.jsonl"))


def test_odd_class_names_come_back(clips: Path) -> None:
    names = ("a|b", "c;d", "line\u2028break", 'quote " and, comma')
    found = [
        Sample(str(clips / p), {"label": (n,)})
        for p, n in zip(("a/1.mp4", "a/2.avi", "b/3.mp4", "b/4.MOV"), names, strict=True)
    ]
    for kind, some in (("jsonl", found), ("parquet", found), ("csv", found[2:])):
        write_manifest(Manifest(tuple(some), {"label": names}, False, "", ""), clips / f"odd.{kind}", kind)
        assert list(read_manifest(clips / f"odd.{kind}").samples) == some


def test_parquet_of_others(clips: Path) -> None:
    pq.write_table(pa.table({"path": ["a/1.mp4", "b/3.mp4"], "label": ["x", "y"]}), clips / "clips.parquet")
    whole, data = (clips / "clips.parquet").read_bytes(), read_manifest(clips / "clips.parquet")
    assert (data.kind, data.heads, data.multi_label) == ("Parquet", {"label": ("x", "y")}, False)
    (clips / "clips.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"clips.parquet is a Parquet file without its end; copy it again"):
        read_manifest(clips / "clips.parquet")
    for content, fault in {
        whole[: len(whole) // 2]: "is a Parquet file without its end; copy it again, for the first copy broke off",
        whole[:4] + bytes(len(whole) - 8) + whole[-4:]: "is damaged Parquet, whose contents cannot be read; copy or",
        b"<!doctype html>": "is not Parquet, which begins with PAR1; write it again, or say with --kind what it is",
        b"P": "is not Parquet",
    }.items():
        (clips / "clips.parquet").write_bytes(content)
        for place, kind in ((clips / "clips.parquet", None), (clips / "clips.parquet", "parquet")):
            with pytest.raises(DataError, match=f"clips.parquet {fault}"):
                read_manifest(place, kind=kind)


def test_gaps_and_bytes_in_parquet(clips: Path) -> None:
    nothing = float("nan")
    columns = {"path": [b"a/1.mp4", b"b/3.mp4"], "label": [3.0, 10.5], "start_s": [nothing, 0.5], "Split": ["", None]}
    pq.write_table(pa.table(columns), clips / "clips.parquet")
    first, second = read_manifest(clips / "clips.parquet").samples
    assert first == Sample(str(clips / "a/1.mp4"), {"label": ("3",)})
    assert second == Sample(str(clips / "b/3.mp4"), {"label": ("10.5",)}, 0.5)
    pq.write_table(pa.table({**columns, "label": [3.0, nothing]}), clips / "clips.parquet")
    with pytest.raises(DataError, match=r"clips.parquet, row 2: label is empty; name the class"):
        read_manifest(clips / "clips.parquet")
    pq.write_table(pa.table({**columns, "Label": ["x", "y"]}), clips / "clips.parquet")
    with pytest.raises(DataError, match=r"clips.parquet has two columns called 'label'; rename one of them"):
        read_manifest(clips / "clips.parquet")


def test_the_own_manifest_leaves_no_doubt(clips: Path) -> None:
    data = read_manifest(clips)
    write_manifest(data, clips / "manifest.parquet", "parquet")
    table(clips, "path,label\na/1.mp4,x\nb/3.mp4,y\n")
    assert read_manifest(clips).kind == "Parquet"
    assert read_manifest(clips).samples == data.samples
    other = pq.read_table(clips / "manifest.parquet").replace_schema_metadata(
        {b"marey.manifest": b'{"schema": "new/9"}'}
    )
    pq.write_table(other, clips / "manifest.parquet")
    with pytest.raises(DataError, match=r"has schema 'new/9'; this version reads 'marey.manifest/1'"):
        read_manifest(clips)


# and back

CLASS_NAMES = st.text(string.ascii_letters + " _-,'\"é0123456789", min_size=1, max_size=12).map(str.strip).filter(bool)


@st.composite
def contents(draw: st.DrawFn) -> tuple[bool, dict[str, tuple[str, ...]], list[tuple]]:
    """(multi_label, classes by head, the fields of four samples), with several heads or one."""
    multi, heads = draw(st.booleans()), draw(st.sampled_from([("label",), ("verb", "noun")]))
    names = st.sets(CLASS_NAMES.filter(lambda name: not name.isdecimal()), min_size=2, max_size=4)
    classes = {head: tuple(sorted(draw(names))) for head in heads}
    spans = st.sampled_from([(None, None), (0.0, 1.5), (None, 2.25), (1 / 3, None)])
    splits, groups = st.sampled_from([None, "train", "val", "test"]), st.sampled_from([None, "g1", "g2"])
    fields = []
    for _ in range(4):
        several = {head: st.lists(st.sampled_from(c), unique=True, max_size=3) for head, c in classes.items()}
        one = {head: st.sampled_from(c).map(lambda name: [name]) for head, c in classes.items()}
        found = {head: tuple(draw(names)) for head, names in (several if multi else one).items()}
        fields.append((found, *draw(spans), draw(splits), draw(groups)))
    return multi, classes, fields


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return touch(tmp_path_factory.mktemp("clips"), "a/1.mp4", "a/2.avi", "b/3.mp4", "b/4.MOV")


@settings(max_examples=60)
@given(content=contents(), kind=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_tables_come_back_as_they_went(folder: Path, content: tuple, kind: str) -> None:
    multi, classes, fields = content
    paths = [str(folder / name) for name in ("a/1.mp4", "a/2.avi", "b/3.mp4", "b/4.MOV")]
    samples = tuple(Sample(path, *rest) for path, rest in zip(paths, fields, strict=True))
    grouped_by = "group" if any(sample.group for sample in samples) else ""
    before = Manifest(samples, classes, multi, "", "", grouped_by=grouped_by, missing=("gone.mp4",))
    write_manifest(before, folder / "list", kind)
    after = read_manifest(folder / "list", kind=kind)
    assert after.samples == before.samples
    if kind == "parquet":  # the others know only the classes that a sample has, and guess mirror pairs
        assert replace(after, source="", kind="") == before
    assert after.multi_label == before.multi_label


def test_everything_is_in_the_parquet(folder: Path) -> None:
    samples = (Sample(str(folder / "a/1.mp4"), {"label": ("x",)}, group="s"), Sample("/elsewhere/2.mp4", {"label": ()}))
    data = Manifest(
        samples, {"label": ("y", "x", "unseen")}, True, "", "", {"x": "g"}, {"x": "y", "y": "x"}, "source", ("z",)
    )
    write_manifest(data, folder / "all.parquet", "parquet")
    stored = pq.read_table(folder / "all.parquet")
    assert stored["path"].to_pylist() == ["a/1.mp4", "/elsewhere/2.mp4"]
    assert stored["label"].to_pylist() == [["x"], []]
    kept = json.loads(stored.schema.metadata[b"marey.manifest"])
    assert kept["heads"] == {"label": ["y", "x", "unseen"]}
    assert (kept["grouped_by"], kept["missing"]) == ("source", ["z"])
    assert (kept["class_groups"], kept["mirror"]) == ({"x": "g"}, {"x": "y", "y": "x"})


def test_class_folders_are_written_as_links(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("out") / "folders"
    data = read_manifest(table(clips, "path,label,split\na/1.mp4,x,train\nb/3.mp4,y,train\na/2.avi,x,test\n"))
    write_manifest(data, out, "folders")
    again = read_manifest(out)
    key = [(Path(s.path).resolve(), s.split, s.labels["label"]) for s in data.samples]
    assert sorted(key) == sorted((Path(s.path).resolve(), s.split, s.labels["label"]) for s in again.samples)
    with pytest.raises(UsageError, match="folders is a folder with files in it; name a new one"):
        write_manifest(data, out, "folders")


@pytest.mark.parametrize(
    "kind, change, message",
    [
        ("folders", {"start_s": 1.0}, "class folders holds whole files, and .* is used in part"),
        ("folders", {"labels": {"label": ("x", "y")}}, "has 2 classes, and a folder of class folders holds one a clip"),
        ("folders", {"labels": {"label": ("x/y",)}}, "cannot hold the class 'x/y' as a folder name"),
        ("folders", {"split": "train"}, "needs a split for every sample or for none"),
        ("csv", {"labels": {"label": ("x|y",)}}, r"class 'x\|y' cannot stand in a CSV"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_nothing_left(folder: Path, kind, change, message) -> None:
    paths = [str(folder / "a/1.mp4"), str(folder / "b/3.mp4")]
    first, second = (Sample(path, {"label": ("x",)}) for path in paths)
    data = Manifest((replace(first, **change), second), {"label": ("x", "y")}, False, "", "")
    with pytest.raises(DataError, match=message):
        write_manifest(data, folder / "out" / "list", kind)
    assert not list((folder / "out").iterdir())


def test_class_groups_that_differ_within_a_sample_need_parquet(folder: Path) -> None:
    sample = Sample(str(folder / "a/1.mp4"), {"label": ("x", "y")})
    data = Manifest((sample,), {"label": ("x", "y")}, True, "", "", {"x": "g", "y": "h"})
    with pytest.raises(DataError, match="has classes of several class groups; write parquet, which holds them"):
        write_manifest(data, folder / "groups.csv", "csv")
    with pytest.raises(DataError, match="there is no sample to write"):
        write_manifest(replace(data, samples=()), folder / "groups.csv", "csv")
