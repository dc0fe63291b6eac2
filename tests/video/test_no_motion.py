"""Videos through which no motion can be followed: their pictures change in size, or there is one alone."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from marey.errors import VideoError
from marey.video import (
    ClipSpec,
    extract_flow,
    flow_stream,
    has_vectors,
    open_input,
    open_video,
    read_input,
    vector_stream,
)
from moving_video import write_moving, write_two_sizes

RGB = ClipSpec(4, 1, side_px=32, short_px=32, mean=(0.5,) * 3, std=(0.5,) * 3)
MOTION = [
    replace(RGB, modality=modality, mean=(0.5,) * channels, std=(0.5,) * channels)
    for modality, channels in (("flow", 2), ("rgb+flow", 5), ("vectors", 2), ("vectors+residual", 5))
]
CHANGED = r"is 96 x 64 at first and 192 x 64 at 1.000 s, and motion cannot be followed from one size to another; make"


@pytest.fixture(scope="module", params=["a.ts", "a.mp4", "a.h264"])
def changing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_sizes(tmp_path_factory.mktemp("changing") / request.param)


def read(path: Path, seconds: list[float], spec: ClipSpec) -> np.ndarray:
    with open_input(path, spec) as video:
        return read_input(video, np.array(seconds), spec)


@pytest.mark.parametrize("spec", MOTION, ids=lambda spec: spec.modality)
def test_motion_across_a_change_of_size_is_refused(changing: Path, spec: ClipSpec) -> None:
    assert read(changing, [0.1, 0.3], spec).shape[1:3] == (32, 48)
    with pytest.raises(VideoError, match=CHANGED):
        read(changing, [0.8, 0.9, 1.1], spec)
    with pytest.raises(VideoError, match="is 96 x 64 at first and 192 x 64 at 1"):
        read(changing, [1.5, 1.6], spec)


def test_streams_of_motion_stop_at_a_change_of_size(changing: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=CHANGED):
        list(flow_stream(changing))
    with pytest.raises(VideoError, match=CHANGED):
        list(vector_stream(changing))
    with pytest.raises(VideoError, match=CHANGED):
        extract_flow(changing, tmp_path / "a.npz")


def test_frames_of_another_size_are_made_to_fit(changing: Path) -> None:
    frames = read(changing, [0.5, 1.5], RGB)
    assert frames.shape == (2, 32, 48, 3) and abs(frames[0].astype(int) - frames[1]).max() > 9


@pytest.mark.parametrize("spec", MOTION, ids=lambda spec: spec.modality)
@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_one_frame_has_no_motion(tmp_path: Path, spec: ClipSpec, codec: str) -> None:
    path = write_moving(tmp_path / "a.mkv", count=1, codec=codec)
    with pytest.raises(VideoError, match=r"a\.mkv: has only one frame, and motion leads from one to another; leave it"):
        read(path, [0.0, 0.05], spec)
    assert not has_vectors(path) and read(path, [0.0, 0.05], RGB).shape[0] == 2


def test_vectors_of_an_open_video_are_those_of_its_file(tmp_path: Path) -> None:
    path, seconds = write_moving(tmp_path / "a.mp4", count=20, step=(2, 1)), np.array([0.1, 0.4, 1.5])
    for spec in MOTION[2:]:
        with open_video(path) as video:
            assert (read_input(video, seconds, spec) == read(path, seconds.tolist(), spec)).all()
    with open_input(path, MOTION[2]) as video:
        assert read_input(video, seconds, MOTION[2]).any()
        for spec in (RGB, MOTION[3]):
            with pytest.raises(
                ValueError, match=r"a\.mp4 is open for other vectors than .* is fed; open it by open_input"
            ):
                read_input(video, seconds, spec)


@pytest.mark.parametrize("spec", [RGB, *MOTION], ids=lambda spec: spec.modality)
def test_a_file_is_opened_once(tmp_path: Path, spec: ClipSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened, plain = write_moving(tmp_path / "a.mp4", count=30), [], av.open

    def counted(*args, **named):
        opened.append(args[0])
        return plain(*args, **named)

    monkeypatch.setattr(av, "open", counted)
    with open_input(path, spec) as video:
        for first in (0.0, 0.4, 0.8, 2.0):
            read_input(video, first + np.arange(4) / 10, spec)
    assert len(opened) == 1
