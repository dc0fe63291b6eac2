"""What probe, verify and open_video say of good and bad files."""

import os
import pickle
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import numbers, picture, write_numbered

from marey.errors import VideoError
from marey.video import open_video, probe, verify


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probe")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    return write_numbered(folder / "plain.mp4", options={"bf": "3"}, sound_s=2.0)


@pytest.fixture(scope="module")
def index_first(folder: Path) -> Path:
    return write_numbered(folder / "index_first.mp4", options={"bf": "3"}, container={"movflags": "+faststart"})


def refused(path: Path | str, reason: str) -> None:
    """By everything that opens a file, with the same reason, and in one sentence."""
    for use in (probe, verify, open_video):
        with pytest.raises(VideoError, match=reason) as caught:
            use(path)
        assert caught.value.path == str(path) and caught.value.reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_facts(plain: Path) -> None:
    info = probe(plain)
    assert (info.width, info.height, info.fps, info.rotation) == (96, 64, 30, 0)
    assert (info.codec, info.audio_rate, info.variable_rate, info.frame_count) == ("h264", 16_000, False, 60)
    assert info.duration_s == 2.0 and "mp4" in info.container and info.path == str(plain)
    assert isinstance(info.fps, Fraction)
    assert probe(plain, exact=True) == info == verify(plain)
    with open_video(str(plain)) as video:
        assert video.info == info
    assert pickle.loads(pickle.dumps(info)) == info


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.mpg", "a.avi", "a.mp4", "a.h264"])
def test_exact_facts_agree_with_the_header(name: str, folder: Path) -> None:
    kind = {"a.mpg": {"codec": "mpeg2video"}, "a.mp4": {"container": {"movflags": "+frag_keyframe+empty_moov"}}}
    path = write_numbered(folder / name, **kind.get(name, {}), options={"bf": "2"})
    info, exact = probe(path), probe(path, exact=True)
    assert exact.frame_count == 60 and info.frame_count in (None, 60)
    assert info.duration_s == pytest.approx(2.0, abs=2e-3) == exact.duration_s
    assert info.fps == exact.fps == 30 and not info.variable_rate and not exact.variable_rate
    verify(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.wmv", "a.ts", "a.mpg", "a.mp4", "a.flv", "fragments.mp4"])
def test_a_start_at_five_seconds_is_no_lie(name: str, folder: Path) -> None:
    kind = {"webm": {"codec": "libvpx"}, "wmv": {"codec": "wmv2"}, "mpg": {"codec": "mpeg2video"}}.get(name[2:], {})
    fragments = {"movflags": "+frag_keyframe+empty_moov+default_base_moof"} if name == "fragments.mp4" else None
    ticks = [150 + n for n in range(60)]
    path = write_numbered(folder / f"five_{name}", ticks=ticks, container=fragments, **kind)
    assert verify(path).duration_s == probe(path).duration_s == pytest.approx(2.0, abs=0.05)
    with open_video(path) as video:
        assert numbers(video.frames_at([0.0, 1.0, 1.95]).frames) == [0, 30, 58]


def test_another_stream_that_is_longer_is_no_lie(folder: Path) -> None:
    """Matroska has one duration for all: here that of a second camera."""
    path = folder / "cameras.mkv"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("mpeg4", rate=30) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for stream, count in zip(streams, (30, 90), strict=True):
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    assert verify(path).duration_s == pytest.approx(1.0, abs=2e-3)


def test_later_fragments_alone(folder: Path) -> None:
    """As players keep them of a stream: the head, and what came after two seconds."""
    movflags = {"movflags": "+frag_keyframe+empty_moov+default_base_moof"}
    data = write_numbered(folder / "stream.mp4", count=120, gop=30, container=movflags).read_bytes()
    boxes = [at - 4 for at in range(len(data)) if data[at : at + 4] == b"moof"]
    path = folder / "later.mp4"
    path.write_bytes(data[: boxes[0]] + data[boxes[2] :])
    assert verify(path).duration_s == probe(path).duration_s == pytest.approx(2.0, abs=1e-3)


def test_frames_of_an_avi_that_show_nothing_new_are_no_lie(folder: Path) -> None:
    """Capture programs leave out a frame by a chunk of no bytes; the header counts it."""
    path = write_numbered(folder / "dropped.avi", codec="mpeg4", count=20, ticks=[*range(10), *range(100, 110)])
    assert probe(path).frame_count == 110 and verify(path).frame_count == 20
    assert verify(path).duration_s == probe(path).duration_s == pytest.approx(110 / 30)
    with open_video(path) as video:
        assert numbers(video.frames_at([0.0, 0.31, 2.0, 3.34, 3.6]).frames) == [0, 9, 9, 10, 18]


TICKS = {
    "slow end": [0, 1, 2, 3, 4, 5, 10, 20, 30, 45],
    "fast end": [0, 15, 30, 45, 46, 47, 48],
    "gap": [*range(20), 60],
}


@pytest.mark.parametrize("reordered", ["0", "2"])
@pytest.mark.parametrize("ticks", TICKS.values(), ids=TICKS)
def test_the_last_frame_of_a_variable_rate_is_within_the_duration(
    ticks: list[int], reordered: str, folder: Path
) -> None:
    """The header of an MP4 file with reordered frames adds up the times of decoding."""
    path = folder / f"variable{len(ticks)}{reordered}.mp4"
    write_numbered(path, count=len(ticks), ticks=ticks, options={"bf": reordered})
    info, exact = probe(path), probe(path, exact=True)
    assert ticks[-1] / 30 < info.duration_s < ticks[-1] / 30 + 0.5
    assert info == exact == verify(path) and info.variable_rate
    assert float(info.fps) == pytest.approx(len(ticks) / info.duration_s, rel=1e-3)
    with open_video(path) as video:
        assert video.info == info
        assert [round(30 * second) for second, _ in video.stream()] == ticks
        assert numbers(video.frames_at([info.duration_s]).frames) == [len(ticks) - 1]


def test_missing_empty_and_folders(tmp_path: Path) -> None:
    refused(tmp_path / "absent.mp4", "there is no such file; check the path")
    refused(tmp_path, "is a folder, not a video file; name a file in it")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", r"is empty \(0 bytes\); make or copy it again")
    refused("https://example.org/a.mp4", "there is no such file")
    refused(str(tmp_path / "absent.tar") + "::a.mp4", "there is no such file")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable(plain: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(plain.read_bytes())
    secret.chmod(0)
    refused(secret, "cannot be opened .*; check its permissions")


def test_a_link_to_nothing(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    refused(tmp_path / "link.mp4", r"is a link to .*gone\.mp4, which is not there; mend the link")
    (tmp_path / "gone.mp4").write_bytes(plain.read_bytes())
    assert probe(tmp_path / "link.mp4").frame_count == 60


def test_what_is_no_video(tmp_path: Path) -> None:
    for name, content in {
        "text.mp4": b"hello",
        "text.txt": b"hello\n" * 200,
        "bytes.avi": bytes(range(256)) * 40,
        "zeros.mkv": bytes(4000),
    }.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, r"is not a video")


def test_pictures_and_sound_are_no_video(tmp_path: Path) -> None:
    for name, codec, pix_fmt in (("a.png", "png", "rgb24"), ("a.jpg", "mjpeg", "yuvj420p")):
        with av.open(str(tmp_path / name), "w", format="image2") as out:
            stream = out.add_stream(codec, rate=1)
            stream.width, stream.height, stream.pix_fmt = 32, 32, pix_fmt
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
            out.mux(stream.encode(None))
        refused(tmp_path / name, "is not a video but a picture, a text or a playlist")
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    refused(tmp_path / "a.wav", "holds no video, only sound or other data")


def test_a_playlist_cannot_reach_other_files(plain: Path, tmp_path: Path) -> None:
    for name, text in {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{plain}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{plain}'\n",
    }.items():
        (tmp_path / name).write_text(text)
        refused(tmp_path / name, "is not a video")


def test_zero_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "none.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.open()
        out.start_encoding()
    refused(tmp_path / "none.mp4", "no frame that can be decoded|holds no video|is not a video")


def test_frames_that_are_all_broken(plain: Path, tmp_path: Path) -> None:
    data = bytearray(plain.read_bytes())
    start, end = media_data(data)
    data[start:end] = bytes(end - start)
    (tmp_path / "hollow.mp4").write_bytes(data)
    refused(tmp_path / "hollow.mp4", "has no frame that can be decoded")


def media_data(data: bytes) -> tuple[int, int]:
    """Where the frames of an MP4 file lie."""
    start = data.index(b"mdat")
    return start + 4, start - 4 + struct.unpack(">I", data[start - 4 : start])[0]


def test_truncated_mp4(plain: Path, index_first: Path, tmp_path: Path) -> None:
    whole = plain.read_bytes()
    for part in (0.1, 0.5, 0.8):  # its index is at the end
        (tmp_path / "cut.mp4").write_bytes(whole[: int(part * len(whole))])
        refused(tmp_path / "cut.mp4", r"is truncated: the index of this MP4 file \(its moov box\) is missing or broken")
    whole = index_first.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(0.7 * len(whole))])
    refused(tmp_path / "cut.mp4", r"is truncated: of the frames that its index lists it holds \d\d of 60")


