"""Copies of a film are found, other films of the same place are not."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from marey.data import near_duplicates
from marey.data.duplicates import connected, same_bytes
from marey.data.signatures import Signature, alike, cells, describe, motion_likeness, signature
from marey.video import VideoWriter, open_video

FPS, SECONDS, HEIGHT, WIDTH = 16, 2, 48, 64


def film(seed: int, *, camera: int = 0, seconds: float = SECONDS, amount: float = 90.0) -> np.ndarray:
    """uint8 (t, h, w, 3): two soft blobs on smooth random ways before the still picture of a camera."""
    scene = np.kron(np.random.default_rng(camera).uniform(40, 160, (6, 8)), np.ones((8, 8)))
    rng = np.random.default_rng((seed, 1))
    t, (y, x) = np.arange(int(seconds * FPS)) / FPS, np.mgrid[:HEIGHT, :WIDTH]
    grey = np.repeat(scene[None], len(t), axis=0)
    for _ in range(2):
        at = [size * (0.5 + 0.35 * np.sin(rng.uniform(0.5, 2.5) * t + rng.uniform(0, 6.3))) for size in (HEIGHT, WIDTH)]
        far = (y - at[0][:, None, None]) ** 2 + (x - at[1][:, None, None]) ** 2
        grey = grey + amount * np.exp(-far / 40)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)


def write(path: Path, frames: np.ndarray, *, fps: int = FPS, crf: int = 23) -> str:
    with VideoWriter(path, fps=fps, size=(frames.shape[2], frames.shape[1]), crf=crf) as writer:
        for frame in frames:
            writer.write(np.ascontiguousarray(frame))
    return str(path)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Four films of one camera, one of another, and copies of the first."""
    folder, first = tmp_path_factory.mktemp("films"), film(0)
    made = {f"film{i}": write(folder / f"film{i}.mp4", film(i)) for i in range(4)}
    made["elsewhere"] = write(folder / "elsewhere.mp4", film(0, camera=1))
    made["coarse"] = write(folder / "coarse.mp4", first, crf=36)
    made["small"] = write(folder / "small.mp4", first[:, ::2, ::2])
    made["mirrored"] = write(folder / "mirrored.mp4", first[:, :, ::-1])
    made["trimmed"] = write(folder / "trimmed.mp4", first[5:])
    made["slow"] = write(folder / "slow.mp4", first[::2], fps=FPS // 2)
    made["bright"] = write(folder / "bright.mp4", (first * 1.1 + 12).clip(0, 255).astype(np.uint8))
    return made


def test_copies_are_found_and_other_moments_are_not(films: dict[str, str]) -> None:
    seen = []
    found = near_duplicates(films.values(), progress=lambda done, total: seen.append((done, total)))
    copies = ("film0", "coarse", "small", "mirrored", "trimmed", "slow", "bright")
    assert found.near == (tuple(films[name] for name in copies),)
    assert not found.exact
    assert not found.unreadable
    assert seen == [(i + 1, len(films)) for i in range(len(films))]


def test_the_same_bytes_are_found_without_decoding(films: dict[str, str], tmp_path: Path) -> None:
    twin = str(shutil.copy(films["film1"], tmp_path / "twin.mp4"))
    broken = [str(tmp_path / "broken1.mp4"), str(tmp_path / "broken2.mp4")]
    for path in broken:
        Path(path).write_bytes(b"not a video")
    paths = [films["film1"], films["film2"], twin, *broken]
    found = near_duplicates(paths, pixels=False)
    assert found.exact == found.near == ((films["film1"], twin), tuple(broken))
    found = near_duplicates(paths)
    assert found.near == ((films["film1"], twin), tuple(broken))
    assert list(found.unreadable) == broken[:1]
    assert same_bytes([str(tmp_path / "gone.mp4")]) == ()


def test_two_actors_who_do_the_same_are_told_apart_by_their_colours(tmp_path: Path) -> None:
    tints = np.array([[1.0, 0.7, 0.5], [0.6, 0.75, 1.0]])
    paths = [write(tmp_path / f"{i}.mp4", (film(0) * tint).astype(np.uint8)) for i, tint in enumerate(tints)]
    signatures = []
    for path in paths:
        with open_video(path) as video:
            signatures.append(signature(video))
    assert len(alike(signatures)) == 1
    assert near_duplicates(paths).near == ()


def test_still_films_need_the_same_picture(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a.mp4", film(0, amount=0)),
        write(tmp_path / "b.mp4", film(0, amount=0), crf=30),
        write(tmp_path / "c.mp4", film(0, amount=0, camera=1)),
    ]
    assert near_duplicates(paths).near == ((paths[0], paths[1]),)


def test_nothing_to_compare() -> None:
    assert near_duplicates([]).near == ()
    assert alike([]) == []


def test_long_films_are_looked_at_in_few_frames(tmp_path: Path) -> None:
    long = film(5, seconds=9)
    paths = [write(tmp_path / "long.mp4", long), write(tmp_path / "part.mp4", long[24:124])]
    assert near_duplicates(paths).near == (tuple(paths),)


def test_cells_are_exact_areas() -> None:
    picture = np.zeros((1, 3, 5), dtype=np.uint8)
    picture[0, :, 2] = 200
    np.testing.assert_allclose(cells(picture, 2), np.full((1, 2, 2), 40.0), rtol=1e-5)
    assert cells(picture, 12).mean() == pytest.approx(40.0, rel=1e-5)


def random_signature(rng: np.random.Generator, length: int) -> Signature:
    return describe(rng.normal(100, 30, (length, 144)).astype(np.float32), 0.125)


def test_motion_likeness_finds_the_shift() -> None:
    rng = np.random.default_rng(0)
    grey = rng.normal(100, 30, (40, 144)).astype(np.float32)
    whole = describe(grey, 0.125)
    others = [describe(grey[9:33], 0.125), random_signature(rng, 17), describe(grey[::2], 0.25)]
    likeness, shift_s = motion_likeness(whole, others)
    assert likeness[0] > 0.9
    assert likeness[2] > 0.9
    assert likeness[1] < 0.5
    assert shift_s[[0, 2]].tolist() == [9 * 0.125, 0.0]
    back, back_s = motion_likeness(others[0], [whole])
    assert back[0] == pytest.approx(likeness[0], abs=1e-5)
    assert back_s[0] == -9 * 0.125


def test_groups_are_connected_components() -> None:
    pairs = [("a", "b"), ("d", "c"), ("b", "e")]
    assert connected(pairs, order="abcdef") == (("a", "b", "e"), ("c", "d"))


def test_real_clips_of_one_camera_are_told_apart(fight_surv: Path) -> None:
    paths = [str(fight_surv / "noFight" / f"nofi{i:03d}.mp4") for i in (23, 24, 25, 26)]
    assert near_duplicates(paths).near == ()
