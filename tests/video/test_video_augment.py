from dataclasses import replace

import pytest
import torch
from torch import Tensor

from marey.video import Augmentation, augment
from marey.video.augment import jitter_colour, random_crop, random_flip, resample_time
from marey.video.clip import CHANNELS, Modality

STILL = Augmentation.none()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(clips: int = 4, frames: int = 10, height: int = 24, width: int = 32) -> Tensor:
    shape = (clips, frames, height, width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded(9))


def test_a_seed_settles_everything() -> None:
    once, again, other = (
        augment(noise(), Augmentation(), frames=8, side_px=16, generator=seeded(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(once[0], again[0]) and torch.equal(once[1], again[1])
    assert not torch.equal(once[0], other[0])
    assert once[0].shape == (4, 8, 16, 16, 3) and once[0].dtype == torch.uint8
    torch.manual_seed(3)
    drawn = augment(noise(), Augmentation(), frames=8, side_px=16)[0]
    torch.manual_seed(3)
    assert torch.equal(drawn, augment(noise(), Augmentation(), frames=8, side_px=16)[0])


def test_without_strength_nothing_changes() -> None:
    video = noise(height=24, width=24)
    same, flipped = augment(video, STILL, frames=10, side_px=24)
    assert torch.equal(same, video) and not flipped.any()


def test_all_frames_of_a_clip_are_treated_alike() -> None:
    still = noise(frames=1).expand(-1, 10, -1, -1, -1)
    video, _ = augment(still, Augmentation(), frames=8, side_px=16, generator=seeded())
    assert (video == video[:, :1]).all()
    alike = noise(clips=1).expand(6, -1, -1, -1, -1)
    video, _ = augment(alike, Augmentation(), frames=8, side_px=16, generator=seeded())
    assert len({clip.numpy().tobytes() for clip in video}) == 6  # and clips differently


def test_flips_are_told_and_vetoed() -> None:
    video, may = noise(clips=64), torch.arange(64) % 2 == 0
    out, flipped = random_flip(video, probability=0.5, may_flip=may, generator=seeded())
    assert not flipped[~may].any() and 8 < flipped.sum() < 24
    assert torch.equal(out[flipped], video[flipped].flip(3)) and torch.equal(out[~flipped], video[~flipped])
    assert random_flip(video, probability=1.0)[1].all() and not random_flip(video, probability=0.0)[1].any()


def counting(clips: int, frames: int) -> Tensor:
    """Frames whose grey level is their index."""
    return torch.arange(frames, dtype=torch.uint8).view(1, -1, 1, 1, 1).expand(clips, frames, 2, 2, 3)


@pytest.mark.parametrize("given, taken", [(8, 8), (10, 8), (16, 8), (20, 16), (3, 8), (1, 1)])
def test_time_runs_forward_inside_the_clip(given: int, taken: int) -> None:
    index = resample_time(counting(200, given), taken, speed=1.25, shift=1.0, generator=seeded())[:, :, 0, 0, 0].int()
    assert index.shape == (200, taken)
    assert (index.diff() >= 0).all() and index.max() < given
    if given > taken:
        assert index.min() == 0 and index.max() == given - 1  # every frame has its chance


def test_speed_and_shift() -> None:
    index = resample_time(counting(300, 10), 8, speed=1.25, shift=0.0, generator=seeded())[:, :, 0, 0, 0].int()
    assert set((index[:, -1] - index[:, 0]).tolist()) == {5, 7, 9}  # about the middle, so both ends move
    centred = resample_time(counting(5, 16), 8, speed=1.0, shift=0.0)[:, :, 0, 0, 0]
    assert (centred == torch.arange(1, 16, 2)).all()  # every second of twice as many
    shifted = resample_time(counting(300, 12), 8, speed=1.0, shift=1.0, generator=seeded())[:, :, 0, 0, 0].int()
    assert set(shifted[:, 0].tolist()) == {0, 1, 2, 3, 4}
    assert (shifted.diff() == 1).all()


def test_crops_are_squares_of_the_clip() -> None:
    rows, columns = torch.arange(24).view(-1, 1).expand(24, 32), torch.arange(32).view(1, -1).expand(24, 32)
    where = torch.stack([rows, columns, torch.zeros(24, 32)], -1).to(torch.uint8).expand(100, 2, 24, 32, 3)
    out = random_crop(where, 12, scale=(0.5, 0.5), generator=seeded())
    tops, lefts = out[:, 0, 0, 0, 0].int(), out[:, 0, 0, 0, 1].int()
    assert torch.equal(
        out[:, 0, :, :, 0].int(), tops.view(-1, 1, 1) + torch.arange(12).view(1, -1, 1).expand(100, 12, 12)
    )
    assert (tops.min(), tops.max(), lefts.min(), lefts.max()) == (0, 12, 0, 20)
    spans = random_crop(where, 12, scale=(0.5, 1.0), generator=seeded())[:, 0, :, 0, 0].int()
    widths = spans[:, -1] - spans[:, 0]
    assert widths.min() >= 10 and widths.max() > 18


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colour_is_what_it_says(name: str) -> None:
    strengths = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, name: 0.5}
    video = 96 + noise() // 4
    out = jitter_colour(video, **strengths, generator=seeded())
    draws = [torch.rand(4, generator=g) for g in [seeded()] for _ in range(3)]
    factor = (0.5 + draws[list(strengths).index(name)]).view(-1, 1, 1, 1, 1)
    grey = (video.float() @ torch.tensor([0.299, 0.587, 0.114]))[..., None]
    about = {
        "brightness": 0.0,
        "contrast": grey[:, :, ::4, ::4].mean(dim=(1, 2, 3, 4), keepdim=True),
        "saturation": grey,
    }
    expected = (factor * video + (1 - factor) * about[name]).clamp(0, 255)
    assert (out - expected).abs().max() <= 0.51
    assert jitter_colour(video, brightness=0.0, contrast=0.0, saturation=0.0) is video


def test_grey_stays_grey() -> None:
    grey = noise()[..., :1].expand(-1, -1, -1, -1, 3)
    out = jitter_colour(grey, brightness=0.4, contrast=0.4, saturation=0.4, generator=seeded()).int()
    assert (out - out[..., :1]).abs().max() <= 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scale": (0.0, 1.0)}, "scale is .*; it must be"),
        ({"scale": (0.9, 0.5)}, "least, most"),
        ({"flip": 1.5}, r"flip is 1.5; it must lie in 0..1"),
        ({"saturation": -0.1}, r"saturation is -0.1; it must lie in 0..1"),
        ({"speed": 0.5}, r"speed is 0.5; it must be 1"),
    ],
)
def test_strengths_check_themselves(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Augmentation(), **change)