@pytest.mark.parametrize("name", ["cut.mkv", "cut.avi", "cut.mp4"])
def test_a_recording_that_breaks_off(name: str, folder: Path, tmp_path: Path) -> None:
    """It can be used as far as it goes, and verify says that there should be more."""
    kind = {"cut.mp4": {"container": {"movflags": "+frag_keyframe+empty_moov"}}}.get(name, {})
    whole = write_numbered(folder / f"whole_{name}", options={"bf": "0"}, **kind)
    with av.open(str(whole)) as container:
        break_off = [p.pos + p.size for p in container.demux(video=0) if p.size][40]
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[:break_off])
    info = probe(path)
    assert 0.5 < info.duration_s < 1.8
    assert probe(path, exact=True).duration_s == pytest.approx(info.duration_s, abs=0.05)
    with open_video(path) as video:
        stream = list(video.stream())
        assert numbers(np.stack([frame for _, frame in stream])) == list(range(len(stream)))
        assert len(stream) > 15
        assert numbers(video.frames_at([100.0]).frames) == [len(stream) - 1]
    if name != "cut.mp4":  # whose header, written first, claims nothing
        with pytest.raises(VideoError, match=r"its header claims .* copy or encode it again"):
            verify(path)


def test_a_header_that_claims_too_much(tmp_path: Path) -> None:
    """10 s are claimed where there are 2: the packets are believed."""
    for start_s in (0, 5):
        ticks = [30 * start_s + n for n in range(60)]
        data = write_numbered(tmp_path / "honest.mkv", options={"bf": "0"}, ticks=ticks).read_bytes()
        at = data.index(b"\x44\x89\x88") + 3  # Matroska's Duration: a double of milliseconds
        path = tmp_path / f"liar{start_s}.mkv"
        path.write_bytes(data[:at] + struct.pack(">d", 10_000.0 + 1000 * start_s) + data[at + 8 :])
        refuses_the_lie(path)


