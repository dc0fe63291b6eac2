import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.video import bytes_to_flow, flow_to_bytes
from marey.video.vector_blocks import Blocks, Vectors, carried_on, cells, that_matter, velocities

EXPORTED = np.dtype(  # AVMotionVector of FFmpeg's libavutil/motion_vector.h
    [
        ("source", "i4"),
        ("w", "u1"),
        ("h", "u1"),
        ("src", "i2", 2),
        ("dst_x", "i2"),
        ("dst_y", "i2"),
        ("flags", "u8"),
        ("motion_x", "i4"),
        ("motion_y", "i4"),
        ("motion_scale", "u2"),
    ],
    align=True,
)
WIDTH, HEIGHT = 40, 24  # 3 x 2 macroblocks, not all of which are seen whole


def some_vectors(seed: int, *, future: bool) -> np.ndarray:
    """Every macroblock is whole, split in halves or in quarters, each with vectors to one side, both or none."""
    rng, rows = np.random.default_rng(seed), []
    for top in (0, 16):
        for left in (0, 16, 32):
            w, h = rng.choice([8, 16]), rng.choice([8, 16])
            for y in range(top, top + 16, h):
                for x in range(left, left + 16, w):
                    for source in (-1, 1) if future else (-1,):
                        if rng.random() < 0.8:
                            motion = rng.integers(-90, 91, 2) * rng.integers(0, 2)
                            rows.append((source, w, h, (0, 0), x + w // 2, y + h // 2, 0, *motion, 4))
    rng.shuffle(rows)
    return np.array(rows, EXPORTED)


def by_hand(found: np.ndarray, past_frames: float, future_frames: float) -> np.ndarray:
    """One pixel at a time: what the vector of the block that it lies in says, the past before the future."""
    field = np.zeros((32, 48, 2), np.float32)
    for source, frames in ((1, future_frames), (-1, -past_frames)):
        for each in found[found["source"] == source]:
            x, y, w, h = (int(each[name]) for name in ("dst_x", "dst_y", "w", "h"))
            speed = np.array([each["motion_x"], each["motion_y"]]) / 4 / frames
            field[y - h // 2 : y + h // 2, x - w // 2 : x + w // 2] = speed
    return field[::8, ::8]


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 2.0, 0.5]), st.sampled_from([1.0, 3.0]))
@settings(max_examples=25, deadline=None)
def test_cells_have_the_motion_of_their_block(seed: int, past: float, ahead: float) -> None:
    frames = [some_vectors(seed, future=True), some_vectors(seed + 1, future=False), np.zeros(0, EXPORTED)]
    distances = [(past, ahead), (ahead, 1.0), (1.0, 1.0)]
    given_frames = [Vectors(that_matter(f.tobytes()), *d) for f, d in zip(frames, distances, strict=True)]
    found = velocities(given_frames, cells(WIDTH, HEIGHT))
    expected = np.stack([by_hand(f, *d) for f, d in zip(frames, distances, strict=True)])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for frame, alone in zip(given_frames, expected, strict=True):
        np.testing.assert_allclose(velocities([frame], cells(WIDTH, HEIGHT))[0], alone, rtol=1e-6)


def test_blocks_that_are_cut_off_do_not_show_up_elsewhere() -> None:
    found = some_vectors(3, future=True)
    whole = velocities([Vectors(that_matter(found.tobytes()), 1.0, 1.0)], (4, 6))[0]
    assert (velocities([Vectors(that_matter(found.tobytes()), 1.0, 1.0)], (2, 4))[0] == whole[:2, :4]).all()


def test_no_vectors_are_no_motion() -> None:
    assert not velocities([Vectors(that_matter(b""), 1.0, 1.0)] * 2, (2, 4)).any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_motion_is_carried_on_from_where_a_cell_came_from(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved, before = rng.uniform(-30, 30, (2, 5, 7, 2)).astype(np.float32)
    moved[rng.random((5, 7)) < 0.4] = 0
    expected = np.empty_like(moved)
    for y in range(5):
        for x in range(7):
            right, down = moved[y, x]
            from_x, from_y = (8 * x + 4 - right) // 8, (8 * y + 4 - down) // 8
            expected[y, x] = moved[y, x] + before[int(np.clip(from_y, 0, 4)), int(np.clip(from_x, 0, 6))]
    found = carried_on(moved, before)
    assert np.isclose(found, expected, atol=1e-4).all(-1).mean() > 0.97  # OpenCV rounds places to 1/32 of a cell


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("size", [(40, 24), (80, 48), (13, 7)])
def test_bytes_are_those_of_the_pixels(turn: int, size: tuple[int, int]) -> None:
    motion = np.random.default_rng(0).uniform(-30, 30, (4, 6, 2)).astype(np.float32)
    blocks = Blocks(motion, (WIDTH, HEIGHT), turn)
    shown = size if turn % 180 == 0 else size[::-1]
    pixels, data = blocks.pixels(shown), blocks.bytes(shown)
    assert pixels.shape == data.shape == (shown[1], shown[0], 2)
    assert (flow_to_bytes(pixels) == data).all()
    assert np.abs(bytes_to_flow(data) - pixels.clip(-20, 20)).max() < 0.08


def test_pixels_are_those_of_the_cell_that_they_lie_in() -> None:
    motion = np.arange(48, dtype=np.float32).reshape(4, 6, 2)
    pixels = Blocks(motion, (WIDTH, HEIGHT), 0).pixels((WIDTH, HEIGHT))
    assert (pixels == motion.repeat(8, 0).repeat(8, 1)[:HEIGHT, :WIDTH]).all()
    halved = Blocks(motion, (WIDTH, HEIGHT), 0).pixels((20, 12))
    assert (halved == motion.repeat(4, 0).repeat(4, 1)[:12, :20] / 2).all()
