"""Flow that a network is fed: the same numbers whether it is computed or read from files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from marey.errors import VideoError
from marey.video import (
    ClipSpec,
    FlowSource,
    bytes_to_flow,
    extract_flow,
    flow_fed,
    open_video,
    probe,
    read_input,
    source_hash,
)
from moving_video import write_moving

FLOW = ClipSpec(4, 2, side_px=32, short_px=32, mean=(0.5,) * 2, std=(0.5,) * 2, modality="flow")
BOTH = replace(FLOW, modality="rgb+flow", mean=(0.5,) * 5, std=(0.5,) * 5)
FARNEBACK = FlowSource("farneback", None)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moving(tmp_path_factory.mktemp("moving") / "film.mp4", fps=30)


def read(path: Path, spec: ClipSpec, seconds: np.ndarray | None = None) -> np.ndarray:
    """Without times: those of all frames, one after the last, and one a little before each frame."""
    with open_video(path) as video:
        steps = np.arange(video.info.frame_count or 0) / float(video.info.fps)
        return read_input(video, np.sort([*steps, *(steps[1:] - 3e-4), 9.0]) if seconds is None else seconds, spec)


def stored(film: Path, folder: Path, source: FlowSource, kind: str = ".mkv") -> FlowSource:
    """The source with a file of the film's flow."""
    extract_flow(film, folder / f"film{kind}", source)
    return replace(source, files={source_hash(film): str(folder / f"film{kind}")})


@pytest.mark.parametrize("kind", [".mkv", ".npz"])
def test_stored_flow_is_what_would_be_computed(
    film: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also at times within the millisecond to which a compact file rounds those of its fields."""
    small = replace(FARNEBACK, short_px=32)
    expected = {spec: read(film, replace(spec, flow=FARNEBACK)) for spec in (FLOW, BOTH)}
    assert np.abs(bytes_to_flow(expected[FLOW])).max() > 1
    files = stored(film, tmp_path, small, kind).files
    monkeypatch.setattr(flow_fed, "flow_between", lambda *_: pytest.fail("flow was computed"))
    for spec, found in expected.items():
        np.testing.assert_array_equal(read(film, replace(spec, flow=replace(FARNEBACK, files=files))), found)


def test_flow_of_another_size_is_in_pixels_of_what_is_fed(film: Path, tmp_path: Path) -> None:
    large = replace(FARNEBACK, short_px=64)
    files = stored(film, tmp_path, large).files
    for spec in (FLOW, BOTH, replace(FLOW, squash=True)):
        computed = read(film, replace(spec, flow=large))
        np.testing.assert_array_equal(read(film, replace(spec, flow=replace(large, files=files))), computed)
    whole, half = (bytes_to_flow(read(film, replace(FLOW, short_px=px, flow=large))) for px in (64, 32))
    assert half.shape[1:3] == (32, 48) and whole.shape[1:3] == (64, 96)
    blocks = whole.reshape(len(whole), 32, 2, 48, 2, 2).mean((2, 4)) / 2
    assert np.abs(half - blocks).max() < 0.1, "half the pixels of it, to half a step of bytes"
    squashed = bytes_to_flow(read(film, replace(FLOW, flow=large, squash=True)))
    right = [np.abs(flow[..., 0]).mean() for flow in (squashed, half)]
    assert squashed.shape[1:3] == (32, 32) and right[0] / right[1] == pytest.approx(32 / 48, abs=0.05)


def test_flow_of_another_video_or_rate_is_computed(film: Path, tmp_path: Path) -> None:
    files = stored(film, tmp_path, replace(FARNEBACK, short_px=32)).files
    other = write_moving(tmp_path / "film.mp4", fps=30, step=(1, 0))
    source = replace(FARNEBACK, files=files)
    np.testing.assert_array_equal(read(other, replace(FLOW, flow=source)), read(other, replace(FLOW, flow=FARNEBACK)))
    assert flow_fed.flow_file_of(probe(film), source) == files[source_hash(film)]
    assert flow_fed.flow_file_of(replace(probe(film), variable_rate=True), source) is None
    replaced = {source_hash(other): files[source_hash(film)]}  # after the folder was looked at
    with pytest.raises(VideoError, match=r"holds the flow of other bytes than those of film\.mp4"):
        read(other, replace(FLOW, flow=replace(source, files=replaced)))


@pytest.mark.parametrize("kind", [".mkv", ".npz"])
def test_flow_of_a_damaged_file_is_computed(film: Path, tmp_path: Path, kind: str) -> None:
    source = stored(film, tmp_path, replace(FARNEBACK, short_px=32), kind)
    file = tmp_path / f"film{kind}"
    file.write_bytes(file.read_bytes()[:-3000])
    expected = read(film, replace(FLOW, flow=FARNEBACK))
    np.testing.assert_array_equal(read(film, replace(FLOW, flow=replace(source, short_px=None))), expected)
    file.unlink()
    np.testing.assert_array_equal(read(film, replace(FLOW, flow=replace(source, short_px=None))), expected)


def test_a_network_computes_from_frames(film: Path) -> None:
    """Of colours, and of a size of its own."""

    def brighter(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        assert a.shape == b.shape == (64, 96, 3)
        return np.full((64, 96, 2), 4.0, np.float32)

    source = FlowSource("spynet", None, 64, weights_hash="0" * 12, network=brighter)
    found = bytes_to_flow(read(film, replace(FLOW, flow=source), np.array([0.0, 0.1])))
    assert found.shape == (2, 32, 48, 2)
    np.testing.assert_allclose(found, 2.0, atol=0.16)
    with pytest.raises(
        ValueError, match="flow by SPyNet 000000000000 at 64 px is computed by a network, which is not given"
    ):
        read(film, replace(FLOW, flow=replace(source, network=None)))


def test_how_flow_comes_about_is_kept_with_what_is_fed() -> None:
    assert "flow" not in FLOW.to_dict()  # as ever, and as every model before it was written
    assert str(FlowSource(short_px=64, resample="bilinear")) == "DIS fast at 64 px, bilinear"
    for source in (FARNEBACK, FlowSource(speed="medium", short_px=64), FlowSource("spynet", None, weights_hash="ab")):
        spec = replace(FLOW, flow=source)
        assert ClipSpec.from_dict(spec.to_dict()) == spec != FLOW
    assert FlowSource(resample="bicubic") == FlowSource() != FlowSource(short_px=64, resample="bicubic")
    named = FlowSource("spynet", None, 256, weights_hash="0123456789ab", weights="/a", files={"a": "b"})
    assert str(named) == "SPyNet 0123456789ab at 256 px"
    assert named == replace(named, weights="/b", files={})
    assert named.to_dict()["weights"] == "/a" and "files" not in named.to_dict()
    with pytest.raises(ValueError, match="flow is by 'raft'; it can be by dis, farneback, tvl1, spynet"):
        FlowSource("raft")
    with pytest.raises(ValueError, match="the speed of tvl1 is 'fast'; DIS has ultrafast, fast, medium, others None"):
        FlowSource("tvl1")
