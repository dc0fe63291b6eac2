import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Barrier
from time import sleep

import cv2
import numpy as np
import pytest

from marey.app.cli import main
from marey.errors import UsageError, VideoError
from marey.jobs import flow, flow_videos
from marey.jobs.flow_source import with_flow
from marey.jobs.narrate import Silent
from marey.presets import find_preset
from marey.report import flow_film
from marey.video import (
    DIS_FAST,
    Extracted,
    FlowHeader,
    FlowSource,
    VideoWriter,
    flow_header,
    open_video,
    probe,
    read_flow,
)
from moving_video import write_moving

HEADER = FlowHeader("a.mp4", "0" * 64, FlowSource(short_px=48), 64, 48)


def test_flow_files_lie_as_the_videos_do(small_films: Path, tmp_path: Path) -> None:
    made, bad = flow([small_films / "up" / "up0.mp4", small_films / "still" / "still0.mp4"], out=tmp_path / "flow")
    assert not bad and [file.computed for file in made] == [19, 19]
    assert [file.file for file in made] == [
        str(tmp_path / "flow" / name) for name in ("up/up0.mp4.mkv", "still/still0.mp4.mkv")
    ]
    assert flow_header(made[0].file).source == "up0.mp4" and (made[0].width, made[0].height) == (64, 48)
    upwards, still = (read_flow(file.file, [0.5])[0, ..., 1] for file in made)
    assert upwards.min() < -1 and np.abs(still).max() < 0.5
    again, _ = flow([small_films / "up"], out=tmp_path / "flow" / "up")
    assert [file.computed for file in again] == [0, *[19] * 7]  # up0 is there already


def test_finished_flow_is_not_computed_over(small_films: Path, tmp_path: Path) -> None:
    film, out = small_films / "up" / "up0.mp4", tmp_path / "flow"
    flow(film, out=out)
    sentence = (
        "holds the flow of .* by DIS fast at 64 x 48; give the flags that made it .*--preset NAME.*, or another --out"
    )
    with pytest.raises(UsageError, match=sentence):
        flow(film, out=out, method="farneback")
    with pytest.raises(UsageError, match=sentence):
        flow(film, out=out, speed="medium")
    with pytest.raises(UsageError, match=sentence):
        flow(film, out=out, short_px=24)
    flow(film, out=tmp_path / "small", short_px=24)
    with pytest.raises(UsageError, match="by DIS fast at 32 x 24; give the flags that made it"):
        flow(film, out=tmp_path / "small")


def test_damaged_flow_by_another_method_is_replaced(small_films: Path, tmp_path: Path) -> None:
    film, file = small_films / "up" / "up0.mp4", tmp_path / "flow" / "up0.mp4.mkv"
    flow(film, out=tmp_path / "flow")
    file.write_bytes(file.read_bytes()[:-1])
    made, _ = flow(film, out=tmp_path / "flow", method="farneback")
    assert made[0].computed == 19 and flow_header(file).way == FlowSource("farneback", None, 48)


def test_a_video_too_small_is_left_out_and_the_others_are_done(small_films: Path, tmp_path: Path) -> None:
    tiny = write_moving(tmp_path / "tiny.mp4", size=(20, 10))
    made, bad = flow([tiny, small_films / "up" / "up0.mp4"], out=tmp_path / "flow")
    assert [Path(file.video).name for file in made] == ["up0.mp4"]
    assert list(bad) == [str(tiny)] and bad[str(tiny)].startswith("frames are 20 x 10; flow needs at least 12 x 12")


def test_videos_of_several_sizes_are_told_of_with_the_cure(tmp_path: Path) -> None:
    class Hears(Silent):
        def say(self, sentence: str) -> None:
            told.append(sentence)

    told, one, other = [], write_moving(tmp_path / "a.mp4", count=3), tmp_path / "b.mp4"
    with VideoWriter(other, fps=10, size=(64, 48)) as writer:
        for grey in (10, 90, 10):
            writer.write(np.full((48, 64, 3), grey, np.uint8))
    flow([one, other], out=tmp_path / "one", short_px=24, narrator=Hears())
    flow([other], out=tmp_path / "other", narrator=Hears())
    assert not told
    flow([one, other], out=tmp_path / "both", narrator=Hears())
    (sentence,) = told
    assert "the videos differ in size" in sentence and "b.mp4 has 48)" in sentence
    assert "give --preset NAME, or --short-side PX" in sentence
    with pytest.raises(UsageError, match=r"name a folder of one: .* --preset NAME or --short-side PX"):
        with_flow(find_preset("two_stream_flow_stage").clip, tmp_path / "both", who="it")


