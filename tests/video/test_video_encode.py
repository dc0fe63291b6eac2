import tarfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import numbers, write_numbered

from marey.errors import VideoError
from marey.video import (
    has_vectors,
    motion_vectors,
    open_video,
    prepare_video,
    probe,
    read_audio,
    vector_stream,
    why_prepare,
)
from moving_video import write_moving, write_two_sizes


def kinds(path: Path) -> str:
    """The kinds of the frames, in the order in which they are shown."""
    with av.open(str(path)) as container:
        return "".join("?IPB"[frame.pict_type] for frame in container.decode(video=0))


@pytest.mark.parametrize("name, codec", [("a.mp4", "libx265"), ("a.webm", "libvpx-vp9"), ("a.avi", "mjpeg")])
def test_videos_without_vectors_get_some(tmp_path: Path, name: str, codec: str) -> None:
    how = {"pix_fmt": "yuvj420p"} if codec == "mjpeg" else {}
    path, out, told = write_numbered(tmp_path / name, codec=codec, count=45, **how), tmp_path / "out.mp4", []
    made = prepare_video(path, out, short_px=48, progress=lambda *done: told.append(done))
    assert (made.made, made.width, made.height, made.fps, made.frames) == ("encoded", 72, 48, 30, 45)
    assert made.bytes == out.stat().st_size and made.source_bytes == path.stat().st_size
    assert told == [(k + 1, 45) for k in range(45)]
    assert has_vectors(out) and len(list(vector_stream(out))) == 45
    assert why_prepare(out, short_px=48) is None
    with open_video(out) as video:
        assert numbers(np.stack([frame for _, frame in video.stream()])) == list(range(45))
    assert {each.name for each in tmp_path.iterdir()} == {name, "out.mp4"}


