import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import numbers, picture

from marey.errors import VideoError
from marey.video import VideoWriter, open_video, probe, read_audio


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, *, count: int = 20, sound: int | None = None, **how) -> Path:
    with VideoWriter(path, **{"fps": 10, "size": (96, 64), "audio_rate": sound, **how}) as writer:
        for number in range(count):
            writer.write(picture(number))
            if sound:
                writer.write_audio(tone(count / 10, sound)[number * sound // 10 : (number + 1) * sound // 10])
    return path


def kinds(path: Path) -> set[str]:
    with av.open(str(path)) as container:
        return {av.video.frame.PictureType(frame.pict_type).name for frame in container.decode(video=0)}


@pytest.mark.parametrize("fps", [10, 12.5, 23.976, Fraction(24_000, 1001), 25, 29.97, Fraction(30_000, 1001), 5.5])
def test_what_is_written_is_read_back(tmp_path: Path, fps: float | Fraction) -> None:
    path = write(tmp_path / "a.mp4", fps=fps)
    with open_video(path) as video:
        assert (video.info.codec, video.info.frame_count, video.info.variable_rate) == ("h264", 20, False)
        assert video.info.fps == Fraction(fps).limit_denominator(1001)
        seconds, frames = zip(*video.stream(), strict=True)
        assert numbers(np.stack(frames)) == list(range(20))
        rate = float(Fraction(fps).limit_denominator(1001))
        np.testing.assert_allclose(seconds, np.arange(20) / rate, atol=1e-9)
        assert video.info.duration_s == pytest.approx(20 / rate, abs=1e-9)
    assert "B" in kinds(path)  # frames that are stored out of order, which is what can shift times


# A pattern that drifts under noise: B-frames, weighted prediction and the macroblock tree all have work to do.
WRITE_NOISE = """
import sys
import numpy as np
from marey.video import VideoWriter
rng = np.random.default_rng(0)
drift = np.kron(rng.integers(0, 256, (15, 50, 3)), np.ones((8, 8, 1), int))
with VideoWriter(sys.argv[1], fps=25, size=(160, 120), audio_rate=16_000) as writer:
    for t in range(40):
        frame = drift[:, 3 * t : 3 * t + 160] + rng.integers(-9, 10, (120, 160, 3))
        writer.write(frame.clip(0, 255).astype(np.uint8))
        writer.write_audio(rng.uniform(-1, 1, 640).astype(np.float32))
"""


def test_the_same_frames_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path, garbage in zip(paths, ("85", "170"), strict=True):
        # glibc fills new memory with the complement of that byte
        scribbled = {**os.environ, "MALLOC_PERTURB_": garbage}
        subprocess.run([sys.executable, "-c", WRITE_NOISE, str(path)], env=scribbled, check=True)
    assert "B" in kinds(paths[0])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


def test_colours_survive(tmp_path: Path) -> None:
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 150, 30)], np.uint8)
    frame = np.broadcast_to(colours.repeat(16, axis=0), (64, 96, 3))
    write_one = VideoWriter(tmp_path / "a.mp4", fps=1, size=(96, 64), crf=4)
    with write_one as writer:
        writer.write(frame)
    with open_video(tmp_path / "a.mp4") as video:
        shown = video.frames_at([0.0]).frames[0, 32, 8::16]
    assert np.abs(shown.astype(int) - colours).max() <= 4
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == 1  # BT.709, by name


def test_odd_sizes_repeat_their_edge(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)[:63, :95]
    with VideoWriter(tmp_path / "a.mp4", fps=1, size=(95, 63), crf=4) as writer:
        writer.write(frame)
    with open_video(tmp_path / "a.mp4") as video:
        assert (video.info.width, video.info.height) == (96, 64)
        shown = video.frames_at([0.0]).frames[0].astype(int)
    assert np.abs(shown[:63, :95] - frame).mean() < 12
    assert np.abs(shown[63, :95] - frame[62]).mean() < 12


def test_keyframes_come_as_often_as_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", gop_s=0.5)
    with av.open(str(path)) as container:
        keys = [p.pts * p.time_base for p in container.demux(video=0) if p.size and p.is_keyframe]
    assert max(np.diff(np.array(keys, float))) <= 0.5


def test_quality_costs_bytes(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    sizes = []
    for crf in (18, 40):
        with VideoWriter(tmp_path / f"{crf}.mp4", fps=10, size=(96, 64), crf=crf) as writer:
            writer.write(frame)
        sizes.append(writer.path.stat().st_size)
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_sound(tmp_path: Path, rate: int) -> None:
    path = write(tmp_path / "a.mp4", sound=rate)
    assert probe(path).audio_rate == rate
    heard, played = read_audio(path, rate=rate), tone(2.0, rate)
    assert np.abs(heard[2000:30_000] - played[2000:30_000]).max() < 0.12  # AAC is lossy, but in time


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    class Oops(Exception):
        pass

    with pytest.raises(Oops), VideoWriter(tmp_path / "a.mp4", fps=10, size=(96, 64), audio_rate=16_000) as writer:
        writer.write(picture(1))
        writer.write_audio(tone(0.5, 16_000))
        raise Oops
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", fps=10, size=(96, 64)):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_older_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), VideoWriter(path, fps=10, size=(96, 64)) as writer:
        writer.write(picture(3))
        1 / 0  # noqa: B018
    assert path.read_bytes() == before
    write(path, count=3)
    assert probe(path).frame_count == 3


@pytest.mark.parametrize(
    "change, message",
    [
        ({"fps": 0}, "fps 0, .* must be positive"),
        ({"gop_s": -1.0}, r"gop_s -1.0 .* must be positive"),
        ({"size": (0, 64)}, r"size \(0, 64\) must be positive"),
        ({"crf": 99}, r"crf 99 lie in 0..51"),
        ({"audio_rate": 12_345}, "audio_rate is 12345; AAC has 8000, "),
    ],
)
def test_arguments_that_make_no_sense(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoWriter(tmp_path / "a.mp4", **{"fps": 10, "size": (96, 64), **change})
    assert not list(tmp_path.iterdir())


def test_frames_and_samples_that_do_not_fit(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=10, size=(96, 64)) as writer:
        with pytest.raises(ValueError, match=r"frame is uint8 \(64, 90, 3\); this writer takes uint8 \(64, 96, 3\)"):
            writer.write(picture(1)[:, :90])
        with pytest.raises(ValueError, match=r"frame is float64"):
            writer.write(picture(1) / 255)
        with pytest.raises(ValueError, match="this writer has no sound; give it an audio_rate"):
            writer.write_audio(tone(0.1, 16_000))
        writer.write(picture(1))
    with VideoWriter(tmp_path / "b.mp4", fps=10, size=(96, 64), audio_rate=8000) as writer:
        with pytest.raises(ValueError, match=r"samples are float32 \(2, 400\); they must be float32 \(n,\)"):
            writer.write_audio(np.zeros((2, 400), np.float32))
        writer.write_audio(np.zeros(0, np.float32))
        writer.write(picture(1))


def test_a_video_has_frames(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"no frame was written to .*; a video has at least one"),
        VideoWriter(tmp_path / "a.mp4", fps=10, size=(96, 64)),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"cannot be written, for there is no folder .*absent; make it first"):
        VideoWriter(tmp_path / "absent" / "a.mp4", fps=10, size=(96, 64))