def test_what_cannot_be_read_leaves_no_folder(small_films: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert flow(tmp_path / "broken.mp4", out=tmp_path / "a" / "flow")[0] == []
    assert not (tmp_path / "a").exists()


def test_several_videos_are_in_work_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest first; those that are left at the end share the threads."""
    lengths, given, meet = {"c": 30, "a": 10, "b": 20}, [], Barrier(3, timeout=30)
    monkeypatch.setattr(flow_videos, "_fields", lengths.__getitem__)

    def extract(video: str, file: Path, source: FlowSource, *, threads: int, progress: Callable) -> Extracted:
        given.append((video, threads))
        meet.wait()  # for the others: none is made before all have begun
        for done in range(lengths[video] + 1):
            progress(done, 0)
        return Extracted(HEADER, lengths[video], lengths[video])

    monkeypatch.setattr(flow_videos, "extract_flow", extract)
    told, found = [], {}

    class Hears(Silent):
        def progress(self, what: str, done: int, total: int) -> None:
            told.append((what, done, total))

    flow_videos.extract_all(
        list(lengths), [tmp_path] * 3, DIS_FAST, workers=4, narrator=Hears(), found=found.__setitem__
    )
    assert sorted(given) == [("a", 2), ("b", 2), ("c", 4)] and sorted(found) == [0, 1, 2]
    assert told == [("flow of 3 videos", done, 60) for done in range(1, 61)]


def test_what_ends_the_work_ends_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = [], []

    def extract(video: str, file: Path, source: FlowSource, *, threads: int, progress: Callable) -> Extracted:
        if video == "short":
            raise VideoError(video, "is broken")
        begun.append(video)
        try:
            for done in count():
                sleep(0.001)
                progress(done, 0)
        finally:
            ended.append(video)
        raise AssertionError("nobody stopped it")

    monkeypatch.setattr(flow_videos, "_fields", len)
    monkeypatch.setattr(flow_videos, "extract_flow", extract)

    def found(_: int, result: Extracted | VideoError) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flow_videos.extract_all(
            ["short", "longer", "longest"], [tmp_path] * 3, DIS_FAST, workers=2, narrator=Silent(), found=found
        )
    assert sorted(begun) == sorted(ended), "nobody works on"


def test_an_annotation_file_names_the_videos(small_films: Path, tmp_path: Path) -> None:
    table = tmp_path / "few.csv"
    table.write_text(f"path,label\n{small_films}/up/up0.mp4,up\n{small_films}/still/still0.mp4,still\n")
    made, _ = flow(table, out=tmp_path / "flow", short_px=24, exact=True)
    assert [Path(file.file).name for file in made] == ["up0.mp4.npz", "still0.mp4.npz"]
    assert read_flow(made[0].file, [0.0]).shape == (1, 24, 32, 2)


def test_a_film_shows_arrows_and_colours(small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, draw = [], flow_film.draw_motion
    monkeypatch.setattr(flow_film, "draw_motion", lambda *a, **k: drawn.append((*a, k)) or draw(*a, **k))
    ((file,), _) = flow(small_films / "up" / "up0.mp4", out=tmp_path / "flow", film=True)
    assert file.film == str(tmp_path / "flow" / "up0.mp4.flow.mp4")
    info = probe(file.film or "")
    assert (info.width, info.height, info.frame_count) == (2 * 480, 360, 20), "small films are enlarged"
    picture, motion, how = drawn[5]
    assert picture.shape == (360, 480, 3) and how == {"text_px": 16}
    assert motion.flow.shape == (48, 64, 2) and motion.step_s == pytest.approx(0.1)
    with open_video(file.film or "") as video:
        (frame,) = video.frames_at([0.5]).frames.astype(int)
    assert (frame[:280, 480:].min(-1) < 160).sum() > 2000, "colours of the square that moves"


@pytest.mark.parametrize("copies", [1, 2])
def test_a_film_tells_how_far_a_picture_moves_in_a_frame(
    copies: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each picture is there twice, half of the fields of the file are zeros, and the others twice as long."""
    shown, paint = [], flow_film.flow_picture
    monkeypatch.setattr(flow_film, "flow_picture", lambda *a, **k: shown.append((a[0], k["most_px"])) or paint(*a, **k))
    ground = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(80, 64)), (0, 0), 3)
    grey = np.clip(128 + 300 * ground, 0, 255).astype(np.uint8)
    with VideoWriter(tmp_path / "a.mp4", fps=10, size=(64, 48)) as writer:
        for index in range(12):
            writer.write(np.repeat(grey[24 - 2 * (index // copies) :][:48, :, None], 3, -1))
    flow(tmp_path / "a.mp4", out=tmp_path / "flow", film=True)
    down = [np.median(field[12:-12, 12:-12, 1]) for field, _ in shown]
    np.testing.assert_allclose(down, [2 / copies] * 12, atol=0.25)
    assert shown[0][1] == pytest.approx(2 / copies, abs=0.5), "of full colour"


def test_the_command_tells_what_it_wrote(small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film, broken = small_films / "up" / "up0.mp4", tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    words = ["flow", str(film), str(broken), "--out", str(tmp_path / "flow"), "--method", "farneback"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["quarantined"]) == [str(broken)] and told["files"][0]["method"] == "farneback"
    assert main([*words, "-q"]) == 0
    assert "farneback" in capsys.readouterr().out
    assert main(["flow", str(broken), "--out", str(tmp_path / "none")]) == 1
    assert "none of the videos could be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--method", "raft"], "--method is 'raft'; it can be dis, farneback, tvl1 or spynet"),
        (["--speed", "slow"], "--speed is 'slow'; it can be ultrafast, fast or medium"),
        (["--method", "farneback", "--speed", "medium"], "--speed is for --method dis; drop it for farneback"),
        (["--short-side", "4"], "--short-side is 4; give a number from 16 to 8192"),
    ],
)
def test_bad_flags_are_refused(
    words: list[str], sentence: str, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["flow", str(small_films / "up" / "up0.mp4"), "--out", str(tmp_path / "flow"), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_the_job_refuses_the_same(small_films: Path, tmp_path: Path) -> None:
    film = small_films / "up" / "up0.mp4"
    with pytest.raises(UsageError, match="--method is 'raft'; it can be dis, farneback, tvl1, spynet"):
        flow(film, out=tmp_path / "flow", method="raft")
    with pytest.raises(UsageError, match="--speed is 'slow'; it can be ultrafast, fast, medium"):
        flow(film, out=tmp_path / "flow", speed="slow")
    with pytest.raises(UsageError, match="--short-side is 4; give a number from 16 to 8192"):
        flow(film, out=tmp_path / "flow", short_px=4)