def test_vectors_of_what_is_prepared_are_true(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4", size=(192, 128), step=(4, 0), gop=1, count=40)
    for b_frames in (True, False):
        out = tmp_path / f"{b_frames}.mp4"
        prepare_video(path, out, short_px=64, b_frames=b_frames, crf=12)
        found = motion_vectors(out, np.arange(40) / 10, accumulate=False)[:, 16:-16, 16:-16, 0]
        moving = np.arange(40) % 10 != 0  # a keyframe a second
        np.testing.assert_allclose(np.median(found, (1, 2)), np.where(moving, 2, 0), atol=0.3)


@pytest.mark.parametrize("b_frames", [True, False])
def test_keyframes_and_b_frames(tmp_path: Path, b_frames: bool) -> None:
    path = write_moving(tmp_path / "a.mp4", gop=1, count=40)
    prepare_video(path, tmp_path / "out.mp4", gop_s=0.5, b_frames=b_frames)
    found = kinds(tmp_path / "out.mp4")
    assert all(found[k] == "I" for k in range(0, 40, 5)) and ("B" in found) == b_frames


def test_the_rate_is_constant(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mkv", codec="libx265", count=6, fps=10, ticks=[0, 1, 2, 5, 6, 9])
    made = prepare_video(path, tmp_path / "out.mp4", fps=10)
    info = probe(tmp_path / "out.mp4", exact=True)
    assert not info.variable_rate and info.fps == 10 and made.frames == info.frame_count == 10
    with open_video(tmp_path / "out.mp4") as video:
        frames = np.stack([frame for _, frame in video.stream()])
    assert numbers(frames) == [0, 1, 2, 2, 2, 3, 4, 4, 4, 5]
    prepare_video(path, tmp_path / "average.mp4")
    assert probe(tmp_path / "average.mp4").fps == pytest.approx(6, abs=0.7)
    prepare_video(path, tmp_path / "ntsc.mp4", fps=29.97)
    assert probe(tmp_path / "ntsc.mp4").fps == pytest.approx(29.97, abs=1e-4)
    assert probe(tmp_path / "ntsc.mp4").fps.denominator > 1 and isinstance(made.fps, Fraction)


def test_sound_is_kept(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", codec="libx265", sound_s=2.0)
    made = prepare_video(path, tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert info.audio_rate == 16_000 and made.duration_s == pytest.approx(2.0, abs=0.01)
    assert len(read_audio(tmp_path / "out.mp4")) == pytest.approx(32_000, abs=3000)


def test_turned_videos_are_turned_for_good(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4", rotation=90)
    prepare_video(path, tmp_path / "out.mp4", short_px=48)
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.rotation) == (48, 72, 0)


def test_what_is_fit_is_copied_and_what_is_there_is_kept(tmp_path: Path) -> None:
    path, out = write_moving(tmp_path / "a.mp4", gop=10), tmp_path / "out.mp4"
    assert prepare_video(path, out).made == "copied" and out.read_bytes() == path.read_bytes()
    assert prepare_video(path, out).made == "kept"
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        shard.add(path, "a.mp4")
    assert prepare_video(f"{tmp_path / 'shard.tar'}::a.mp4", tmp_path / "copy.mp4").made == "copied"
    assert (tmp_path / "copy.mp4").read_bytes() == path.read_bytes()
    made = prepare_video(path, out, short_px=32)
    assert made.made == "encoded" and prepare_video(path, out, short_px=32) == made._replace(made="kept", frames=None)
    assert prepare_video(path, out, short_px=32, crf=30).made == "encoded"
    write_moving(path, gop=10, step=(1, 0))  # another video of the same name
    assert prepare_video(path, out, short_px=32, crf=30).made == "encoded"
    out.write_text("broken")
    assert prepare_video(path, out, short_px=32, crf=30).made == "encoded"


def test_why_a_video_is_to_be_prepared(tmp_path: Path) -> None:
    fit = write_moving(tmp_path / "fit.mp4", gop=10)
    assert why_prepare(fit, short_px=64, b_frames=False) is None
    assert why_prepare(fit, short_px=32) == "its short side is 64 pixels"
    assert why_prepare(fit, short_px=64, gop_s=0.5) == "its keyframes are up to 1.0 s apart"
    both = write_moving(tmp_path / "b.mp4", gop=10, b_frames=2)
    assert why_prepare(both, short_px=64) is None
    assert why_prepare(both, short_px=64, b_frames=False) == "some of its frames are predicted from later ones"
    alone = write_moving(tmp_path / "i.mp4", gop=1)
    assert why_prepare(alone, short_px=64) == "each of its frames is coded on its own"
    varies = write_moving(tmp_path / "v.mp4", count=4, gop=2, ticks=[0, 1, 3, 8])
    assert why_prepare(varies, short_px=64) == "its rate varies"
    changes = write_two_sizes(tmp_path / "two.mp4")
    assert why_prepare(changes, short_px=64) == "its pictures are 96 x 64 and 192 x 64"
    mpeg4 = write_moving(tmp_path / "m.mp4", codec="mpeg4")
    assert why_prepare(mpeg4, short_px=64) == "it is mpeg4 video"


def test_a_video_of_several_sizes_becomes_one_of_one_size(tmp_path: Path) -> None:
    made = prepare_video(write_two_sizes(tmp_path / "two.mp4"), tmp_path / "out.mp4", short_px=64)
    assert (made.made, made.frames) == ("encoded", 20)
    fields = [field for _, field in vector_stream(made.path)]
    assert len(fields) == 20 and {field.shape for field in fields} == {(64, 96, 2)}


def test_one_frame_cannot_be_helped(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "one.mp4", count=1)
    with pytest.raises(
        VideoError, match=r"one\.mp4: has only one frame, so that no copy of it can have motion; leave it"
    ):
        prepare_video(path, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_nothing_is_left_of_what_fails(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4", gop=1, count=20, size=(192, 128))
    out = tmp_path / "out.mp4"

    def stop(done: int, _: int) -> None:
        assert not out.exists()
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_video(path, out, progress=stop)
    with pytest.raises(VideoError, match=r"cannot be written, for there is no folder .*none; make it first"):
        prepare_video(path, tmp_path / "none" / "out.mp4")
    with pytest.raises(VideoError, match="there is no such file"):
        prepare_video(tmp_path / "missing.mp4", out)
    assert [each.name for each in tmp_path.iterdir()] == ["a.mp4"]
