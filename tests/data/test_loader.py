"""Samples to batches: what is decoded, in which order, and what happens to files that cannot be read."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.data import (
    FrameStore,
    Quarantine,
    Sample,
    TrainingBatches,
    canvas_frames,
    cut,
    cut_views,
    read_canvas,
    read_grid,
    read_views,
    square,
    view_batches,
)
from marey.errors import DataError, VideoError
from marey.video import ClipSpec, VideoWriter, open_video

SPEC = ClipSpec(frames=4, stride=2, side_px=16, short_px=16, mean=(0.5,) * 3, std=(0.5,) * 3)
UNIFORM = ClipSpec(frames=4, stride=1, side_px=16, short_px=16, mean=(0.5,) * 3, std=(0.5,) * 3, sampling="uniform")


def write(path: Path, *, frames: int = 30, size: tuple[int, int] = (48, 32)) -> str:
    """A film whose brightness says which frame it is: 8 * index."""
    with VideoWriter(path, fps=Fraction(10), size=size, crf=10) as writer:
        for index in range(frames):
            writer.write(np.full((size[1], size[0], 3), 8 * index, np.uint8))
    return str(path)


def indices(frames: np.ndarray) -> list[int]:
    """Which frames these are."""
    return np.round(frames.reshape(len(frames), -1).mean(1) / 8).astype(int).tolist()


@pytest.fixture
def film(tmp_path: Path) -> Sample:
    return Sample(write(tmp_path / "a.mp4"), {"label": ("a",)})


def test_views_are_the_right_frames_and_each_is_decoded_once(film: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    views = read_views(film, SPEC, views=3, crop_count=1)
    assert views.shape == (3, 4, 16, 16, 3)
    assert [indices(view) for view in views] == [[0, 2, 4, 6], [11, 13, 15, 17], [23, 25, 27, 29]]
    with open_video(film.path) as video:
        asked: list[float] = []
        ask = video.frames_at
        monkeypatch.setattr(video, "frames_at", lambda seconds, **how: asked.extend(seconds) or ask(seconds, **how))
        cut_views(video, np.array([[0.0, 0.2, 0.4], [0.2, 0.4, 0.6]]), SPEC, crop_count=3)
        assert asked == [0.0, 0.2, 0.4, 0.6]


def test_three_crops_of_every_view_lie_side_by_side(film: Sample) -> None:
    views = read_views(film, SPEC, views=2, crop_count=3)
    assert views.shape == (6, 4, 16, 16, 3)
    assert [indices(view)[0] for view in views] == [0, 0, 0, 23, 23, 23]


def test_whole_frames_keep_their_shape(film: Sample) -> None:
    whole = ClipSpec(frames=4, stride=2, side_px=16, short_px=16, mean=(0.5,) * 3, std=(0.5,) * 3, whole=True)
    assert read_views(film, whole, views=2, crop_count=3).shape == (2, 4, 16, 24, 3)


def test_squashed_frames_lose_their_shape_but_nothing_of_the_picture(tmp_path: Path) -> None:
    frame = np.zeros((32, 64, 3), np.uint8)
    frame[:, :16] = frame[:, -16:] = 250  # outside of a centre crop
    with VideoWriter(tmp_path / "a.mp4", fps=Fraction(10), size=(64, 32), crf=10) as writer:
        for _ in range(10):
            writer.write(frame)
    film = Sample(str(tmp_path / "a.mp4"), {"label": ("a",)})
    squashed = replace(SPEC, squash=True)
    (view,) = read_views(film, squashed)
    assert view.shape == (4, 16, 16, 3)
    assert view[:, :, :3].min() > 200 and view[:, :, 6:10].max() < 50 and view[:, :, -3:].min() > 200
    assert read_views(film, SPEC).max() < 100
    assert read_grid(film, squashed).shape[1:] == read_canvas(film, squashed, offset=0.5).shape[1:] == (16, 16, 3)


def test_a_span_stays_inside_itself(film: Sample) -> None:
    part = Sample(film.path, film.labels, start_s=1.0, end_s=1.5)
    assert set(indices(read_views(part, SPEC)[0])) <= set(range(10, 15))
    assert indices(read_grid(part, SPEC)) == [10, 12, 14]


def test_a_span_behind_the_end_is_the_videos_fault(film: Sample) -> None:
    with pytest.raises(VideoError, match="the span starts at 9 s but the video lasts 3 s"):
        read_views(Sample(film.path, film.labels, start_s=9.0, end_s=10.0), SPEC)


def test_canvases_leave_room_for_jitter(film: Sample) -> None:
    assert canvas_frames(SPEC) == 5 and canvas_frames(UNIFORM) == 8
    assert indices(read_canvas(film, SPEC, offset=0.0)) == [0, 2, 4, 6, 8]
    assert indices(read_canvas(film, SPEC, offset=1.0)) == [20, 22, 24, 26, 28]
    assert len(read_canvas(film, UNIFORM, offset=0.3)) == 8


def test_cut_places_runs_and_repeats_the_last_step_of_a_short_grid() -> None:
    assert cut(10, 4, 0.0).tolist() == [0, 1, 2, 3]
    assert cut(10, 4, 1.0).tolist() == [6, 7, 8, 9]
    assert cut(2, 4, 0.7).tolist() == [0, 1, 1, 1]


def test_square_is_cut_along_the_long_side() -> None:
    frames = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    assert np.array_equal(square(frames, 0.0), frames[:, :, :4])
    assert np.array_equal(square(frames, 1.0), frames[:, :, 2:])


def batches_of(samples: list[Sample], *, store: FrameStore | None, workers: int = 0, limit: int = 3) -> TrainingBatches:
    return TrainingBatches(
        samples=samples,
        spec=SPEC,
        batch_size=2,
        order=lambda epoch: np.random.default_rng(epoch).permutation(len(samples)).tolist(),
        quarantine=Quarantine(total=len(samples), limit=limit),
        workers=workers,
        store=store,
    )


def test_frames_in_memory_and_frames_from_workers_make_the_same_batches(tmp_path: Path) -> None:
    samples = [Sample(write(tmp_path / f"{n}.mp4", frames=20 + n), {}) for n in range(3)]
    store = FrameStore(samples=samples, spec=SPEC)
    assert store.fill(Quarantine(total=3), budget_bytes=10**9, workers=2)
    for epoch in (0, 1):
        held, fresh = (list(batches_of(samples, store=s, workers=w)(epoch)) for s, w in ((store, 0), (None, 2)))
        assert [b["index"].tolist() for b in held] == [b["index"].tolist() for b in fresh]
        for one, other in zip(held, fresh, strict=True):
            assert torch.equal(one["video"], other["video"])
    first, second = (torch.cat([b["video"] for b in batches_of(samples, store=store)(e)]) for e in (0, 1))
    assert not torch.equal(first, second)


def test_a_store_that_would_not_fit_keeps_nothing(film: Sample) -> None:
    store = FrameStore(samples=[film, film], spec=SPEC)
    assert not store.fill(Quarantine(total=2), budget_bytes=1000, workers=1)
    assert not store.grids


def test_bad_files_are_set_aside_named_and_never_replaced(tmp_path: Path, film: Sample) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    samples = [film, Sample(str(tmp_path / "bad.mp4"), {}), film]
    batches = batches_of(samples, store=None)
    found = torch.cat([batch["index"] for batch in batches(0)])
    assert sorted(found.tolist()) == [0, 2]
    assert list(batches.quarantine.reasons) == [str(tmp_path / "bad.mp4")]


def test_a_link_to_nothing_is_set_aside(tmp_path: Path, film: Sample) -> None:
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    batches = batches_of([film, Sample(str(tmp_path / "link.mp4"), {})], store=None)
    assert [batch["index"].tolist() for batch in batches(0)] == [[0]]
    assert list(batches.quarantine.reasons) == [str(tmp_path / "link.mp4")]


def test_one_bad_file_of_one() -> None:
    with pytest.raises(DataError, match=r"1 of 1 video cannot be read, more than the 0 allowed \(a.mp4: gone\)"):
        Quarantine(total=1, limit=0).add(VideoError("a.mp4", "gone"))


def test_too_many_bad_files_stop_the_run(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.mp4").write_bytes(b"no video")
    samples = [Sample(str(tmp_path / f"{n}.mp4"), {}) for n in range(3)]
    with pytest.raises(DataError, match=r"3 of 3 videos cannot be read, more than the 2 allowed .*raise --max-bad"):
        list(batches_of(samples, store=None, limit=2)(0))


def test_test_clips_come_in_order_and_shapes_do_not_mix(tmp_path: Path) -> None:
    sizes = [(48, 32), (48, 32), (64, 32)]
    samples = [Sample(write(tmp_path / f"{n}.mp4", size=size), {}) for n, size in enumerate(sizes)]
    whole = ClipSpec(frames=2, stride=2, side_px=16, short_px=16, mean=(0.5,) * 3, std=(0.5,) * 3, whole=True)
    found = list(view_batches(samples, whole, Quarantine(total=3), views=1, crop_count=1, clips_per_batch=8, workers=0))
    assert [batch["index"].tolist() for batch in found] == [[0, 1], [2]]
    assert [tuple(batch["video"].shape) for batch in found] == [(2, 1, 2, 16, 24, 3), (1, 1, 2, 16, 32, 3)]