def test_the_random_state_of_others_is_left_alone() -> None:
    before = torch.get_rng_state()
    augment(noise(), Augmentation(), frames=8, side_px=16, generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.gpu
def test_on_a_gpu_the_same_is_drawn() -> None:
    here = augment(noise(), Augmentation(), frames=8, side_px=16, generator=seeded())
    there = augment(noise().cuda(), Augmentation(), frames=8, side_px=16, generator=seeded())
    assert torch.equal(here[1], there[1].cpu())
    assert (here[0].int() - there[0].cpu().int()).abs().max() <= 2


@pytest.mark.parametrize(
    "modality, right",
    [
        ("flow", {0}),
        ("rgb+flow", {3}),
        ("vectors", {0}),
        ("vectors+residual", {0}),
        ("vectors+residual+flow", {0, 5}),
    ],
)
def test_a_mirror_turns_motion_round(modality: Modality, right: set[int]) -> None:
    video = torch.randint(1, 256, (2, 3, 8, 8, CHANNELS[modality]), dtype=torch.uint8, generator=seeded(1))
    mirrored, flipped = augment(video, replace(STILL, flip=1.0), frames=3, side_px=8, modality=modality)
    assert flipped.all()
    for channel in range(CHANNELS[modality]):
        turned = 256 - video[..., channel].int() if channel in right else video[..., channel].int()
        assert torch.equal(mirrored[..., channel].int(), turned.flip(3))


def test_colour_changes_rgb_and_no_motion() -> None:
    video = torch.randint(1, 256, (2, 3, 8, 8, 5), dtype=torch.uint8, generator=seeded(1))
    strong = replace(STILL, brightness=0.9)
    changed = augment(video, strong, frames=3, side_px=8, modality="rgb+flow", generator=seeded())[0]
    assert torch.equal(changed[..., 3:], video[..., 3:]) and not torch.equal(changed[..., :3], video[..., :3])
    assert torch.equal(augment(video, strong, frames=3, side_px=8, modality="vectors+residual")[0], video)


def test_sound_is_moved_in_time_and_nothing_else() -> None:
    video = torch.randint(0, 256, (2, 1, 16, 16, 1), dtype=torch.uint8, generator=seeded(1))
    heard, flipped = augment(video, Augmentation(), frames=1, side_px=16, modality="sound")
    assert torch.equal(heard, video) and not flipped.any()
