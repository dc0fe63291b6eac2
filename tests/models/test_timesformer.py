from functools import partial

import pytest
import torch
from torch import nn

from marey.models import TimeSformer
from marey.presets import PRESETS, count

small = partial(TimeSformer, num_classes=5, dim=24, depth=4, heads=3, patch=4, frames=3, side=8)


@pytest.mark.parametrize(
    "variant, params, gmacs",
    [(None, 121_566_352, 195.83), ("joint", 86_112_400, 179.56), ("space", 86_106_256, 140.51)],
    ids=["divided", "joint", "space"],
)
def test_costs_are_the_published_ones(variant: str | None, params: int, gmacs: float) -> None:
    preset = PRESETS["timesformer_b"]
    with torch.device("meta"):
        cost = count(preset.builder(variant)(num_classes=400), preset.clip)
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, rel=1e-4)


def test_at_first_only_the_first_block_looks_along_time() -> None:
    model = small()
    weights = [block.get_submodule("time_fc").get_parameter("weight").abs().sum() for block in model.blocks]
    assert weights[0] > 0
    assert sum(weights[1:]) == 0
    assert small(zero_init=False).blocks[3].get_submodule("time_fc").get_parameter("weight").abs().sum() > 0


@pytest.mark.parametrize("attention, notices", [("divided", True), ("joint", True), ("space", False)])
def test_the_order_of_frames_matters_unless_they_are_by_themselves(attention: str, notices: bool) -> None:
    model = small(attention=attention, zero_init=False).eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    video = torch.randn(1, 3, 3, 8, 8)
    assert ((model(video) - model(video.flip(2))).abs().max().item() > 1e-4) == notices


def test_frames_by_themselves_are_images_whose_tokens_are_averaged() -> None:
    model, video = small(attention="space").eval(), torch.randn(2, 3, 3, 8, 8)
    blocks = model.blocks
    first = torch.stack([model._tokens(model._patches(frame)) for frame in video.split(1, 2)])
    for block in blocks:
        first = torch.stack([block(x) for x in first])
    torch.testing.assert_close(model.encode(video), model.norm(first[:, :, 0].mean(0)))


@pytest.mark.parametrize("attention", ["divided", "joint", "space"])
def test_feature_maps_hold_space_and_time(attention: str) -> None:
    model = small(attention=attention).eval()
    video = torch.randn(2, 3, 3, 8, 12)
    maps = model.features(video)
    assert list(maps) == ["patches", "block1", "block2", "block3", "block4"]
    assert {tuple(x.shape) for x in maps.values()} == {(2, 24, 3, 2, 3)}
    if attention == "space":
        torch.testing.assert_close(maps["block4"][:, :, 1:2], model.features(video[:, :, 1:2])["block4"])


def test_clips_of_other_lengths_and_sizes_are_taken() -> None:
    assert small()(torch.randn(1, 3, 5, 12, 8)).shape == (1, 5)


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="attention is 'axial'; TimeSformer knows divided, joint, space"):
        small(attention="axial")
    with pytest.raises(ValueError, match="video is 10 x 8 pixels; both sides must divide by the 4 pixels of a patch"):
        small()(torch.randn(1, 3, 3, 10, 8))
