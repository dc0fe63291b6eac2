import math

import pytest
import torch
from torch import Tensor, nn

from marey.models import FrameModel, InceptionV1, inception_i3d
from marey.nn import MeanHead
from marey.nn.inception import MIXED
from marey.presets import count, find_preset
from marey.weights import RELEASES, Release

PUBLISHED = {
    "i3d_inception_rgb": (12_697_264, 111.153),
    "i3d_inception_flow": (12_675_312, 102.341),
    "inception_v1": (6_624_904, 1.498),
}
TENSORFLOW = {"RGB/inception_i3d/": (3, 12_704_544), "Flow/inception_i3d/": (2, 12_682_592)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name: str) -> None:
    params, gmacs = PUBLISHED[name]
    cost = count(find_preset(name))
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, rel=5e-4)


def test_the_network_of_charades_has_157_classes() -> None:
    with torch.device("meta"):
        model = find_preset("i3d_inception_rgb").build(num_classes=157)
    assert sum(p.numel() for p in model.parameters()) == 12_448_189


@pytest.mark.parametrize("frames, positions", [(64, 7), (16, 1), (79, 9), (9, 1)])
def test_positions_in_time(frames: int, positions: int) -> None:
    with torch.device("meta"):
        model = inception_i3d(num_classes=5, width=0.125).eval()
        last = model.features(torch.empty(1, 3, frames, 224, 224))["stage5"]
        assert model.pool(last).shape[2:] == (positions, 1, 1)


def test_logits_are_the_mean_of_those_of_all_positions() -> None:
    model = inception_i3d(num_classes=5, width=0.125, pool=(2, 2, 2)).eval()
    video = torch.randn(2, 3, 25, 96, 65)
    pooled = model.pool(model.features(video)["stage5"])
    assert pooled.shape[2:] == (3, 2, 2)
    steps = pooled.flatten(2).transpose(1, 2)
    torch.testing.assert_close(model(video), model.fc(steps).mean(1))


def test_the_least_clip_is_told() -> None:
    model = inception_i3d(num_classes=5, width=0.125)
    with pytest.raises(ValueError, match="video has 8 frames; this network needs at least 9"):
        model(torch.zeros(1, 3, 8, 224, 224))
    with pytest.raises(ValueError, match="video is 224 x 192 pixels; this network needs sides of at least 193"):
        model(torch.zeros(1, 3, 9, 224, 192))
    with torch.device("meta"):
        assert inception_i3d(num_classes=5, width=0.125)(torch.empty(1, 3, 9, 193, 193)).shape == (1, 5)


