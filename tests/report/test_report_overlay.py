"""The overlay: frames, rate, sound and drawings where they belong; text in any script."""

from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import VideoError
from marey.report import draw_overlay, overlay, write_overlay
from marey.report.arrows import Motion, draw_motion, with_motion
from marey.report.lettering import PLAIN, blend, fit, font_for, lettering
from marey.report.overlay import _active
from marey.report.strip import BAND, COLOURS, MOST_LANES, TRACK, clock, lanes
from marey.results import Segment, Timeline
from marey.video import Video, VideoWriter, open_video, probe, read_audio

GREY = np.full((360, 480, 3), 128, np.uint8)


def film(path: Path, *, frames: int = 12, size: tuple[int, int] = (64, 48), audio_rate: int | None = None) -> Path:
    with VideoWriter(path, fps=Fraction(30000, 1001), size=size, audio_rate=audio_rate) as writer:
        for i in range(frames):
            writer.write(np.full((size[1], size[0], 3), 20 * i, np.uint8))
        if audio_rate:
            seconds = np.arange(round(frames / 29.97 * audio_rate)) / audio_rate
            writer.write_audio((0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32))
    return path


def timeline(*events: Segment, duration_s: float = 10.0, **scores: float) -> Timeline:
    return Timeline("a.mp4", duration_s, {}, scores, events)


def test_it_keeps_frames_rate_and_sound(tmp_path: Path) -> None:
    source, out, seen = film(tmp_path / "a.mp4", audio_rate=16_000), tmp_path / "out.mp4", []
    events = Segment(0.1, 0.3, "Ходьба — fällt", 0.8)
    write_overlay(source, timeline(events, duration_s=0.4), out, progress=lambda *step: seen.append(step))
    info = probe(out)
    assert (info.fps, info.frame_count, info.audio_rate) == (Fraction(30000, 1001), 12, 16_000)
    assert (info.width, min(info.width, info.height) >= 360) == (480, True), "small videos are enlarged"
    sound = read_audio(out, rate=16_000)
    assert np.abs(np.fft.rfft(sound)).argmax() * 16_000 / len(sound) == pytest.approx(440, abs=10)
    assert seen == [(i, 12) for i in range(1, 13)]
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.mp4", "out.mp4"]


def test_sound_that_cannot_be_decoded_becomes_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path, **_) -> np.ndarray:
        raise VideoError(path, "its sound cannot be decoded")

    monkeypatch.setattr("marey.video.soundtrack.read_audio", broken)
    out = tmp_path / "out.mp4"
    write_overlay(film(tmp_path / "a.mp4", audio_rate=16_000), timeline(), out)
    assert (probe(out).frame_count, probe(out).audio_rate) == (12, 16_000)
    assert np.abs(read_audio(out)).max() < 1e-3


def test_the_picture_is_that_of_its_time(tmp_path: Path) -> None:
    source, out = film(tmp_path / "a.mp4"), tmp_path / "out.mp4"
    write_overlay(source, timeline(duration_s=0.4), out)
    with open_video(out) as video:
        levels = [float(frame[300:350, 200:280].mean()) for _, frame in video.stream()]
    assert levels == pytest.approx([20 * i for i in range(12)], abs=6)


def test_odd_sizes_are_made_even(tmp_path: Path) -> None:
    source, out = film(tmp_path / "a.mp4", size=(366, 362), frames=2), tmp_path / "out.mp4"
    write_overlay(source, timeline(), out)
    assert (probe(out).width % 2, probe(out).height % 2) == (0, 0)
    assert draw_overlay(np.zeros((361, 363, 3), np.uint8), timeline(), 0.0).shape[1] == 364


def moving(path: Path, *, pictures: int = 6, copies: int = 1) -> Path:
    """Noise that moves by 6 pixels to the right a picture, in 240 x 160, at 30 frames a second."""
    ground = np.random.default_rng(0).normal(size=(160, 300))
    grey = np.clip(128 + 400 * cv2.GaussianBlur(ground, (0, 0), 4), 0, 255).astype(np.uint8)
    with VideoWriter(path, fps=30, size=(240, 160)) as writer:
        for i in range(pictures):
            for _ in range(copies):
                writer.write(np.repeat(grey[:, 40 - 6 * i :][:, :240, None], 3, -1))
    return path


