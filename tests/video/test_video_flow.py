import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marey.errors import MissingExtra, VideoError
from marey.video import VideoWriter, bytes_to_flow, dense_flow, flow, flow_stream, flow_to_bytes, open_video

SPEEDS = ("ultrafast", "fast", "medium")


def texture(height: int = 120, width: int = 160) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


def drift(path: Path, *, count: int = 12, step: int = 2, size: tuple[int, int] = (96, 64)) -> Path:
    """A texture that moves `step` pixels to the right with each frame, 10 a second."""
    wide = np.stack([texture(size[1], size[0] + count * step)] * 3, -1)
    with VideoWriter(path, fps=10, size=size, crf=10) as writer:
        for index in range(count):
            left = (count - index) * step
            writer.write(wide[:, left : left + size[0]])
    return path


@pytest.mark.parametrize("how", [*({"speed": speed} for speed in SPEEDS), {"method": "farneback"}], ids=str)
@pytest.mark.parametrize("right, down", [(3, 0), (0, 2), (-2, 1), (0, 0)])
def test_a_shift_is_seen(how: dict[str, str], right: int, down: int) -> None:
    before = texture()
    after = np.roll(before, (down, right), axis=(0, 1))
    for pair in ((before, after), (np.stack([before] * 3, -1), np.stack([after] * 3, -1))):
        found = dense_flow(*pair, **how)
        assert found.shape == (120, 160, 2) and found.dtype == np.float32
        np.testing.assert_allclose(np.median(found[16:-16, 16:-16], axis=(0, 1)), (right, down), atol=0.15)


@pytest.mark.parametrize("speed", SPEEDS)
def test_what_was_seen_before_does_not_matter(speed: str) -> None:
    large, small = texture(), texture(32, 40)
    first = dense_flow(large, np.roll(large, 2, 1), speed=speed)
    dense_flow(small, np.roll(small, 1, 1), speed=speed)
    assert (dense_flow(large, np.roll(large, 2, 1), speed=speed) == first).all()


def test_views_of_frames_will_do() -> None:
    frames = np.stack([texture()] * 3, -1)
    mirrored = dense_flow(frames[:, ::-1], np.roll(frames, 2, axis=1)[:, ::-1])
    assert np.median(mirrored[..., 0]) == pytest.approx(-2, abs=0.15)


def test_frames_that_are_too_small() -> None:
    with pytest.raises(ValueError, match="frames are 40 x 11; flow needs at least 12 x 12"):
        dense_flow(texture(11, 40), texture(11, 40))
    assert dense_flow(texture(12, 12), texture(12, 12)).shape == (12, 12, 2)


def test_tvl1_is_used_where_opencv_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "optflow", raising=False)
    cure = "TV-L1 flow needs the contributed part of OpenCV; run .*pip install opencv-contrib-python-headless"
    with pytest.raises(MissingExtra, match=cure):
        dense_flow(texture(), texture(), method="tvl1")
    with pytest.raises(MissingExtra, match=cure):
        next(flow_stream(drift(tmp_path / "a.mp4"), method="tvl1"))

    class Planted:  # the contributed modules replace the wheel that everything else here is tested with
        class DualTVL1OpticalFlow:
            @staticmethod
            def create():
                return cv2.DISOpticalFlow.create(0)

    monkeypatch.setattr(cv2, "optflow", Planted, raising=False)
    expected = dense_flow(texture(), np.roll(texture(), 2, 1), speed="ultrafast")
    assert (dense_flow(texture(), np.roll(texture(), 2, 1), method="tvl1") == expected).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_stream_has_the_flow_of_each_pair(tmp_path: Path, threads: int) -> None:
    path = drift(tmp_path / "a.mp4")
    seconds, fields = zip(*flow_stream(path, short_px=48, threads=threads), strict=True)
    with open_video(path) as video:
        frames = [frame for _, frame in video.stream(short_px=48)]
    np.testing.assert_allclose(seconds, np.arange(11) / 10)
    for pair, found in zip(itertools.pairwise(frames), fields, strict=True):
        assert (found == dense_flow(*pair)).all()
    assert np.median(np.stack(fields)[:, 8:-8, 8:-8, 0]) == pytest.approx(2 * 48 / 64, abs=0.15)


def test_each_frame_is_decoded_once_and_few_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = drift(tmp_path / "a.mp4", count=30, step=1), []
    plain = open_video(path).stream

    def counted(**how) -> Iterator[tuple[float, np.ndarray]]:
        for each in plain(**how):
            read.append(each[0])
            yield each

    class Counting:
        info = open_video(path).info
        stream = staticmethod(counted)
        refuse_without_motion = staticmethod(lambda: None)

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(flow, "open_video", lambda _: Counting())
    for handed, _ in enumerate(flow_stream(path, speed="ultrafast", threads=2), 1):
        assert len(read) <= handed + 3
    assert len(read) == len(set(read)) == 30


def test_a_span(tmp_path: Path) -> None:
    path = drift(tmp_path / "a.mp4")
    assert [round(s, 3) for s, _ in flow_stream(path, start_s=0.25, end_s=0.65)] == [0.3, 0.4, 0.5]


def test_a_stream_that_is_left_stops_its_threads(tmp_path: Path) -> None:
    threads = threading.active_count()
    stream = flow_stream(drift(tmp_path / "a.mp4"), threads=2)
    next(stream)
    stream.close()
    assert threading.active_count() == threads


def test_streams_that_are_refused(tmp_path: Path) -> None:
    path = drift(tmp_path / "one.mp4", count=1)
    with pytest.raises(
        VideoError, match=r"one.mp4: has only one frame, and motion leads from one to another; leave it out"
    ):
        list(flow_stream(path))
    with pytest.raises(VideoError, match="has fewer than two frames in the span that was asked for; flow leads"):
        list(flow_stream(drift(tmp_path / "a.mp4"), start_s=0.25, end_s=0.35))
    with pytest.raises(ValueError, match="threads is 0; it must be 1 or more"):
        next(flow_stream(path, threads=0))


@given(arrays(np.float32, (3, 4, 2), elements=st.floats(-20, 20, width=32)))
def test_flow_comes_back_from_bytes_within_half_a_step(field: np.ndarray) -> None:
    data = flow_to_bytes(field)
    assert data.dtype == np.uint8 and data.min() >= 1
    assert np.abs(bytes_to_flow(data) - field).max() <= 20 / 127 / 2 + 1e-5
    assert (flow_to_bytes(bytes_to_flow(data)) == data).all()
    assert (flow_to_bytes(-field) == 256 - data.astype(int)).all()


def test_the_bytes_of_no_motion_and_of_too_much() -> None:
    field = np.array([0, 0.07, 20, 21, 1e9, -20, -400], np.float32)
    assert flow_to_bytes(field).tolist() == [128, 128, 255, 255, 255, 1, 1]
    assert field[1] == np.float32(0.07)  # what is given is left as it was
    assert bytes_to_flow(np.array([128, 255, 1], np.uint8)).tolist() == pytest.approx([0, 20, -20])
