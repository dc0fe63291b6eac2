from functools import partial

import pytest
import torch

from marey.models import VideoMAE
from marey.presets import PRESETS, count

small = partial(VideoMAE, num_classes=5, dim=24, depth=4, heads=3, patch=(2, 4), frames=4, side=8)


@pytest.mark.parametrize(
    "name, params, gmacs", [("videomae_s", 22_033_936, 56.878), ("videomae_b", 86_534_800, 180.345)]
)
def test_costs_are_the_published_ones(name: str, params: int, gmacs: float) -> None:
    cost = count(PRESETS[name])
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, abs=5e-4)


def test_positions_are_fixed_and_in_no_checkpoint() -> None:
    model = small()
    assert model.table.shape == (1, 2 * 2 * 2, 24)
    assert not any("table" in name for name in model.state_dict())
    with torch.no_grad():
        before = model.eval()(torch.zeros(1, 3, 4, 8, 8))
        model.table.zero_()
        assert not torch.equal(model(torch.zeros(1, 3, 4, 8, 8)), before)


def test_feature_maps_are_named_by_their_depth() -> None:
    maps = small().features(torch.randn(2, 3, 4, 8, 8))
    assert list(maps) == ["patches", "block1", "block2", "block3", "block4"]
    assert {tuple(x.shape) for x in maps.values()} == {(2, 24, 2, 2, 2)}


def test_other_clips_than_its_own_are_refused() -> None:
    with pytest.raises(ValueError, match="video has 6 frames; this network was built for exactly 4"):
        small()(torch.randn(1, 3, 6, 8, 8))
    with pytest.raises(ValueError, match="video is 12 x 8 pixels; this network was built for exactly 8 x 8"):
        small()(torch.randn(1, 3, 4, 12, 8))
    with pytest.raises(
        ValueError, match="clips are of 3 frames and sides of 8 pixels; patches of 2 frames and 4 pixels"
    ):
        small(frames=3)
