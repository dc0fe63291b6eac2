import json
import zipfile
from pathlib import Path
from typing import NoReturn

import av
import numpy as np
import pytest

from marey.errors import VideoError
from marey.video import (
    FlowSource,
    extract_flow,
    flow_extract,
    flow_hash,
    flow_stream,
    flow_to_bytes,
    flow_writer,
    open_video,
)
from marey.video.flow_file import FlowHeader, flow_fields, flow_header, read_flow, read_flow_bytes
from marey.video.flow_hash import source_hash
from marey.video.flow_writer import FlowWriter
from moving_video import write_moving

HEADER = FlowHeader("a.mp4", "0" * 64, FlowSource(short_px=13), 17, 13)
MEDIUM, FARNEBACK = FlowSource(speed="medium"), FlowSource("farneback", None)
KINDS = [".mkv", ".npz"]
HALF_STEP_PX = 20 / 127 / 2


def fields(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).uniform(-25, 25, (count, 13, 17, 2)).astype(np.float32)


def write(path: Path, header: FlowHeader = HEADER, start_s: float = 0.0) -> Path:
    with FlowWriter(path, header) as writer:
        for k, field in enumerate(fields()):
            writer.write(start_s + k / 30, field)
    return path


@pytest.mark.parametrize("start_s", [0.0, 3.02])
def test_compact_files_lose_half_a_step_and_no_more(tmp_path: Path, start_s: float) -> None:
    path = write(tmp_path / "a.mkv", start_s=start_s)
    found = read_flow(path, start_s + np.arange(5) / 30)
    assert np.abs(found - fields().clip(-20, 20)).max() <= HALF_STEP_PX + 1e-5
    assert (read_flow_bytes(path, start_s + np.arange(5) / 30) == flow_to_bytes(fields())).all()
    seconds, every = zip(*flow_fields(path), strict=True)
    np.testing.assert_allclose(seconds, start_s + np.arange(5) / 30, atol=6e-4)
    assert (np.stack(every) == found).all()


