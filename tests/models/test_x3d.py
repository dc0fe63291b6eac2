from functools import partial

import pytest
import torch
from torch import nn

from marey.models import X3D
from marey.models.x3d import rounded, x3d_block
from marey.nn import SqueezeExcite
from marey.presets import count, find_preset

# name: PySlowFast's parameters, pytorchvideo's, GMACs
PUBLISHED = {
    "x3d_xs": (3_794_322, 3_794_274, 0.6053),
    "x3d_s": (3_794_322, 3_794_274, 1.9629),
    "x3d_m": (3_794_322, 3_794_274, 4.7325),
    "x3d_l": (6_153_432, 6_153_384, 18.3677),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name: str) -> None:
    params, fewer, gmacs = PUBLISHED[name]
    preset = find_preset(name)
    cost = count(preset)
    assert (cost.params, cost.gmacs) == (params, pytest.approx(gmacs, abs=5e-5))
    with torch.device("meta"):
        model = preset.builder("pytorchvideo")(num_classes=400)
    assert sum(p.numel() for p in model.parameters()) == fewer


@pytest.mark.parametrize("name, blocks", [("x3d_s", [3, 5, 11, 7]), ("x3d_l", [5, 10, 25, 15])])
def test_blocks_and_channels_are_those_of_the_release(name: str, blocks: list[int]) -> None:
    with torch.device("meta"):
        model = find_preset(name).build(num_classes=400)
    stages = list(model.get_submodule("stages").children())
    assert [len(list(stage.children())) for stage in stages] == blocks
    widths = [
        (conv.in_channels, conv.out_channels)
        for stage in stages
        for part in ("conv1", "conv3")
        if isinstance(conv := stage.get_submodule(f"1.body.{part}.conv"), nn.Conv3d)
    ]
    assert widths == [pair for n in (24, 48, 96, 192) for pair in ((n, n * 9 // 4), (n * 9 // 4, n))]


def test_every_second_block_is_gated_beginning_with_the_first() -> None:
    with torch.device("meta"):
        model = X3D(num_classes=5)
    for stage in model.stages.children():
        gated = [any(isinstance(m, SqueezeExcite) for m in block.modules()) for block in stage.children()]
        assert gated == [j % 2 == 0 for j in range(len(gated))]


@pytest.mark.parametrize("width, channels", [(1, 8), (13.5, 16), (27, 32), (24, 24), (20.3, 24), (17.7, 16)])
def test_widths_are_multiples_of_8_that_take_no_more_than_a_tenth_away(width: float, channels: int) -> None:
    assert rounded(width) == channels


def test_the_builds_differ_by_the_normalization_of_one_shortcut() -> None:
    with torch.device("meta"):
        names = [set(X3D(num_classes=5, shortcut_norm=norm).state_dict()) for norm in (True, False)]
    assert {name.rpartition(".")[0] for name in names[0] ^ names[1]} == {"stages.stage1.0.shortcut.norm"}


@pytest.mark.parametrize("c_out, stride", [(8, 1), (8, 2)])
def test_a_fresh_block_is_its_shortcut(c_out: int, stride: int) -> None:
    make = partial(x3d_block, 8, c_out, inner=18, stride=stride, excited=True, shortcut_norm=True)
    x = torch.randn(1, 8, 2, 6, 6)
    block = make(zero_init=True).eval()
    assert torch.equal(block(x), block.shortcut(x).relu())
    block = make(zero_init=False).eval()
    assert not torch.equal(block(x), block.shortcut(x).relu())


def test_any_size_from_the_least_is_taken() -> None:
    model = X3D(num_classes=5, width=0.5, depth=0.2, head_width=8).eval()
    assert model(torch.randn(1, 3, 3, 37, 50)).shape == (1, 5)
    with pytest.raises(ValueError, match="video is 37 x 31 pixels; this network needs sides of at least 32"):
        model(torch.zeros(1, 3, 3, 37, 31))
