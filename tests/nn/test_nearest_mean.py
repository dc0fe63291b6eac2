"""Nearest class mean."""

import pytest
import torch
from torch.nn import functional

from marey.nn import NearestMean


def test_the_nearest_mean_of_centred_unit_features_wins() -> None:
    x, targets = torch.randn(30, 2, 8), functional.one_hot(torch.arange(30) % 3, 3).float()
    layer = NearestMean(8, 3)
    layer.measure(x, targets)
    unit = functional.normalize(x - x.mean((0, 1)), dim=-1)
    means = torch.stack([functional.normalize(unit[targets[:, k] > 0].mean((0, 1)), dim=0) for k in range(3)])
    torch.testing.assert_close(layer(x), unit @ means.T)
    distances = torch.cdist(unit.flatten(0, 1), means)
    assert torch.equal(layer(x).flatten(0, 1).argmax(1), distances.argmin(1))


def test_the_scale_decides_nothing() -> None:
    layer = NearestMean(8, 3)
    layer.measure(torch.randn(9, 1, 8), torch.eye(3).repeat(3, 1))
    x = torch.randn(5, 8)
    before = layer(x)
    layer.scale.fill_(7.0)
    torch.testing.assert_close(layer(x), 7 * before)
    assert before.abs().max() <= 1


def test_a_class_without_clips() -> None:
    with pytest.raises(ValueError, match="a class has no clips, and so no mean"):
        NearestMean(4, 2).measure(torch.randn(3, 1, 4), torch.eye(2)[[0, 0, 0]])
