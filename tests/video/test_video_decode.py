"""Frame-exact decoding over codecs, containers and the odd ways in which files keep time."""

import os
import pickle
import random
import tarfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import numbers, picture, remux, write_numbered

from marey.errors import MissingExtra, VideoError
from marey.video import VideoInfo, VideoWriter, open_video, probe, torchcodec_problem
from marey.video.decode_pyav import PyAVDecoder
from marey.video.reel import Reel

X265_OPEN = {
    "preset": "ultrafast",
    "x265-params": "open-gop=1:keyint=15:min-keyint=15:scenecut=0:bframes=4:log-level=none",
}
FILES = {
    "b_frames.mp4": {"options": {"bf": "3"}},
    "open_gop.mp4": {"options": {"bf": "3", "x264-params": "open-gop=1:scenecut=0:min-keyint=15"}},
    "open_gop_hevc.mp4": {"codec": "libx265", "options": X265_OPEN},
    "open_gop_hevc.mkv": {"codec": "libx265", "options": X265_OPEN},
    "sound_first.mkv": {"options": {"bf": "3"}, "sound_s": 2.0},
    "sound_first.ts": {"options": {"bf": "3"}, "sound_s": 2.0},
    "fragments.mp4": {"options": {"bf": "3"}, "container": {"movflags": "+frag_keyframe+empty_moov"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "b_frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "b_frames_h264.avi": {"options": {"bf": "3"}},
    "every_frame_a_key.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "program_stream.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "no_times.h264": {"options": {"bf": "3"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decode")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """60 frames at 30 a second, a keyframe every half second, B-frames."""
    return write_numbered(folder / "plain.mp4", options={"bf": "3"})


def shown_at(path: Path, seconds: list[float]) -> list[int]:
    with open_video(path) as video:
        return numbers(video.frames_at(seconds).frames)


@pytest.mark.parametrize("name", FILES)
def test_the_frame_on_screen_is_shown(name: str, folder: Path) -> None:
    path = write_numbered(folder / name, **FILES[name])
    rng = random.Random(0)
    with open_video(path) as video:
        stream = list(video.stream())
        assert numbers(np.stack([frame for _, frame in stream])) == list(range(60))
        np.testing.assert_allclose([second for second, _ in stream], np.arange(60) / 30, atol=1e-3)
        for _ in range(12):
            wanted = sorted(rng.randrange(60) for _ in range(rng.randrange(1, 6)))
            clip = video.frames_at([k / 30 for k in wanted])
            assert numbers(clip.frames) == wanted
            np.testing.assert_allclose(clip.seconds, np.array(wanted) / 30, atol=1e-3)
            between = [(k + 0.6) / 30 for k in wanted]
            assert numbers(video.frames_at(between, short_px=16).frames) == wanted


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(plain: Path, threads: int) -> None:
    with open_video(plain, threads=threads) as video:
        assert numbers(video.frames_at([0.0, 0.5, 1.9]).frames) == [0, 15, 57]
        assert numbers(video.frames_at([0.1]).frames) == [3]


def test_times_outside_give_the_first_and_the_last_frame(plain: Path) -> None:
    assert shown_at(plain, [-5.0, -0.01, 0.0, 1.999, 2.0, 100.0]) == [0, 0, 0, 59, 59, 59]


def test_times_may_repeat_and_are_converted_once(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = []
    convert = PyAVDecoder._picture

    def count(self, now, size, resample):
        converted.append(now.tick)
        return convert(self, now, size, resample)

    monkeypatch.setattr(PyAVDecoder, "_picture", count)
    assert shown_at(plain, [0.5, 0.5, 0.51, 1.0, 1.0]) == [15, 15, 15, 30, 30]
    assert len(converted) == 2


@pytest.mark.parametrize(
    "seconds, message",
    [([], "at least one"), ([0.5, 0.1], "sorted"), ([float("nan")], "finite"), (np.zeros((1, 1)), "at least one")],
)
def test_times_that_make_no_sense(plain: Path, seconds: list | np.ndarray, message: str) -> None:
    with open_video(plain) as video, pytest.raises(ValueError, match=message):
        video.frames_at(seconds)


def seeks_for(path: Path, monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> int:
    sought = []
    seek = Reel._seek

    def count(self, tick):
        sought.append(tick)
        seek(self, tick)

    monkeypatch.setattr(Reel, "_seek", count)
    shown_at(path, seconds)
    return len(sought)


@pytest.mark.parametrize(
    "seconds, seeks",
    [
        ([0.0, 0.1, 0.4], 0),  # from the start
        ([1.6, 1.7, 1.8, 1.9], 1),  # one clip, one seek
        ([0.9, 1.05], 1),  # the next keyframe is near: decoding on is cheaper
        ([0.1, 1.9], 1),  # two clusters
        ([0.7, 1.95], 2),
    ],
)
def test_a_clip_is_sought_once(plain: Path, monkeypatch: pytest.MonkeyPatch, seconds: list[float], seeks: int) -> None:
    assert seeks_for(plain, monkeypatch, seconds) == seeks


def test_without_a_keyframe_between_it_decodes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_numbered(folder / "one_group.mp4", gop=250)
    assert seeks_for(path, monkeypatch, [0.1, 0.9, 1.9]) == 0


def test_variable_rate_goes_by_time(folder: Path) -> None:
    ticks = [0, 1, 5, 6, 20, 21, 22, 50]
    for name in ("variable.mp4", "variable.mkv"):
        path = write_numbered(folder / name, count=8, ticks=ticks)
        assert shown_at(path, [0 / 30, 4.5 / 30, 5 / 30, 19.9 / 30, 20 / 30, 49 / 30, 50 / 30]) == [0, 1, 2, 3, 4, 6, 7]
        assert probe(path).variable_rate
        exact = probe(path, exact=True)
        assert exact.variable_rate and exact.frame_count == 8
    assert not probe(write_numbered(folder / "steady.mkv")).variable_rate


def test_an_edit_list_that_starts_inside_a_group(plain: Path, folder: Path) -> None:
    with av.open(str(plain)) as container:
        shift = -round(Fraction(1, 5) / container.streams.video[0].time_base)
    cut = remux(plain, folder / "cut.mp4", shift=shift, container={"avoid_negative_ts": "disabled"})
    assert probe(cut).frame_count == 54
    assert probe(cut).duration_s == pytest.approx(1.8, abs=1e-6)
    assert shown_at(cut, [0.0, 0.1, 1.0, 1.79]) == [6, 9, 36, 59]
    with open_video(cut) as video:
        assert numbers(video.frames_at([1.0]).frames) == [36]
        assert numbers(video.frames_at([0.0, 0.4]).frames) == [6, 18]  # back over the frames that are not shown


def test_pictures_that_start_late(plain: Path, folder: Path) -> None:
    with av.open(str(plain)) as container:
        shift = round(Fraction(7, 10) / container.streams.video[0].time_base)
    alone = remux(plain, folder / "late.mp4", shift=shift)
    assert shown_at(alone, [0.0, 0.5]) == [0, 15]  # a player starts with the first picture
    path = folder / "after_sound.mkv"
    write_numbered(path, ticks=range(30, 90), sound_s=3.0)
    assert shown_at(path, [0.0, 0.99, 1.0, 1.5]) == [0, 0, 0, 15]  # a player starts with the sound
    assert probe(path).duration_s == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("rotation, corner", [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (270, (0, -1))])
def test_rotation(folder: Path, rotation: int, corner: tuple[int, int]) -> None:
    path = folder / f"turned_{rotation}.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(rotation)
        image = np.zeros((32, 64, 3), np.uint8)
        image[:16, :16] = 255  # top left, before it is turned counter-clockwise
        out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    with open_video(path) as video:
        assert video.info.rotation == rotation
        for short_px, size in ((None, (32, 64)), (16, (16, 32))):
            frame = video.frames_at([0.0], short_px=short_px).frames[0]
            assert frame.shape[:2] == (size if rotation % 180 == 0 else size[::-1])
            assert (video.info.height, video.info.width) == ((32, 64) if rotation % 180 == 0 else (64, 32))
            assert frame[corner].min() > 240 and frame.mean() < 80


@pytest.mark.parametrize(
    "size, matrix, full, kr, kb",
    [
        ((64, 48), None, False, 0.299, 0.114),  # unknown and small: BT.601
        ((1280, 720), None, False, 0.2126, 0.0722),  # unknown and high definition: BT.709
        ((64, 48), 1, False, 0.2126, 0.0722),
        ((64, 48), 5, False, 0.299, 0.114),
        ((64, 48), 1, True, 0.2126, 0.0722),
    ],
)
def test_colours(tmp_path: Path, size: tuple[int, int], matrix: int | None, full: bool, kr: float, kb: float) -> None:
    width, height = size
    with av.open(str(tmp_path / "colour.mkv"), "w") as out:
        stream = out.add_stream("libx264", rate=1, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if matrix:
            stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full else 1
        planes = [np.full(n, v, np.uint8) for n, v in ((width * height, 100), (width * height // 4, 90))]
        planes.append(np.full(width * height // 4, 170, np.uint8))
        raw = np.concatenate(planes).reshape(height * 3 // 2, width)
        frame = av.VideoFrame.from_ndarray(raw, format="yuv420p")
        frame.color_range = 2 if full else 1
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    y, scale = (100 / 255, 255) if full else ((100 - 16) / 219, 224)
    blue, red = (90 - 128) / scale, (170 - 128) / scale
    r, b = y + 2 * (1 - kr) * red, y + 2 * (1 - kb) * blue
    expected = 255 * np.array([r, (y - kr * r - kb * b) / (1 - kr - kb), b])
    with open_video(tmp_path / "colour.mkv") as video:
        for short_px in (None, 24):
            shown = video.frames_at([0.0], short_px=short_px).frames[0].reshape(-1, 3)
            assert np.abs(shown - expected).max() <= 1.5


@pytest.mark.parametrize("resample", ["area", "bilinear", "bicubic"])
def test_resizing_on_conversion(plain: Path, resample: str) -> None:
    with open_video(plain) as video:
        clip = video.frames_at([0.1, 1.2], short_px=32, resample=resample)
        assert clip.frames.shape == (2, 32, 48, 3)
        assert numbers(clip.frames) == [3, 36]
        assert clip.fps == 30 and clip.source == str(plain)
        assert video.frames_at([0.0], short_px=100).frames.shape == (1, 100, 150, 3)
        with pytest.raises(ValueError, match="short_px is 0; it must be 1 or more"):
            video.frames_at([0.0], short_px=0)


def test_stream_of_a_span(plain: Path) -> None:
    with open_video(plain) as video:
        part = list(video.stream(start_s=0.5, end_s=1.0, short_px=16))
        assert numbers(np.stack([frame for _, frame in part])) == list(range(15, 30))
        assert part[0][1].shape == (16, 24, 3)
        assert [second for second, _ in video.stream(start_s=1.95)] == pytest.approx([59 / 30])
        assert list(video.stream(start_s=3.0)) == []


@pytest.mark.parametrize("fps, expected", [(10, list(range(0, 60, 3))), (60, [k // 2 for k in range(120)])])
def test_stream_at_another_rate(plain: Path, fps: float, expected: list[int]) -> None:
    with open_video(plain) as video:
        seconds, frames = zip(*video.stream(fps=fps), strict=True)
        assert numbers(np.stack(frames)) == expected
        np.testing.assert_allclose(seconds, np.arange(len(expected)) / fps)
        assert len(list(video.stream(fps=fps, start_s=0.5, end_s=1.0))) == fps // 2
        with pytest.raises(ValueError, match="fps is 0; it must be positive"):
            next(video.stream(fps=0))


def test_streams_and_clips_do_not_disturb_each_other(plain: Path) -> None:
    with open_video(plain) as video:
        one, other, seen = video.stream(), video.stream(start_s=1.0), []
        for k in range(25):
            seen.append(numbers(np.stack([next(one)[1], next(other)[1], video.frames_at([k / 15]).frames[0]])))
    assert seen == [[k, 30 + k, 2 * k] for k in range(25)]


def test_a_member_of_a_tar(plain: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        tar.add(plain, "a/first.mp4")
        tar.add(plain, "second.mp4")
    for member in ("a/first.mp4", "second.mp4"):
        assert shown_at(f"{tmp_path}/shard.tar::{member}", [0.5, 1.5]) == [15, 45]
    with pytest.raises(
        VideoError, match=r"the archive has no file called 'third\.mp4'; it holds a/first\.mp4, second\.mp4"
    ):
        open_video(f"{tmp_path}/shard.tar::third.mp4")
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as tar:
        tar.add(plain, "first.mp4")
    with pytest.raises(VideoError, match="is not an uncompressed tar archive"):
        open_video(f"{tmp_path}/packed.tar.gz::first.mp4")


@pytest.mark.parametrize("name", ["a:b.mp4", "a::b.mp4", "%03d.mp4", "späce ü.mp4", "concat:x|y.mp4"])
def test_odd_file_names_are_just_names(plain: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(plain.read_bytes())
    assert shown_at(tmp_path / name, [0.5]) == [15]


def test_a_video_belongs_to_its_process(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = open_video(plain)
    with pytest.raises(TypeError, match="cannot be sent to another process; open it there"):
        pickle.dumps(video)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(ValueError, match="was opened by another process; open it in this one"):
        video.frames_at([0.0])
    monkeypatch.undo()
    assert numbers(video.frames_at([0.0]).frames) == [0]
    video.close()
    video.close()
    with pytest.raises(ValueError, match="is closed; open it again"):
        video.frames_at([0.0])


@pytest.mark.parametrize("fps", [None, 10.0])
def test_a_stream_ends_with_its_video(plain: Path, fps: float | None) -> None:
    with open_video(plain) as video:
        stream = video.stream(fps=fps)
        next(stream)
    with pytest.raises(ValueError, match="is closed; open it again"):
        next(stream)


def test_arguments_of_open_video(plain: Path) -> None:
    with pytest.raises(ValueError, match="threads is 0; it must be 1 or more"):
        open_video(plain, threads=0)


def test_nothing_stays_open(plain: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(plain.read_bytes()[:-3000])

    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    def use() -> None:
        with open_video(plain, threads=4) as video:
            video.frames_at([1.9])
            next(video.stream())
        with pytest.raises(VideoError):
            open_video(broken)

    use()
    before = held()
    for _ in range(20):
        use()
    assert held() == before


def test_memory_is_bounded_on_a_long_file(tmp_path: Path) -> None:
    """Two hours at one frame a second: reading all of it holds no more than reading the start."""

    def resident_mb() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "long.mp4", fps=1, size=(64, 48), gop_s=60, preset="ultrafast") as writer:
        for k in range(7200):
            writer.write(np.roll(frame, k, axis=1))
    with open_video(tmp_path / "long.mp4") as video:
        assert video.info.duration_s == 7200
        stream, peak = video.stream(), 0.0
        for _ in range(200):
            next(stream)
        warm = resident_mb()
        for count, _ in enumerate(stream, 201):
            peak = max(peak, resident_mb()) if count % 100 == 0 else peak
        assert count == 7200
        video.frames_at(np.arange(0, 7200, 600.0))
    assert peak - warm < 20  # all frames as RGB are 63 MB


@pytest.fixture
def torchcodec_or_skip() -> None:
    problem = torchcodec_problem()
    if problem:
        pytest.skip(problem)


@pytest.mark.usefixtures("torchcodec_or_skip")
@pytest.mark.parametrize("name", [n for n in FILES if n.endswith((".mp4", ".mkv", ".webm"))])
def test_both_decoders_agree(name: str, folder: Path) -> None:
    path = write_numbered(folder / f"both_{name}", **FILES[name])
    times = [0.0, 0.1, 0.1, 0.55, 1.0, 1.99, 5.0]
    with open_video(path) as one, open_video(path, decoder="torchcodec") as other:
        first, second = one.frames_at(times), other.frames_at(times)
        assert numbers(first.frames) == numbers(second.frames)
        np.testing.assert_allclose(first.seconds, second.seconds, atol=1e-6)
        assert np.abs(first.frames.astype(int) - second.frames).mean() < 3
        streams = [[s for s, _ in video.stream(start_s=0.5)] for video in (one, other)]
        np.testing.assert_allclose(*streams, atol=1e-6)
    with open_video(path, decoder="auto") as video:
        assert numbers(video.frames_at(times).frames) == numbers(first.frames)


@pytest.mark.usefixtures("torchcodec_or_skip")
def test_torchcodec_is_not_trusted_blindly(folder: Path) -> None:
    path = write_numbered(folder / "both.avi", **FILES["b_frames.avi"])
    with pytest.raises(VideoError, match='stores no times, which torchcodec goes by; use the decoder "pyav"'):
        open_video(path, decoder="torchcodec")
    with open_video(path, decoder="auto") as video:
        assert numbers(video.frames_at([1.0]).frames) == [30]


def test_without_torchcodec(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("decode", "decode_torchcodec"):
        monkeypatch.setattr(f"marey.video.{module}.torchcodec_problem", lambda: "torchcodec is not installed")
    with pytest.raises(MissingExtra, match=r"torchcodec is not installed: pip install 'marey\[torchcodec\]'"):
        open_video(plain, decoder="torchcodec")
    with open_video(plain, decoder="auto") as video:
        assert numbers(video.frames_at([1.0]).frames) == [30]


def test_real_clips_agree_with_decoding_everything(real_clips: Path, fight_surv: Path) -> None:
    """Also the AVI file with two frames in a packet, whose times are out of order."""
    paths = [*sorted(real_clips.iterdir()), *sorted((fight_surv / "fight").glob("*.mp4"))[:3]]
    for path in paths:
        with av.open(str(path)) as container:
            everything = [f.to_ndarray(format="gray")[::16, ::16] for f in container.decode(video=0)]
        rng = random.Random(path.name)
        with open_video(path) as video:
            info: VideoInfo = video.info
            assert info.frame_count == len(everything)
            for _ in range(3):
                wanted = sorted(rng.randrange(len(everything)) for _ in range(4))
                clip = video.frames_at([float(k / info.fps) for k in wanted])
                grey = clip.frames[:, ::16, ::16] @ np.array([0.299, 0.587, 0.114])
                luma = np.stack([everything[k] for k in wanted]).astype(float)
                assert np.abs(grey - luma).mean() < 2, path
                np.testing.assert_allclose(clip.seconds, [float(k / info.fps) for k in wanted], atol=1e-3)


def test_the_picture_of_a_number() -> None:
    assert numbers(np.stack([picture(k) for k in (0, 5, 255)])) == [0, 5, 255]
