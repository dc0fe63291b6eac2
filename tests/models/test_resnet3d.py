import pytest
import torch
from torch import nn

from marey.presets import count, find_preset


def test_r2plus1d_34_has_the_inner_widths_of_the_papers_code() -> None:
    """The paper gives 152 G for 32 frames of 112 px; torchvision's rule for the inner widths makes less of it."""
    preset = find_preset("r2plus1d_34")
    cost = count(preset)
    assert (cost.params, cost.gmacs) == (63_697_175, pytest.approx(152.36, abs=5e-3))
    with torch.device("meta"):
        torchvision = count(preset.builder("torchvision")(num_classes=400), preset.clip)
    assert (torchvision.params, torchvision.gmacs) == (61_831_661, pytest.approx(150.40, abs=5e-3))


def test_each_convolution_has_its_own_inner_width_and_vmz_epsilon() -> None:
    with torch.device("meta"):
        model = find_preset("r2plus1d_34").build(num_classes=400)
    halves = [model.get_submodule(f"stages.stage2.0.body.conv{i}.conv.space") for i in (1, 2)]
    assert [half.out_channels for half in halves] == [230, 288]
    assert {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm3d)} == {1e-3}


@pytest.mark.parametrize("frames", [8, 16, 32])
def test_r2plus1d_34_takes_the_clips_of_its_releases(frames: int) -> None:
    with torch.device("meta"):
        model = find_preset("r2plus1d_34").build(num_classes=7).eval()
        assert model(torch.empty(1, 3, frames, 112, 112)).shape == (1, 7)