def test_arrows_show_where_things_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, drawn = [], []
    stream, draw = Video.stream, overlay.draw_motion
    monkeypatch.setattr(Video, "stream", lambda *a, **k: (read.append(0) or pair for pair in stream(*a, **k)))
    monkeypatch.setattr(overlay, "draw_motion", lambda *a, **k: drawn.append((len(read), a[1])) or draw(*a, **k))
    source, films = moving(tmp_path / "a.mp4"), {}
    for arrows in (False, True):
        write_overlay(source, timeline(duration_s=0.2), tmp_path / f"{arrows}.mp4", arrows=arrows)
        with open_video(tmp_path / f"{arrows}.mp4") as video:
            films[arrows] = [frame[:360].astype(int) for _, frame in video.stream()]
    assert len(films[True]) == len(films[False]) == 6
    yellow = [(abs(frame - (255, 214, 10)).sum(-1) < 120).sum() for frame in films[True]]
    assert min(yellow) > 200 and not any((abs(f - (255, 214, 10)).sum(-1) < 120).any() for f in films[False])
    assert [count - 12 for count, _ in drawn] == [2, 3, 4, 5, 6, 6], "frames are read once, one ahead"
    shift = np.median([motion.flow[20:-20, 20:-20].reshape(-1, 2) for _, motion in drawn[:-1]], axis=(0, 1))
    np.testing.assert_allclose(shift, [6 * 128 / 160, 0], atol=0.4)
    assert drawn[-1][1] is drawn[-2][1]


def test_copies_of_a_picture_move_as_it_does(tmp_path: Path) -> None:
    """Coded once more, they are nearly the same; what stays so for longer stands still."""
    with open_video(moving(tmp_path / "a.mp4", copies=2)) as video:
        moved = list(with_motion(video.stream()))
    assert [round(30 * second) for second, *_ in moved] == list(range(12))
    motions = [motion for *_, motion in moved if motion is not None]
    assert len(motions) == 12 and all(motion.step_s == pytest.approx(2 / 30) for motion in motions)
    assert all(one is other for one, other in zip(motions[::2], motions[1::2], strict=True))
    shift = [np.median(motion.flow[20:-20, 20:-20], axis=(0, 1)) for motion in motions]
    np.testing.assert_allclose(shift, [[6 * 128 / 160, 0]] * 12, atol=0.5)
    read = []
    still = with_motion((read.append(i) or (i / 30, GREY)) for i in range(100))
    assert [motion for *_, motion in islice(still, 20)] == [None] * 20 and len(read) == 25


def test_flow_that_is_known_leads_to_the_next_picture() -> None:
    frames = [(i / 10, np.full((48, 64, 3), grey, np.uint8)) for i, grey in enumerate((10, 10, 90, 90, 90, 10))]
    fields = [np.full((2, 3, 2), step, np.float32) for step in (0, 4, 0, 0, 5)]
    found = [(float(m.flow.mean()), round(m.step_s, 3)) for *_, m in with_motion(frames, fields) if m is not None]
    assert found == [(4, 0.2)] * 2 + [(5, 0.3)] * 4


def test_a_frame_alone_does_not_move() -> None:
    ((second, frame, motion),) = with_motion([(0.5, GREY)])
    assert (second, frame is GREY, motion) == (0.5, True, None)
    assert list(with_motion([])) == []


def test_arrows_reach_as_far_as_things_go_but_not_to_the_next() -> None:
    for step_s, long_px in ((0.2, 6), (0.1, 12), (0.01, 18)):
        flow = np.zeros((64, 64, 2), np.float32)
        flow[:20, :20, 0] = 6
        picture = draw_motion(np.zeros((64, 64, 3), np.uint8), Motion(flow, step_s), text_px=10)
        columns = (picture[:, :, 0] > 128).nonzero()[1]
        assert np.ptp(columns) == pytest.approx(long_px, abs=2)


