"""The last linear layers of networks of every kind."""

import pytest
import torch
from torch import Tensor, nn

from marey.models import VideoModel, last_layers, read_by, with_nearest_means
from marey.presets import find_preset


def ended(name: str, *, clips: int = 3, classes: int = 5) -> tuple[VideoModel, Tensor]:
    """(a preset at miniature size, what its classifier reads of a few clips)."""
    preset = find_preset(name)
    model = preset.mini.build(num_classes=classes).eval()
    video = torch.randn(clips, preset.clip.channels, preset.mini.frames, preset.mini.side_px, preset.mini.side_px)
    with torch.no_grad():
        return model, model.encode(video)


@pytest.mark.parametrize(
    "name, layers",
    [
        ("single_frame", ["net.fc"]),  # the mean over frames
        ("late_fusion_fc", ["fc"]),  # behind a hidden layer
        ("c3d", ["fc8"]),
        ("cnn_lstm", None),
        ("two_stream", ["spatial.fc", "temporal.fc"]),  # the mean of two
        ("motionformer_b_16x4", None),
    ],
)
def test_what_the_last_layers_read_makes_the_answer(name: str, layers: list[str] | None) -> None:
    model, encoded = ended(name)
    found = last_layers(model, encoded)
    assert layers is None or list(found) == layers
    inputs = read_by(model, list(found.values()), encoded)
    with torch.no_grad():
        parts = [layer(x).mean(1) for layer, x in zip(found.values(), inputs, strict=True)]
        logits = model.classify(encoded)
    share = 0.5 if name.startswith("two_stream") else 1.0
    torch.testing.assert_close((share * torch.stack(parts).sum(0)).softmax(1), logits.softmax(1))
    assert not any(layer._forward_pre_hooks for layer in found.values())


def test_a_hidden_layer_as_wide_as_the_classes_is_none_of_them() -> None:
    model, encoded = ended("late_fusion_fc", classes=7)  # of the miniature, the hidden layer has 7
    assert [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)] == [7, 7]
    assert list(last_layers(model, encoded)) == ["fc"]


def test_a_network_that_ends_otherwise_is_refused() -> None:
    model, encoded = ended("gru_rcn_stage")
    with pytest.raises(ValueError, match="RCN does not end in linear layers whose answers add up"):
        last_layers(model, encoded)


def test_means_take_the_place_of_layers() -> None:
    model, encoded = ended("two_stream")
    names = list(last_layers(model, encoded))
    inputs = read_by(model, list(last_layers(model, encoded).values()), encoded)
    with_nearest_means(model, names)
    targets = torch.eye(5)[[0, 1, 2]]
    for name, x in zip(names, inputs, strict=True):
        end = model.get_submodule(name)
        end.weight.data.fill_(0.5)  # type: ignore[union-attr, operator] - a NearestMean
        assert end(x).shape == (3, 1, 5) and len(targets) == 3
    assert model.classify(encoded).shape == (3, 5)