def spread(kernel: Tensor, frames: int, mode: str) -> Tensor:
    """A kernel of images over time: repeated and divided, or in the middle of zeros."""
    if mode == "repeat":
        return kernel.unsqueeze(2).repeat(1, 1, frames, 1, 1) / frames
    out = kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    out[:, :, frames // 2] = kernel
    return out


@pytest.mark.parametrize("mode", ["repeat", "center"])
def test_i3d_is_its_image_parent_inflated(mode: str) -> None:
    """On a constant video, at frames that the padding in time does not reach; in the middle of zeros, at all frames."""
    parent = InceptionV1(same=True, width=0.125).eval().double()
    child = inception_i3d(num_classes=5, width=0.125).eval().double()
    for name, statistic in parent.named_buffers():
        if name.endswith("running_var"):
            nn.init.uniform_(statistic, 0.5, 1.5)
        elif name.endswith("running_mean"):
            nn.init.normal_(statistic, std=0.1)
    ours = child.trunk.state_dict()
    state = {
        name: spread(x, ours[name].shape[2], mode) if x.ndim == 4 else x
        for name, x in parent.trunk.state_dict().items()
    }
    child.trunk.load_state_dict(state, strict=True)
    image = torch.randn(1, 3, 48, 80).double()
    with torch.inference_mode():
        flat, deep = parent(image), child.trunk(image.unsqueeze(2).expand(-1, -1, 160, -1, -1))
    assert flat.keys() == deep.keys()
    for name, x in deep.items():
        frames = x[:, :, x.shape[2] // 2 : x.shape[2] // 2 + 1] if mode == "repeat" else x
        torch.testing.assert_close(frames, flat[name].unsqueeze(2).expand_as(frames))


def test_the_parent_pads_as_tensorflow_or_as_torchvision() -> None:
    ours, same = (InceptionV1(same=s, width=0.125).eval() for s in (False, True))
    same.load_state_dict(ours.state_dict(), strict=True)
    image = torch.randn(1, 3, 224, 224)
    maps, others = ours(image), same(image)
    assert all(maps[name].shape == others[name].shape for name in maps)
    assert not torch.allclose(maps["stem"], others["stem"], atol=1e-3)
    assert same(torch.randn(1, 3, 1, 1))["stage5"].shape[2:] == (1, 1)
    assert ours(torch.randn(1, 3, 15, 15))["stage5"].shape[2:] == (1, 1)
    with pytest.raises(ValueError, match="video is 14 x 20 pixels; this network needs sides of at least 15"):
        FrameModel(num_classes=5, encoder=lambda: ours, head=MeanHead)(torch.zeros(1, 3, 14, 20))


def tensorflow_names(channels: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Every variable of the TensorFlow release without its scope, written down from its graph."""

    def layer(name: str, k: int, c_in: int, c_out: int) -> dict[str, tuple[int, ...]]:
        statistics = {f"{name}/batch_norm/{s}": (1, 1, 1, 1, c_out) for s in ("beta", "moving_mean", "moving_variance")}
        return {f"{name}/conv_3d/w": (k, k, k, c_in, c_out), **statistics}

    rows = layer("Conv3d_1a_7x7", 7, channels, 64)
    rows |= layer("Conv3d_2b_1x1", 1, 64, 64) | layer("Conv3d_2c_3x3", 3, 64, 192)
    c_in = 192
    for stage, blocks in zip((3, 4, 5), MIXED, strict=True):
        for letter, (b0, r1, b1, r2, b2, b3) in zip("bcdef", blocks, strict=False):
            place = f"Mixed_{stage}{letter}"
            odd = "Conv3d_0a_3x3" if place == "Mixed_5b" else "Conv3d_0b_3x3"
            rows |= layer(f"{place}/Branch_0/Conv3d_0a_1x1", 1, c_in, b0)
            rows |= layer(f"{place}/Branch_1/Conv3d_0a_1x1", 1, c_in, r1)
            rows |= layer(f"{place}/Branch_1/Conv3d_0b_3x3", 3, r1, b1)
            rows |= layer(f"{place}/Branch_2/Conv3d_0a_1x1", 1, c_in, r2)
            rows |= layer(f"{place}/Branch_2/{odd}", 3, r2, b2)
            rows |= layer(f"{place}/Branch_3/Conv3d_0b_1x1", 1, c_in, b3)
            c_in = b0 + b1 + b2 + b3
    rows["Logits/Conv3d_0c_1x1/conv_3d/w"] = (1, 1, 1, c_in, classes)
    rows["Logits/Conv3d_0c_1x1/conv_3d/b"] = (classes,)
    return rows


def release(state: dict[str, Tensor], holds: str) -> Release:
    (found,) = (r for r in RELEASES if r.fits(state) and r.holds == holds)
    return found


@pytest.mark.parametrize("scope", [*TENSORFLOW, ""], ids=["RGB", "flow", "no scope"])
def test_tensorflow_variables_become_the_network(scope: str) -> None:
    channels, total = TENSORFLOW.get(scope, (3, None))
    rows = tensorflow_names(channels, 400)
    assert len(rows) == 230
    assert total is None or sum(map(math.prod, rows.values())) == total
    state = {scope + name: torch.randn(shape) for name, shape in rows.items()}
    ours = release(state, "Inception I3D").translate(state)
    with torch.device("meta"):
        wanted = inception_i3d(num_classes=400, channels=channels).state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    assert {name: x.shape for name, x in ours.items()} == {
        name: x.shape for name, x in wanted.items() if name not in counters
    }
    assert all(x.eq(1).all() for name, x in ours.items() if name.endswith(".norm.weight"))
    kernel = state[f"{scope}Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w"]
    assert ours["trunk.stage5.mixed_a.wide2.conv.conv.weight"][7, 5, 0, 1, 2] == kernel[0, 1, 2, 5, 7]
    variance = state[f"{scope}Mixed_4f/Branch_3/Conv3d_0b_1x1/batch_norm/moving_variance"]
    assert torch.equal(ours["trunk.stage4.mixed_e.pooled.conv.norm.running_var"], variance.flatten())
    logits = state[f"{scope}Logits/Conv3d_0c_1x1/conv_3d/w"]
    assert torch.equal(ours["fc.weight"], logits[0, 0, 0].T)


def googlenet_state() -> dict[str, Tensor]:
    """torchvision's names of a GoogLeNet with its auxiliary classifiers, of the shapes that matter."""
    rows = {"conv1": (64, 3, 7), "conv2": (64, 64, 1), "conv3": (192, 64, 3), "aux1.conv": (128, 512, 1)}
    c_in = 192
    for stage, blocks in zip((3, 4, 5), MIXED, strict=True):
        for letter, (b0, r1, b1, r2, b2, b3) in zip("abcde", blocks, strict=False):
            place = f"inception{stage}{letter}"
            rows |= {f"{place}.branch1": (b0, c_in, 1), f"{place}.branch4.1": (b3, c_in, 1)}
            rows |= {f"{place}.branch2.0": (r1, c_in, 1), f"{place}.branch2.1": (b1, r1, 3)}
            rows |= {f"{place}.branch3.0": (r2, c_in, 1), f"{place}.branch3.1": (b2, r2, 3)}
            c_in = b0 + b1 + b2 + b3
    state = {"fc.weight": torch.randn(1000, 1024), "fc.bias": torch.randn(1000), "aux2.fc1.bias": torch.randn(1024)}
    for name, (c_out, channels, k) in rows.items():
        state[f"{name}.conv.weight"] = torch.randn(c_out, channels, k, k)
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.bn.{part}"] = torch.rand(c_out)
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
    return state


def test_googlenet_becomes_the_parent_and_the_trunk_of_i3d() -> None:
    state = googlenet_state()
    parent = find_preset("inception_v1").build(num_classes=1000)
    parent.load_state_dict(release(state, "GoogLeNet").translate(state), strict=True)
    flat = release(state, "GoogLeNet, for I3D")
    assert flat.inflates
    with torch.device("meta"):
        wanted = inception_i3d(num_classes=1000).state_dict()
    ours = flat.translate(state)
    assert ours.keys() == wanted.keys()
    assert all(x.shape == wanted[name].mean(2).shape for name, x in ours.items() if x.ndim == 4)


def test_files_of_old_pytorch_lack_counters_only() -> None:
    with torch.device("meta"):
        wanted = inception_i3d(num_classes=400).state_dict()
    rows = tensorflow_names(3, 400)
    names = {"Branch_0/Conv3d_0a_1x1": "b0", "Branch_3/Conv3d_0b_1x1": "b3b"}
    names |= {f"Branch_{i}/Conv3d_0a_1x1": f"b{i}a" for i in (1, 2)} | {"Branch_2/Conv3d_0a_3x3": "b2b"}
    names |= {f"Branch_{i}/Conv3d_0b_3x3": f"b{i}b" for i in (1, 2)} | {"Logits/Conv3d_0c_1x1": "logits"}
    state: dict[str, Tensor] = {}
    for name, (*_, c_in, c_out) in ((n, s) for n, s in rows.items() if n.endswith("/w")):
        place = name.removesuffix("/conv_3d/w")
        for theirs, short in names.items():
            place = place.replace(theirs, short)
        place, k = place.replace("/", "."), rows[name][0]
        state[f"{place}.conv3d.weight"] = torch.empty(c_out, c_in, k, k, k, device="meta")
        for part in ("weight", "bias", "running_mean", "running_var") if place != "logits" else ():
            state[f"{place}.bn.{part}"] = torch.empty(c_out, device="meta")
    state["logits.conv3d.bias"] = torch.empty(400, device="meta")
    assert len(state) == 287
    ours = release(state, "Inception I3D").translate(state)
    lacking = {name for name in wanted if name.endswith("num_batches_tracked")}
    assert {name: x.shape for name, x in ours.items()} == {n: x.shape for n, x in wanted.items() if n not in lacking}
    assert len(lacking) == 57
