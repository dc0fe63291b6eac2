"""What learns of a network that has learned before: classifier, blocks, depths, adapters."""

from dataclasses import replace

import pytest
import torch

from marey.models import (
    VideoModel,
    add_adapters,
    classifier_parameters,
    freeze_body,
    parameter_depths,
    transformer_blocks,
)
from marey.nn.lora import merge_adapters
from marey.presets import find_preset
from marey.video import ClipSpec

FORMERS = ["motionformer_b_16x4", "timesformer_b", "videomae_b", "mvit_b_16x4", "mvitv2_s_16x4"]


def mini(name: str) -> tuple[VideoModel, ClipSpec]:
    preset = find_preset(name)
    torch.manual_seed(0)
    side = preset.mini.side_px
    return preset.mini.build(num_classes=5), replace(
        preset.clip, frames=preset.mini.frames, side_px=side, short_px=side
    )


@pytest.mark.parametrize(
    "name, classifier",
    [
        ("single_frame", {"net.fc.weight", "net.fc.bias"}),
        ("c3d", {"fc8.weight", "fc8.bias"}),
        ("cnn_lstm", {"head.fc.weight", "head.fc.bias"}),
        ("videomae_b", {"fc.weight", "fc.bias"}),
    ],
)
def test_the_classifier_is_the_last_linear_layer(name: str, classifier: set[str]) -> None:
    model, spec = mini(name)
    assert classifier_parameters(model, spec) == classifier and model.training
    freeze_body(model, classifier)
    assert {own for own, p in model.named_parameters() if p.requires_grad} == classifier


def test_the_classifier_of_a_network_that_ends_otherwise_is_all_that_classify_uses() -> None:
    model, spec = mini("cnn_lstm")
    classify = model.classify
    model.classify = lambda encoded: classify(encoded).tanh()
    names = classifier_parameters(model, spec)
    assert names == {name for name, _ in model.named_parameters() if name.startswith("head.")}


@pytest.mark.parametrize("name", FORMERS)
def test_adapters_change_nothing_learn_alone_and_leave_plain_weights(name: str) -> None:
    model, spec = mini(name)
    clip = torch.randn(1, spec.channels, spec.frames, spec.side_px, spec.side_px)
    keys, before = list(model.state_dict()), model.eval()(clip)
    classifier = classifier_parameters(model, spec)
    counts = add_adapters(model, classifier, rank=2)
    assert list(counts) == list(transformer_blocks(model)) and min(counts.values()) >= 4
    assert torch.equal(model(clip), before)
    learns = {own for own, p in model.named_parameters() if p.requires_grad}
    assert learns - classifier and all(own.rsplit(".")[-1] in ("up", "down") for own in learns - classifier)
    model(clip).square().sum().backward()
    reached = {
        own for own, p in model.named_parameters() if own.endswith(".up") and p.grad is not None and p.grad.any()
    }
    assert all(any(own.startswith(f"{block}.") for own in reached) for block in counts)
    for own, p in model.named_parameters():
        if own.endswith(".up"):
            p.data.normal_(std=0.05)
    learned = model(clip)
    assert not torch.allclose(learned, before, atol=1e-4)
    merge_adapters(model)
    assert list(model.state_dict()) == keys
    torch.testing.assert_close(model(clip), learned, atol=1e-5, rtol=1e-5)


def test_depths_count_the_blocks_down_from_the_classifier() -> None:
    model, spec = mini("videomae_b")
    depths = parameter_depths(model, classifier_parameters(model, spec))
    count = len(transformer_blocks(model))
    assert depths.keys() == dict(model.named_parameters()).keys()
    assert depths["fc.weight"] == depths["fc.bias"] == 0 and depths["norm.weight"] == 1
    assert [depths[f"blocks.{n}.norm1.weight"] for n in range(count)] == list(range(count, 0, -1))
    assert depths["patches.weight"] == count + 1


def test_a_network_without_blocks_is_one_deep_and_takes_no_adapters() -> None:
    model, spec = mini("slow_fusion")
    depths = parameter_depths(model, classifier_parameters(model, spec))
    assert {name for name, depth in depths.items() if depth == 0} == {"fc.weight", "fc.bias"}
    assert set(depths.values()) == {0, 1} and not transformer_blocks(model)
    with pytest.raises(ValueError, match="has no transformer blocks to put adapters into"):
        add_adapters(model, ())
