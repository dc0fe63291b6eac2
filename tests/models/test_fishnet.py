import re

import pytest
import torch

from marey.models import FishNet
from marey.models.fishnet import AddChannels
from marey.presets import count, find_preset, layer_table

PUBLISHED = {
    "fishnet99": (16_628_904, 4.2637),
    "fishnet150": (24_959_400, 6.3978),
    "fishnet201": (44_584_552, 10.5144),
}
STAGES = {  # channels and side at 224 px; of the body and the head, after the transfer has been joined
    "stem": (64, 112),
    "tail1": (128, 28),
    "tail2": (256, 14),
    "tail3": (512, 7),
    "bridge": (512, 7),
    "body1": (768, 14),
    "body2": (512, 28),
    "body3": (320, 56),
    "head1": (832, 28),
    "head2": (1600, 14),
    "head3": (2112, 7),
    "top": (1056, 7),
}


def tiny() -> FishNet:
    return FishNet(depths=(1, 1, 1, 1, 1, 1, 1, 1, 1, 1), transfers=(1, 1, 1, 1, 1, 1), width=16).eval()


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name: str) -> None:
    params, gmacs = PUBLISHED[name]
    cost = count(find_preset(name))
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, abs=5e-5)


@pytest.mark.parametrize("name, tensors", [("fishnet99", 599), ("fishnet150", 905), ("fishnet201", 1211)])
def test_checkpoints_hold_as_many_tensors(name: str, tensors: int) -> None:
    with torch.device("meta"):
        assert len(find_preset(name).build(num_classes=1000).state_dict()) == tensors


@pytest.mark.parametrize("name", PUBLISHED)
def test_stages_have_the_published_sizes(name: str) -> None:
    with torch.device("meta"):
        encoder = find_preset(name).build(num_classes=2).eval().get_submodule("encoder")
        assert isinstance(encoder, FishNet)
        maps = encoder.stages(torch.empty(1, 3, 224, 224))
    assert {key: tuple(x.shape[1:]) for key, x in maps.items()} == {k: (c, s, s) for k, (c, s) in STAGES.items()}


def test_features_are_the_richest_map_of_each_size() -> None:
    encoder, images = tiny(), torch.randn(1, 3, 64, 64)
    maps = encoder(images)
    assert list(maps) == ["stem", "body3", "head1", "head2", "head3", "top"]
    assert [x.shape[-1] for x in maps.values()] == [32, 16, 8, 4, 2, 2]
    assert all(torch.equal(x, encoder.stages(images)[name]) for name, x in maps.items())


def test_narrowing_adds_neighbouring_channels() -> None:
    x = torch.arange(1.0, 7).reshape(1, 6, 1, 1)
    assert AddChannels(2)(x).flatten().tolist() == [3, 7, 11]
    assert AddChannels(3)(x).flatten().tolist() == [6, 15]


def test_shallow_gradients_reach_the_top_without_a_convolution() -> None:
    """With every block's body at zero, a transferred map comes through to the head unchanged: the paper's claim."""
    encoder, images = tiny(), torch.randn(1, 3, 64, 64)
    for block in encoder.modules():
        if (body := getattr(block, "body", None)) is not None and hasattr(block, "shortcut"):
            torch.nn.init.zeros_(body.conv3.conv.weight)
    maps = encoder.stages(images)
    half = maps["body3"].shape[1] - encoder.body[2].transfer[0].body.conv1.conv.in_channels  # pyright: ignore
    stem = encoder.pool(maps["stem"])
    assert torch.equal(maps["body3"][:, half:], stem)
    assert torch.equal(maps["head1"][:, half : half + 16], torch.nn.functional.max_pool2d(stem, 2))


def test_body_is_dilated_twice_as_much_each_stage_up() -> None:
    kinds = [row.kind for row in layer_table(find_preset("fishnet99")) if row.name.startswith("encoder.body.")]
    assert [k for k in kinds if "3x3" in k and "dilation" in k] == ["conv 3x3, dilation 2x2", "conv 3x3, dilation 4x4"]


def test_what_comes_after_the_bridge_sees_the_whole_image() -> None:
    """Its attention is a mean over the image; what is transferred past it is not."""
    rows = {row.name: row for row in layer_table(find_preset("fishnet99"))}
    assert rows["encoder.bridge.blocks.1.body.conv3.conv"].jump == (1, 32, 32)
    assert rows["encoder.body.2.transfer.0.body.conv3.conv"].field == (1, 23, 23)  # 3, 7, 11, the pooling 15, its 3 x 3
    assert min(rows["encoder.body.2.resize"].field[1:]) >= 224


@pytest.mark.parametrize("h, w", [(64, 80), (33, 32)])
def test_sides_that_do_not_divide_are_refused(h: int, w: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"image is {h} x {w} pixels; sides must be multiples of 32")):
        tiny()(torch.zeros(1, 3, h, w))