def refuses_the_lie(path: Path) -> None:
    assert probe(path).duration_s == pytest.approx(2.0, abs=1e-3)
    assert probe(path, exact=True).duration_s == pytest.approx(2.0, abs=1e-3)
    with pytest.raises(VideoError, match=r"its header claims 10.00 s, but its packets end at 2.00 s; copy or encode"):
        verify(path)
    with open_video(path) as video:
        assert numbers(video.frames_at([1.0, 1.95, 2.5, 9.0]).frames) == [30, 58, 59, 59]


def test_an_mp4_header_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(write_numbered(tmp_path / "honest.mp4", options={"bf": "0"}).read_bytes())
    for box, place in ((b"mvhd", 16), (b"tkhd", 24), (b"mdhd", 16)):
        start = data.index(box) + place
        data[start + 4 : start + 8] = struct.pack(">I", 10_000_000)
    path = tmp_path / "liar.mp4"
    path.write_bytes(data)
    assert probe(path).duration_s == verify(path).duration_s == 2.0


def test_damage_is_never_hidden(tmp_path: Path) -> None:
    """Of each frame of a damaged file: either the right one is shown or it is refused."""
    path = write_numbered(tmp_path / "whole.mp4", options={"bf": "2", "x264-params": "nal-hrd=none"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size, p.is_keyframe) for p in container.demux(video=0) if p.size]
    keys = [k for k, (_, _, key) in enumerate(packets) if key]
    for victim in (keys[1], keys[2] + 4):  # a keyframe, and a frame in the middle of a group
        pos, size, _ = packets[victim]
        data[pos + 5 : pos + size] = bytes(size - 5)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    outcome = {}
    with open_video(damaged) as video:
        for number in [*range(60), *range(59, -1, -7)]:
            try:
                outcome[number] = numbers(video.frames_at([number / 30]).frames) == [number]
            except VideoError as error:
                assert "is damaged, or one that it is predicted from; copy or encode the file again" in str(error)
                outcome[number] = None
    assert all(whole for whole in outcome.values() if whole is not None)
    refused_ones = sorted(number for number, whole in outcome.items() if whole is None)
    assert set(range(16, 30)) <= set(refused_ones)  # the whole group of the keyframe
    assert not set(refused_ones) & {*range(13), *range(45, 60)}
    with open_video(damaged) as video, pytest.raises(VideoError, match=r"the frame at 0\.\d+ s is damaged"):
        list(video.stream())


def test_the_first_frames_are_missing(tmp_path: Path) -> None:
    """A recording that was cut in the middle of a group starts with its first keyframe."""
    data = write_numbered(tmp_path / "whole.ts", options={"bf": "0"}).read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(data[188 * 12 :])
    with open_video(path) as video:
        shown = numbers(np.stack([frame for _, frame in video.stream()]))
        assert shown == list(range(shown[0], 60)) and shown[0] % 15 == 0
        assert numbers(video.frames_at([0.0]).frames) == shown[:1]


def test_every_real_video_is_whole(fight_surv: Path, real_clips: Path) -> None:
    for path in [*sorted(real_clips.iterdir()), *sorted(fight_surv.glob("*/*.mp4"))[::5]]:
        info = verify(path)
        assert info.duration_s == pytest.approx(probe(path).duration_s, abs=0.1)
        assert info.frame_count
