import gc
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import remux, write_numbered

from marey.errors import VideoError
from marey.video import has_vectors, motion_vectors, open_video, probe, vector_stream, vectors
from marey.video.feed import Feed
from marey.video.vectors import VectorVideo
from moving_video import write_moving

WAYS = {  # as the encoder may predict frames: from the one before, from both sides, from frames that do so themselves
    "p.mp4": {},
    "b.mp4": {"b_frames": 3},
    "pyramid.mp4": {"b_frames": 3, "x264": "b-pyramid=normal"},
    "open.mp4": {"b_frames": 3, "x264": "open-gop=1"},
    "b.ts": {"b_frames": 3},
    "b.mkv": {"b_frames": 3},
    "p.avi": {},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg4-b.mp4": {"codec": "mpeg4", "b_frames": 2},
    "mpeg4-b.avi": {"codec": "mpeg4", "b_frames": 2},
}
STEP = (2, -1)


def middle(field: np.ndarray) -> list[float]:
    """The median motion away from the border, where what moves in is new."""
    height, width = field.shape[:2]
    inner = field[height // 4 : -(height // 4), width // 4 : -(width // 4)]
    return np.median(inner.reshape(-1, 2), axis=0).tolist()


def motion(path: Path, **how) -> list[list[float]]:
    return [middle(field) for _, field in vector_stream(path, **how)]


@pytest.fixture(scope="module", params=WAYS)
def moving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moving(tmp_path_factory.mktemp("moving") / request.param, step=STEP, **WAYS[request.param])


def test_the_motion_of_a_frame_is_that_of_the_picture(moving: Path) -> None:
    still = np.isin(np.arange(14), (0, 12))[:, None]  # keyframes
    np.testing.assert_allclose(motion(moving, accumulate=False), np.where(still, 0, STEP), atol=1e-5)


def test_accumulated_motion_is_that_since_the_keyframe(moving: Path) -> None:
    np.testing.assert_allclose(motion(moving), (np.arange(14) % 12)[:, None] * STEP, atol=1e-5)


def test_times_are_those_of_the_frames(moving: Path) -> None:
    with open_video(moving) as video:
        assert [s for s, _ in vector_stream(moving)] == [s for s, _ in video.stream()]


@pytest.mark.parametrize("accumulate", [True, False])
def test_fields_at_given_times_are_those_of_the_stream(moving: Path, accumulate: bool) -> None:
    seconds, fields = zip(*vector_stream(moving, accumulate=accumulate), strict=True)
    asked = np.array([-1, 0, 0.15, 0.3, 0.3, 0.75, 1.25, 99])
    found = motion_vectors(moving, asked, accumulate=accumulate)
    shown = np.searchsorted(np.array(seconds) - 1e-3, asked, side="right") - 1
    assert (found == np.stack(fields)[shown.clip(0)]).all()


@pytest.mark.parametrize("name", ["p.mp4", "pyramid.mp4", "open.mp4", "b.ts", "b.mkv"])
def test_sparse_times_are_sought(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = WAYS[name]
    path = write_moving(tmp_path / name, count=90, gop=12, step=(1, 0), **{**way, "fps": 10})
    fields = dict(vector_stream(path))
    seconds, decoded = list(fields), []
    plain = Feed.__iter__

    def counted(feed: Feed) -> Iterator[Feed]:
        for each in plain(feed):
            decoded.append(each)
            yield each

    monkeypatch.setattr(Feed, "__iter__", counted)
    for asked in ([1, 50], [47, 48, 85], [88], [11, 12, 13]):
        found = motion_vectors(path, [seconds[k] for k in asked])
        assert (found == np.stack([fields[seconds[k]] for k in asked])).all()
    decoded.clear()
    motion_vectors(path, [seconds[0], seconds[80]])
    assert len(decoded) < 40  # of 90: up to the frame after the first, and from a keyframe near the last


def test_pictures_do_not_pile_up(tmp_path: Path) -> None:
    """They would, each in a circle with its vectors, until garbage is collected."""
    path = write_moving(tmp_path / "a.mp4", count=60, step=(1, 0))
    gc.collect()
    gc.disable()
    try:
        stream = vector_stream(path)
        for _ in zip(range(50), stream, strict=False):
            pass
        held = sum(type(each) is av.VideoFrame for each in gc.get_objects())
    finally:
        gc.enable()
    assert next(stream) and held < 8


def test_earlier_times_are_found_again(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4", count=30)
    fields = dict(vector_stream(path))
    with VectorVideo(path) as video:
        for second in (2.5, 0.4, 1.3, 0.0):
            assert (video.at(second).motion.pixels(video.shown_size(None)) == fields[second]).all()


@pytest.mark.parametrize("rotation, step", [(0, (2, -1)), (90, (-1, -2)), (180, (-2, 1)), (270, (1, 2))])
def test_motion_is_turned_with_the_picture(tmp_path: Path, rotation: int, step: tuple[int, int]) -> None:
    path = write_moving(tmp_path / "a.mp4", step=STEP, rotation=rotation)
    info = probe(path)
    assert info.rotation == rotation
    with open_video(path) as video, VectorVideo(path) as found:
        assert found.info == info
        frames = video.frames_at([0.3, 0.4], short_px=None).frames.astype(int)
    field = motion_vectors(path, [0.4], accumulate=False)[0]
    assert field.shape == (info.height, info.width, 2) and middle(field) == list(step)
    right, down = step  # the pictures themselves say so too
    inner = slice(8, -8)
    moved = np.roll(frames[0], (down, right), (0, 1))[inner, inner] - frames[1][inner, inner]
    assert np.abs(moved).mean() < 0.2 * np.abs(frames[0] - frames[1])[inner, inner].mean()


def test_motion_stays_where_it_is_when_the_picture_is_turned(tmp_path: Path) -> None:
    """Only a square in the upper left corner moves."""
    for rotation, corner in ((0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (270, (0, 1))):
        path = tmp_path / f"{rotation}.mp4"
        write_moving(path, rotation=rotation, moving=(32, 32))
        speed = np.abs(motion_vectors(path, [0.5], accumulate=False)[0]).sum(-1)
        height, width = speed.shape
        halves = speed.reshape(2, height // 2, 2, width // 2).mean((1, 3))
        assert np.unravel_index(halves.argmax(), (2, 2)) == corner and halves.max() > 5 * np.median(halves)


@pytest.mark.parametrize("size", [(106, 70), (98, 66), (34, 18)])
def test_sizes_that_are_no_whole_blocks(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_moving(tmp_path / "a.mp4", size=size)
    for _, field in vector_stream(path):
        assert field.shape == (size[1], size[0], 2)
    assert middle(motion_vectors(path, [0.5])[0]) == [10, 0]


def test_motion_is_scaled_with_the_picture(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4", size=(128, 64), step=(4, 2))
    assert motion_vectors(path, [0.3], short_px=32).shape == (1, 32, 64, 2)
    assert middle(motion_vectors(path, [0.3], short_px=32)[0]) == [6, 3]
    assert middle(motion_vectors(path, [0.3], short_px=33)[0]) == pytest.approx([12 * 66 / 128, 6 * 33 / 64])
    assert middle(motion_vectors(path, [0.3], size=(32, 64))[0]) == [3, 6]
    assert middle(dict(vector_stream(path, short_px=16))[0.3]) == [3, 1.5]


def exported(path: Path, options: dict[str, str]) -> list[np.ndarray]:
    """The vectors of a video's frames; those of them that have any."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"flags2": "+export_mvs", **options}
        found = [frame.side_data.get("MOTION_VECTORS") for frame in container.decode(stream)]
    return [each.to_ndarray() for each in found if each is not None]


def test_what_the_decoder_skips_leaves_vectors_as_they_are(moving: Path) -> None:
    whole, lean = exported(moving, {}), exported(moving, vectors._LEAN)
    assert len(whole) >= 11 and all(map(np.array_equal, whole, lean)) and len(whole) == len(lean)


def test_on_real_clips(fight_surv: Path, real_clips: Path) -> None:
    for path in (sorted(fight_surv.glob("fight/*.mp4"))[0], real_clips / "mmaction2_test.avi"):
        whole, lean = exported(path, {}), exported(path, vectors._LEAN)
        assert all(map(np.array_equal, whole, lean)) and len(whole) == len(lean)
        with open_video(path) as video:
            seconds = [second for second, _ in video.stream(short_px=16)]
        found = dict(vector_stream(path, short_px=16))
        assert list(found) == seconds
        some = seconds[5::16]
        assert (motion_vectors(path, some, short_px=16) == np.stack([found[s] for s in some])).all()


def test_variable_rates(tmp_path: Path) -> None:
    """Motion of a frame of average length, whatever the length of this one."""
    ticks = [0, 10, 30, 35, 50, 60]
    path = write_moving(tmp_path / "a.mp4", count=6, step=(4, 0), fps=100, ticks=ticks)
    average = 100 * probe(path).duration_s / 6
    seconds, fields = zip(*vector_stream(path, accumulate=False), strict=True)
    np.testing.assert_allclose(seconds, np.array(ticks) / 100, atol=1e-6)
    expected = 4 * average / np.diff(ticks)
    np.testing.assert_allclose([middle(field)[0] for field in fields[1:]], expected, rtol=0.1)
    np.testing.assert_allclose(motion(path), [[4 * k, 0] for k in range(6)], rtol=1e-5)


def test_what_an_edit_list_cuts_off(tmp_path: Path) -> None:
    whole = write_moving(tmp_path / "whole.mp4", count=24, b_frames=3, step=(1, 0))
    cut = remux(whole, tmp_path / "cut.mp4", shift=-5 * 1024, container={"movflags": "use_metadata_tags"})
    with open_video(cut) as video:
        shown = [second for second, _ in video.stream()]
    seconds, fields = zip(*vector_stream(cut), strict=True)
    assert list(seconds) == shown
    moved = [middle(field)[0] for field in fields]
    assert moved[-6:] == [6, 7, 8, 9, 10, 11] and all(0 <= m <= 11 for m in moved)


@pytest.mark.parametrize(
    "name, codec", [("a.mp4", "libx265"), ("a.webm", "libvpx-vp9"), ("a.avi", "mjpeg"), ("b.mp4", "libsvtav1")]
)
def test_codecs_without_vectors(tmp_path: Path, name: str, codec: str) -> None:
    how = {"pix_fmt": "yuvj420p"} if codec == "mjpeg" else {}
    path = write_numbered(tmp_path / name, codec=codec, count=4, **how)
    assert not has_vectors(path)
    kind = {"libx265": "HEVC", "libvpx-vp9": "VP9", "libsvtav1": "AV1"}.get(codec, codec.upper())
    assert probe(path).codec == kind.lower()
    with pytest.raises(VideoError, match=f"is {kind} video, whose motion vectors cannot be read; .* `marey prepare`"):
        motion_vectors(path, [0.0])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_video_of_keyframes_alone(tmp_path: Path, name: str) -> None:
    path = write_moving(tmp_path / name, gop=1)
    assert not has_vectors(path) and has_vectors(write_moving(tmp_path / f"b-{name}"))
    with pytest.raises(VideoError, match=r"each of its frames is coded on its own; make .* with `marey prepare`"):
        next(vector_stream(path))


def test_damaged_frames_are_named(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4", count=30, size=(192, 128), gop=30)
    with av.open(str(path)) as container:
        at = [p.pos + p.size // 2 for p in container.demux(video=0) if p.size][10]
    data = bytearray(path.read_bytes())
    data[at : at + 20] = bytes(20)
    path.write_bytes(data)
    assert motion_vectors(path, [0.5]).any()
    with pytest.raises(VideoError, match=r"the frame at 2.000 s is damaged, or one that it is predicted from; copy or"):
        motion_vectors(path, [2.0])


@pytest.mark.parametrize("seconds", [[], [1.0, 0.5], [float("nan")], np.zeros((1, 1))])
def test_times_that_are_refused(tmp_path: Path, seconds: list[float]) -> None:
    with pytest.raises(ValueError, match="they must be at least one finite number, and sorted"):
        motion_vectors(tmp_path / "a.mp4", seconds)


def test_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(VideoError, match="is not a video that can be read"):
        has_vectors(tmp_path / "a.mp4")
