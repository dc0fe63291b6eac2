"""What every preset promises, tried on all of them at miniature size, each miniature once."""

import pytest
import torch
from kinds import ALL, KINDS
from torch import Tensor
from torch.nn import functional as F

from marey.models import VideoModel
from marey.presets import PRESETS, Preset
from marey.presets.blank import blank

CLASSES = 7


@pytest.fixture(params=KINDS)
def preset(request: pytest.FixtureRequest) -> Preset:
    return request.param


@pytest.fixture
def model(preset: Preset) -> VideoModel:
    return preset.mini.build(num_classes=CLASSES)


def clips(
    preset: Preset, count: int, *, frames: int | None = None, side: int | None = None, channels: int | None = None
) -> Tensor:
    mini = preset.mini
    side = mini.side_px if side is None else side
    channels = preset.clip.channels if channels is None else channels
    return torch.randn(count, channels, mini.frames if frames is None else frames, side, side)


def pixels(preset: Preset, side: int) -> tuple[int, ...]:
    """The axes that logits have besides clips and classes: those of an image where the preset is dense."""
    return (side, side) if preset.dense else ()


def test_logits_have_a_row_a_clip_and_a_column_a_class(preset: Preset, model: VideoModel) -> None:
    for mode in (True, False):
        logits = model.train(mode)(clips(preset, 2))
        assert logits.shape == (2, CLASSES, *pixels(preset, preset.mini.side_px))
        assert logits.isfinite().all()


def test_every_parameter_gets_a_gradient(preset: Preset, model: VideoModel) -> None:
    logits = model(clips(preset, 4))
    F.cross_entropy(logits.mean((2, 3)) if preset.dense else logits, torch.tensor([0, 2, 3, 6])).backward()
    learns = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    may_not = {name for name, _ in model.named_parameters() if name.startswith("encoder.")} if preset.frozen else set()
    assert {name for name, _ in model.named_parameters()} - learns == may_not | set(preset.dead_keys)


def test_evaluation_is_repeatable(preset: Preset, model: VideoModel) -> None:
    video = clips(preset, 2)
    model.eval()
    assert torch.equal(model(video), model(video))


def test_a_batch_gives_what_its_clips_give(preset: Preset, model: VideoModel) -> None:
    video = clips(preset, 3)
    model.eval()
    torch.testing.assert_close(model(video), torch.cat([model(one) for one in video.split(1)]), atol=1e-5, rtol=1e-5)


def test_forward_classifies_what_encode_gives(preset: Preset, model: VideoModel) -> None:
    video = clips(preset, 2)
    model.eval()
    encoded = model.encode(video)
    assert encoded.ndim in ((5,) if preset.dense else (2, 3))
    assert torch.equal(model.classify(encoded), model(video))


def test_another_instance_with_the_same_state_agrees(preset: Preset, model: VideoModel) -> None:
    model(clips(preset, 2))  # moves running statistics away from where they begin
    other = preset.mini.build(num_classes=CLASSES)
    other.load_state_dict(model.state_dict(), strict=True)
    video = clips(preset, 2)
    assert torch.equal(model.eval()(video), other.eval()(video))


def test_features_are_named_maps_from_shallow_to_deep(preset: Preset, model: VideoModel) -> None:
    maps = model.eval().features(clips(preset, 2))
    assert maps
    sizes = [tuple(x.shape[2:]) for x in maps.values()]
    assert all(x.ndim == 5 and x.shape[0] == 2 for x in maps.values())
    assert sizes == sorted(sizes, reverse=True)


def test_frozen_is_what_the_preset_says(preset: Preset, model: VideoModel) -> None:
    assert model.frozen == preset.frozen
    model.train()
    if preset.frozen:
        before = {name: x.clone() for name, x in model.state_dict().items() if name.startswith("encoder.")}
        model(clips(preset, 2))
        assert all(torch.equal(x, model.state_dict()[name]) for name, x in before.items())
        assert not any(module.training for module in model.get_submodule("encoder").modules())


def test_too_few_frames_are_refused_with_both_numbers(preset: Preset, model: VideoModel) -> None:
    few = model.min_frames - 1
    with pytest.raises(ValueError, match=rf"video has {few} frames; .* {model.min_frames}"):
        model(clips(preset, 1, frames=few))


def test_wrong_channels_are_refused_with_both_numbers(preset: Preset, model: VideoModel) -> None:
    takes = preset.clip.channels
    with pytest.raises(ValueError, match=f"video has {takes - 1} channels; this network takes {takes}"):
        model(clips(preset, 1, channels=takes - 1))


def test_a_small_side_is_refused_with_both_numbers(preset: Preset, model: VideoModel) -> None:
    small = model.min_side - 1
    with pytest.raises(ValueError, match=rf"video is {small} x {small} pixels; .* {model.min_side}"):
        model(clips(preset, 1, side=small))


@pytest.mark.slow  # what presets cost, in test_listing.py, runs them at real size too
@pytest.mark.parametrize("preset", ALL, indirect=True)
def test_the_real_size_runs_on_the_meta_device(preset: Preset) -> None:
    clip, model = preset.clip, blank(preset.build, classes=preset.classes).eval()
    with torch.device("meta"):
        video = torch.empty(2, clip.channels, clip.frames, clip.side_px, clip.side_px)
    assert model(video).shape == (2, preset.classes, *pixels(preset, clip.side_px))


@pytest.mark.parametrize("preset", [p for p in PRESETS.values() if p.dense], ids=lambda p: p.name, indirect=True)
@pytest.mark.parametrize("rows, columns", [(17, 40), (33, 24), (9, 9)])
def test_dense_answers_fit_any_size(preset: Preset, model: VideoModel, rows: int, columns: int) -> None:
    image = torch.randn(2, preset.clip.channels, rows, columns)
    model.eval()
    assert model(image).shape == (2, CLASSES, rows, columns)
    clip = torch.stack([image, image.flip(0)], dim=2)
    torch.testing.assert_close(model(clip)[0], (model(image)[0] + model(image)[1]) / 2)