def test_what_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"a\.mp4: "):
        write_overlay(tmp_path / "a.mp4", timeline(), tmp_path / "out.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_the_label_is_there_only_while_it_holds() -> None:
    event = timeline(Segment(2.0, 4.0, "walk", 0.9))
    before, during, after = (draw_overlay(GREY, event, second)[:360] for second in (1.9, 2.0, 4.0))
    assert (before == 128).all() and (after == 128).all()
    assert (during[:60, :100] != 128).any() and (during[100:] == 128).all()


def test_a_clip_without_events_shows_its_answer_and_a_long_video_none() -> None:
    assert (draw_overlay(GREY, timeline(duration_s=3600.0, walk=0.7), 0.0)[:360] == 128).all()
    assert (draw_overlay(GREY, timeline(walk=0.7, run=0.3), 0.0)[:60, :100] != 128).any()
    assert (draw_overlay(GREY, timeline(), 0.0)[:360] == 128).all()


def test_the_strip_shows_each_event_in_its_place_and_colour() -> None:
    picture = draw_overlay(GREY, timeline(Segment(0.0, 5.0, "a", 1.0), Segment(6.0, 10.0, "b", 1.0)), 5.5)
    strip = picture[-14]
    pixels = [tuple(strip[8 + round(second / 10 * 464)].tolist()) for second in (2.5, 5.2, 8.0)]
    assert pixels == [COLOURS[0], TRACK, COLOURS[1]]
    assert tuple(picture[-1, 0].tolist()) == BAND


def test_the_playhead_moves_from_end_to_end() -> None:
    places = []
    for second in (0.0, 5.0, 10.0, 99.0):
        strip = draw_overlay(GREY, timeline(), second)[-14].astype(int)
        places.append(int(np.abs(strip - TRACK).sum(1)[8:473].argmax()) + 8)
    assert places == sorted(places) and places[0] <= 9 and places[1] == pytest.approx(240, abs=2)
    assert places[2] == places[3] >= 470


@pytest.mark.parametrize("labels", [1, 3, 30])
def test_many_long_labels_do_not_break_the_drawing(labels: int) -> None:
    events = [Segment(float(i), i + 5.0, f"{i} a label without any end to it, so it seems", 0.5) for i in range(labels)]
    picture = draw_overlay(GREY, timeline(*events, duration_s=40.0), 4.0)
    assert picture.shape[:2] > (360, 480) and picture.shape[1] == 480


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=30))
def test_events_of_a_lane_overlap_only_when_lanes_run_out(spans: list[tuple[int, int]]) -> None:
    events = sorted((Segment(float(a), float(a + n), "x", 1.0) for a, n in spans), key=lambda e: (e.start_s, e.end_s))
    for lane in range(MOST_LANES - 1):
        mine = [event for at, event in lanes(events) if at == lane]
        assert all(a.end_s <= b.start_s for a, b in pairwise(mine))
    assert all(lane < MOST_LANES for lane, _ in lanes(events))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.floats(0, 1)), max_size=20))
def test_active_events_are_those_that_hold_surest_first(spans: list[tuple[int, int, float]]) -> None:
    events = timeline(*(Segment(float(a), float(a + n), f"{i}", s) for i, (a, n, s) in enumerate(spans))).events
    at = _active(events)
    for second in np.arange(0.0, 30.0, 0.5).tolist():
        now = at(second)
        assert {e.label for e in now} == {e.label for e in events if e.start_s <= second < e.end_s}
        assert [e.score for e in now] == sorted((e.score for e in now), reverse=True)


def test_clocks() -> None:
    assert clock(0.66, 2.0) == "0.7 / 2.0 s"
    assert clock(61.9, 3725.0) == "1:01 / 1:02:05"


def test_lettering_of_any_script_has_ink() -> None:
    assert font_for("walk, fällt, Ходьба") == str(PLAIN)
    for text in ("walk", "fällt", "Ходьба", "日本語"):
        assert lettering(text, 20).max() > 0.5
    assert not np.array_equal(lettering("ä", 20), lettering("a", 20))


def test_a_script_that_the_plain_font_lacks_takes_another_font(monkeypatch: pytest.MonkeyPatch) -> None:
    from marey.report import lettering as module

    class Entry:
        fname, style = "/fonts/other.ttf", "normal"

    monkeypatch.setattr(module.fontManager, "ttflist", [Entry()])
    has = {str(PLAIN): frozenset(b"abc"), "/fonts/other.ttf": frozenset(map(ord, "a語"))}
    monkeypatch.setattr(module, "_glyphs", has.get)
    assert module.font_for.__wrapped__("語") == "/fonts/other.ttf"
    assert module.font_for.__wrapped__("abc") == str(PLAIN)


def test_long_text_is_cut_to_fit() -> None:
    assert fit("walk", 20, 500) == "walk"
    cut = fit("a very long label indeed", 20, 100)
    assert cut.endswith("…") and lettering(cut, 20).shape[1] <= 101
    assert fit("walk", 20, 1) == "…"


def test_blending_is_cut_at_the_edges() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    blend(frame, np.ones((3, 3), np.float32), (-1, -1), (10, 20, 30))
    assert (frame[:2, :2] == (10, 20, 30)).all() and frame.sum() == 4 * 60
    blend(frame, np.ones((3, 3), np.float32), (9, 9), (10, 20, 30))
    assert frame.sum() == 4 * 60