def test_exact_files_lose_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", start_s=0.1)
    assert (read_flow(path, 0.1 + np.arange(5) / 30) == fields()).all()
    assert (read_flow_bytes(path, [0.1]) == flow_to_bytes(fields()[:1])).all()
    seconds, every = zip(*flow_fields(path), strict=True)
    assert list(seconds) == [0.1 + k / 30 for k in range(5)] and (np.stack(every) == fields()).all()
    with np.load(path) as archive:  # as anybody reads it
        assert (archive["000003"] == fields()[3]).all() and len(archive["seconds"]) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_flow_is_found_by_time(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"a{kind}", start_s=1.0)
    asked = [0.0, 1.0, 1.02, 1.0333, 1.0667, 1.0667, 9.0]
    data = flow_to_bytes(fields()[[0, 0, 0, 1, 2, 2, 4]])
    assert (flow_to_bytes(read_flow(path, asked)) == data).all()
    for wrong in ([], [1.0, 0.5]):
        with pytest.raises(ValueError, match="they must be at least one finite number, and sorted"):
            read_flow(path, wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_flow_of_another_video_is_refused(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"a{kind}")
    assert flow_header(path, expected_hash="0" * 64) == HEADER
    wrong = rf"a{kind}: holds the flow of other bytes than those of a.mp4; delete it and run `marey flow` again"
    for read in (read_flow, read_flow_bytes):
        with pytest.raises(VideoError, match=wrong):
            read(path, [0.0], expected_hash="1" * 64)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_flow_file(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a{kind}"
    with pytest.raises(VideoError, match="there is no such file; check the path"):
        flow_header(path)
    if kind == ".npz":
        np.savez(path, flow=np.zeros(3))
    else:
        write_moving(path, count=2)
    with pytest.raises(VideoError, match="is no file of flow; delete it and run `marey flow` again"):
        flow_header(path)
    monkeypatch.setattr(flow_writer, "VERSION", 9)
    write(path)
    with pytest.raises(VideoError, match="is a file of flow of version 9, not 2; delete it"):
        flow_header(path)
    with pytest.raises(VideoError, match=r"is no file of flow; their names end with .mkv or .npz"):
        flow_header(tmp_path / "a.txt")


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_that_fails_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{kind}"
    for fields_written in (0, 1):
        with pytest.raises(KeyboardInterrupt), FlowWriter(path, HEADER) as writer:
            for _ in range(fields_written):
                writer.write(0.0, fields()[0])
                assert not path.exists()
            raise KeyboardInterrupt
        assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"no flow was written to .*; a file has at least one field"):
        FlowWriter(path, HEADER).close()
    assert not list(tmp_path.iterdir())


def test_what_a_writer_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"flow cannot be written to .*a.txt; its name must end with .mkv or .npz"):
        FlowWriter(tmp_path / "a.txt", HEADER)
    with pytest.raises(VideoError, match=r"cannot be written, for there is no folder .*; make it first"):
        FlowWriter(tmp_path / "none" / "a.mkv", HEADER)
    with FlowWriter(tmp_path / "a.mkv", HEADER) as writer:
        writer.write(1.0, fields()[0])
        with pytest.raises(ValueError, match=r"flow is \(12, 17, 2\); this file takes \(13, 17, 2\)"):
            writer.write(2.0, fields()[0, 1:])
        with pytest.raises(ValueError, match=r"flow at 1.0 s follows that at 1.0 s; times must rise"):
            writer.write(1.0, fields()[0])


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    import hashlib
    import tarfile

    path = write_moving(tmp_path / "a.mp4", count=2)
    assert source_hash(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        shard.add(path, "first.mp4")
        shard.add(path, "a.mp4")
    assert source_hash(f"{tmp_path / 'shard.tar'}::a.mp4") == source_hash(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece_s", [20.0, 0.0])
def test_the_flow_of_a_video(tmp_path: Path, kind: str, piece_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_extract, "_PIECE_S", piece_s)
    video, out, told = write_moving(tmp_path / "a.mp4", fps=30), tmp_path / f"a{kind}", []
    made = extract_flow(video, out, FlowSource(short_px=32), threads=2, progress=lambda *done: told.append(done))
    assert (made.computed, made.fields) == (13, 13) and told == [(k + 1, 13) for k in range(13)]
    assert made.header == FlowHeader("a.mp4", source_hash(video), FlowSource(short_px=32), 48, 32)
    expected = dict(flow_stream(video, short_px=32))
    found = read_flow(out, list(expected), expected_hash=source_hash(video))
    assert (flow_to_bytes(found) == flow_to_bytes(np.stack(list(expected.values())))).all()
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", out.name}


def test_what_is_there_is_not_computed_again(tmp_path: Path) -> None:
    video, out = write_moving(tmp_path / "a.mp4"), tmp_path / "a.mkv"
    made = extract_flow(video, out)
    bytes_then = out.read_bytes()
    assert extract_flow(video, out) == (made.header, 0, None) and out.read_bytes() == bytes_then
    assert extract_flow(video, out, MEDIUM).computed == 13
    assert extract_flow(video, out, FARNEBACK).header.way.speed is None
    write_moving(video, step=(1, 0))  # another video of the same name
    assert extract_flow(video, out, FARNEBACK).computed == 13
    out.write_text("broken")
    assert extract_flow(video, out).computed == 13


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", ["shorter", "hole", "index"])
def test_a_damaged_file_is_not_read_but_made_again(tmp_path: Path, kind: str, harm: str) -> None:
    video, out = write_moving(tmp_path / "a.mp4"), tmp_path / f"a{kind}"
    extract_flow(video, out)
    whole = out.read_bytes()
    half, entry = len(whole) // 2, whole.rfind(b"PK\1\2")
    out.write_bytes(
        {
            "shorter": whole[: len(whole) * 9 // 10],
            "hole": whole[:half] + bytes(50) + whole[half + 50 :],
            "index": whole[: entry + 10] + b"\x63" + whole[entry + 11 :],  # another method of compression
        }[harm]
    )
    for read in (read_flow, read_flow_bytes, lambda path, _: next(flow_fields(path))):
        with pytest.raises(VideoError, match=r"is damaged: its bytes are not those that were|is no file of flow"):
            read(out, [0.0])
    assert extract_flow(video, out).computed == 13 and out.read_bytes() == whole


def test_what_the_disk_does_not_give_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mkv")

    def fail(*_: object) -> NoReturn:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(flow_hash, "_hash", fail)
    with pytest.raises(
        VideoError, match=r"a.mkv: is damaged: its bytes are not those that were written; run `marey fl"
    ):
        read_flow(path, [0.0])


def test_pieces_that_were_damaged_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_extract, "_PIECE_S", 0.0)

    def stop(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    video, out = write_moving(tmp_path / "a.mp4"), tmp_path / "a.mkv"
    with pytest.raises(KeyboardInterrupt):
        extract_flow(video, out, progress=stop)
    piece = tmp_path / ".a.mkv.parts" / "000002.mkv"
    piece.write_bytes(piece.read_bytes()[:-40])
    assert extract_flow(video, out).computed == 13


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_stopped_goes_on(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_extract, "_PIECE_S", 0.0)
    video, out = write_moving(tmp_path / "a.mp4", fps=30), tmp_path / f"a{kind}"
    extract_flow(video, tmp_path / f"whole{kind}")

    def stop(done: int, _: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    stop_at = 10
    with pytest.raises(KeyboardInterrupt):
        extract_flow(video, out, progress=stop)
    assert not out.exists()
    told: list[tuple[int, int]] = []
    made = extract_flow(video, out, progress=lambda *done: told.append(done))
    assert (made.computed, made.fields) == (4, 13) and told[0] == (10, 13)
    for (a_s, a), (b_s, b) in zip(flow_fields(out), flow_fields(tmp_path / f"whole{kind}"), strict=True):
        assert abs(a_s - b_s) < 1.1e-3 and (a == b).all()
    stop_at = 10
    with pytest.raises(KeyboardInterrupt):
        extract_flow(video, out, MEDIUM, progress=stop)
    assert (
        extract_flow(video, out, FlowSource(speed="ultrafast")).computed == 13
    )  # what was kept was computed in another way
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", kind}


def test_a_video_of_one_frame(tmp_path: Path) -> None:
    video = write_moving(tmp_path / "a.mp4", count=1)
    with pytest.raises(VideoError, match="has only one frame"):
        extract_flow(video, tmp_path / "a.mkv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(VideoError, match="there is no folder"):
        extract_flow(video, tmp_path / "none" / "a.mkv")


@pytest.mark.parametrize("source", [FlowSource(), FARNEBACK, FlowSource(short_px=10)])
def test_a_video_too_small_for_flow(tmp_path: Path, source: FlowSource) -> None:
    video = write_moving(tmp_path / "a.mp4", size=(20, 10))
    with pytest.raises(
        VideoError, match=r"a.mp4: frames are 20 x 10; flow needs at least 12 x 12; leave it out, or en"
    ):
        extract_flow(video, tmp_path / "a.mkv", source)
    assert extract_flow(video, tmp_path / "a.mkv", FlowSource(short_px=16)).computed == 13


def test_compact_files_are_videos_with_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv")
    with open_video(path) as video:
        assert (video.info.codec, video.info.width, video.info.height) == ("ffv1", 17, 26)
        assert (video.frames_at([0.0]).frames[0, :13, :, 0] == flow_to_bytes(fields()[0, ..., 0])).all()
    with av.open(str(path)) as container:
        assert json.loads(container.metadata["COMMENT"])["source_hash"] == "0" * 64
    with zipfile.ZipFile(write(tmp_path / "a.npz")) as archive:
        assert json.loads(archive.read("header.json"))["way"]["method"] == "dis"
