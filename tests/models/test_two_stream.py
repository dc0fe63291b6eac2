from functools import partial

import pytest
import torch

from marey.models import Fused3D, ResNet, SnippetNet, TwoStream, flow_kernel, flow_start
from marey.nn import middle_frames, stacked_frames
from marey.presets import count, create_model, find_preset

tiny = partial(ResNet, widths=(4, 6), depths=(1, 1))
spatial = partial(SnippetNet, frames=3, encoder=tiny)
temporal = partial(SnippetNet, frames=3, stacked=True, channels=2, encoder=partial(tiny, channels=6))


@pytest.mark.parametrize(
    "name, params, paper_millions, off",
    [
        ("two_stream", 12_073_120, 12, 0.01),
        ("fused3d", 39_770_896, 39, 0.02),
        ("i3d_inception_two_stream", 25_372_576, 25, 0.02),
    ],
)
def test_sizes_are_those_that_the_i3d_paper_compares(name: str, params: int, paper_millions: int, off: float) -> None:
    assert count(find_preset(name)).params == params
    assert params / 1e6 == pytest.approx(paper_millions, rel=off)


@pytest.mark.parametrize(
    "both, parts",
    [
        ("i3d_inception_two_stream", ("i3d_inception_rgb", "i3d_inception_flow")),
        ("i3d_two_stream_stage", ("i3d_stage", "i3d_flow_stage")),
        ("two_stream", ("two_stream_rgb", "two_stream_flow")),
        ("two_stream_stage", ("two_stream_rgb_stage", "two_stream_flow_stage")),
    ],
)
def test_two_streams_cost_what_their_streams_cost(both: str, parts: tuple[str, str]) -> None:
    apart, together = [count(find_preset(name)) for name in parts], count(find_preset(both))
    assert together.params == sum(cost.params for cost in apart)
    assert together.gmacs == pytest.approx(sum(cost.gmacs for cost in apart))


def test_snippets_are_their_middle_frames_or_all_frames_as_channels() -> None:
    video = torch.arange(2 * 2 * 6).float().view(2, 2, 6, 1, 1)  # x of the first clip is 0..5, its y 6..11
    assert middle_frames(video, 3)[:, 0, 0, 0].tolist() == [1, 4, 13, 16]
    assert middle_frames(video, 2)[:2, 1, 0, 0].tolist() == [7, 9]
    assert stacked_frames(video, 3)[:2, :, 0, 0].tolist() == [[0, 6, 1, 7, 2, 8], [3, 9, 4, 10, 5, 11]]
    with pytest.raises(ValueError, match="video has 6 frames; this network takes snippets of 4, so give a multiple"):
        stacked_frames(video, 4)


def test_a_snippet_net_sees_the_middle_frame_only() -> None:
    net, video = spatial(num_classes=5).eval(), torch.randn(2, 3, 3, 16, 16)
    other = torch.randn_like(video)
    other[:, :, 1] = video[:, :, 1]
    assert torch.equal(net(video), net(other))
    longer = torch.cat([video, other.flip(0)], 2)
    torch.testing.assert_close(net(longer), (net(video) + net(other.flip(0))) / 2)


@pytest.mark.parametrize("fuse, scale", [("mean", 0.5), ("add", 1.0)])
def test_logits_of_the_streams_are_averaged_or_added(fuse: str, scale: float) -> None:
    two = TwoStream(num_classes=5, spatial=spatial, temporal=temporal, fuse=fuse).eval()
    apart = spatial(num_classes=5).eval(), temporal(num_classes=5).eval()
    two.spatial.load_state_dict(apart[0].state_dict())
    two.temporal.load_state_dict(apart[1].state_dict())
    video = torch.randn(2, 5, 6, 16, 16)
    expected = [apart[0](video[:, :3]) * scale, apart[1](video[:, 3:]) * scale]
    torch.testing.assert_close(two(video), expected[0] + expected[1])
    for branch, logits in zip(two.branches(two.encode(video)), expected, strict=True):
        torch.testing.assert_close(branch, logits)


def test_maps_carry_the_name_of_their_stream() -> None:
    two = TwoStream(num_classes=5, spatial=spatial, temporal=temporal)
    names = ["spatial.stem", "temporal.stem", "spatial.stage1", "temporal.stage1", "spatial.stage2", "temporal.stage2"]
    assert list(two.features(torch.randn(1, 5, 3, 32, 32))) == names


def test_fused_maps_are_what_the_paper_has() -> None:
    with torch.device("meta"):
        net, video = find_preset("fused3d").build(num_classes=400), torch.empty(1, 5, 50, 224, 224)
        maps = net.features(video)
    assert maps["spatial.stage5"].shape == maps["temporal.stage5"].shape == (1, 1024, 5, 7, 7)
    assert maps["fusion"].shape == (1, 512, 5, 7, 7)


def test_3d_fusion_sees_the_order_of_the_snippets() -> None:
    net = Fused3D(num_classes=5, spatial=tiny, temporal=partial(tiny, channels=4), frames=2, width=8).eval()
    video = torch.randn(1, 5, 6, 16, 16)
    first, *others = video.split(2, 2)
    assert not torch.allclose(net(video), net(torch.cat([*others, first], 2)), atol=1e-5)


def test_flow_starts_from_the_mean_over_rgb() -> None:
    kernel = torch.randn(4, 3, 7, 7)
    wide = flow_kernel(kernel, channels=20)
    assert wide.shape == (4, 20, 7, 7) and wide.is_contiguous()
    grey = torch.rand(1, 1, 9, 9)  # the same in all channels, on which both kernels answer alike, per channel
    there = torch.nn.functional.conv2d(grey.expand(1, 3, 9, 9), kernel) / 3
    here = torch.nn.functional.conv2d(grey.expand(1, 20, 9, 9), wide) / 20
    torch.testing.assert_close(here, there)
    with pytest.raises(ValueError, match="the first kernel has 2 channels; a network of RGB has 3"):
        flow_kernel(kernel[:, :2], channels=20)


@pytest.mark.parametrize(
    "rgb, flow, channels",
    [("i3d_stage", "i3d_flow_stage", 2), ("two_stream_rgb_stage", "two_stream_flow_stage", 32)],
)
def test_a_network_of_rgb_starts_one_of_flow(rgb: str, flow: str, channels: int) -> None:
    there, here = create_model(rgb).state_dict(), create_model(flow)
    start = flow_start(there, channels=channels)
    here.load_state_dict(start, strict=True)
    changed = [name for name in start if start[name] is not there[name]]
    assert len(changed) == 1 and start[changed[0]].shape[1] == channels
    with pytest.raises(ValueError, match="the state has no convolution among its 1 tensors"):
        flow_start({"fc.weight": torch.zeros(2, 2)}, channels=2)
