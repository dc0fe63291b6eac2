from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import picture, write_numbered

from marey.errors import VideoError
from marey.video import VideoWriter, read_audio

RATE = 16_000


def sweep(seconds: float, rate: int = RATE) -> np.ndarray:
    """A tone that rises, so that a shift in time shows."""
    t = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 * t + 150 * t**2))).astype(np.float32)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "film.mp4"
    with VideoWriter(path, fps=10, size=(96, 64), audio_rate=RATE) as writer:
        for number in range(40):
            writer.write(picture(number))
        writer.write_audio(sweep(4.0))
    return path


def test_mono_at_16_kilohertz(film: Path) -> None:
    heard = read_audio(film)
    assert heard.dtype == np.float32 and heard.ndim == 1
    assert len(heard) == pytest.approx(4 * RATE, abs=1100)  # AAC comes in blocks of 1024
    assert np.abs(heard[500:63_000] - sweep(4.0)[500:63_000]).max() < 0.1


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_other_rates(film: Path, rate: int) -> None:
    heard = read_audio(film, rate=rate, end_s=3.5)
    assert len(heard) == 3.5 * rate
    assert np.abs(heard[rate // 10 : 3 * rate] - sweep(4.0, rate)[rate // 10 : 3 * rate]).max() < 0.1


@pytest.mark.parametrize("start_s, end_s", [(0.0, 1.0), (0.3, 0.8), (1.7, 2.9), (3.0, 3.9)])
def test_a_span_is_that_part_of_the_whole(film: Path, start_s: float, end_s: float) -> None:
    whole, part = read_audio(film), read_audio(film, start_s=start_s, end_s=end_s)
    assert len(part) == round((end_s - start_s) * RATE)
    first = round(start_s * RATE)
    assert np.abs(part - whole[first : first + len(part)]).max() < 0.05


def test_silence_after_the_end(film: Path) -> None:
    late = read_audio(film, start_s=3.5, end_s=6.0)
    assert len(late) == 2.5 * RATE and np.abs(late[:4000]).max() > 0.3 and not late[int(0.7 * RATE) :].any()
    assert not read_audio(film, start_s=20.0, end_s=21.0).any()
    assert len(read_audio(film, start_s=20.0)) == 0


def late_copy(film: Path, path: Path, late: Callable[[av.Packet], bool], by_s: float) -> Path:
    with av.open(str(film)) as given, av.open(str(path), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in given.streams}
        packets = [p for p in given.demux() if p.dts is not None]
        for packet in packets:
            if late(packet):
                packet.pts += round(by_s / packet.time_base)
                packet.dts += round(by_s / packet.time_base)
            packet.stream = copies[packet.stream.index]
            out.mux(packet)
    return path


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_sound_that_starts_after_the_pictures(film: Path, tmp_path: Path, name: str) -> None:
    path = late_copy(film, tmp_path / name, lambda p: p.stream.type == "audio", 0.5)
    heard = read_audio(path)
    assert np.abs(heard[: RATE // 2 - 1100]).max() < 0.01  # a block of 1024 warms the codec up
    assert np.abs(heard[RATE : 3 * RATE] - sweep(4.0)[RATE // 2 : RATE // 2 + 2 * RATE]).max() < 0.15


def test_sound_that_starts_before_the_pictures(film: Path, tmp_path: Path) -> None:
    path = late_copy(film, tmp_path / "late.mp4", lambda p: p.stream.type == "video", 0.5)
    assert np.abs(read_audio(path)[1000:40_000] - sweep(4.0)[1000:40_000]).max() < 0.1  # a player starts with it


def test_no_sound_and_no_file(tmp_path: Path) -> None:
    silent = write_numbered(tmp_path / "silent.mp4", count=3)
    with pytest.raises(VideoError, match="has no sound"):
        read_audio(silent)
    with pytest.raises(VideoError, match="there is no such file; check the path"):
        read_audio(tmp_path / "absent.mp4")


def test_a_sound_file_is_enough(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        block = av.AudioFrame.from_ndarray((sweep(1.0) * 32_767).astype(np.int16)[None], "s16", "mono")
        block.sample_rate, block.pts = RATE, 0
        out.mux([*stream.encode(block), *stream.encode(None)])
    assert np.abs(read_audio(tmp_path / "a.wav") - sweep(1.0)).max() < 1e-3


@pytest.mark.parametrize("span", [{"start_s": -1.0}, {"start_s": 2.0, "end_s": 1.0}])
def test_spans_that_make_no_sense(film: Path, span: dict) -> None:
    with pytest.raises(ValueError, match="it must start at 0 or later and end later"):
        read_audio(film, **span)


def test_broken_sound(film: Path, tmp_path: Path) -> None:
    data = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        packets = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    for pos, size in packets[20:30]:
        data[pos : pos + size] = b"\xff" * size
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    with pytest.raises(VideoError, match=r"its sound cannot be decoded .*; copy or encode it again"):
        read_audio(broken)
