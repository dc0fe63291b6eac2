"""The family as PySlowFast builds it: costs, the frames of the slow pathway, heads, and the names of every release."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from marey.models import SlowFast, VideoResNet
from marey.presets import count, find_preset, layer_table
from marey.presets.fit import fits_of
from marey.weights import mmaction2, pyslowfast, pytorchvideo

COSTS = {  # parameters, and GMACs for a side of so many pixels
    "c2d_r50_8x8": (24_327_632, 256, 25.460),
    "c2d_nl_r50_8x8": (31_686_096, 224, 27.621),
    "i3d_r50_8x8": (28_043_472, 256, 37.104),
    "i3d_nl_r50_8x8": (35_401_936, 256, 48.915),
    "i3d_r101_8x8": (51_754_192, 224, 46.956),
    "i3d_nl_r101_8x8": (59_112_656, None, None),  # with the five blocks of ResNet-50: 7,358,464
    "slow_r50_4x16": (32_454_096, 256, 27.260),
    "slow_r50_8x8": (32_454_096, 256, 54.518),
    "slowfast_r50_4x16": (34_480_216, 256, 36.099),
    "slowfast_r50_8x8": (34_566_488, 256, 65.709),
    "slowfast_r101_8x8": (53_774_808, 256, 106.511),
    "slowfast_r101_101_8x8": (62_826_968, 256, 125.906),
    "slowfast_r101_16x8": (53_774_808, 256, 213.021),
    "slowfast_nl_r50_8x8": (41_838_680, 224, 72.229),
    "slowfast_nl_r101_16x8": (60_080_088, 256, 242.012),
}
STAGE = ["i3d_stage", "i3d_nl1_stage", "i3d_nl5_stage", "i3d_glore_stage", "slowfast_stage"]


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_the_official_ones(name: str) -> None:
    params, side_px, gmacs = COSTS[name]
    preset = find_preset(name)
    assert preset.clip.side_px == 256
    cost = count(preset, replace(preset.clip, side_px=side_px or 256))
    assert cost.params == params
    assert gmacs is None or cost.gmacs == pytest.approx(gmacs, abs=5e-4)


def test_stage_sizes_cost_about_the_same() -> None:
    costs = [count(find_preset(name)).gmacs for name in STAGE]
    assert max(costs) < 1.1 * min(costs)
    assert max(costs) < 0.16


def thin(**arguments: object) -> SlowFast:
    given = {"slow_times": ((1,), (3,)), "fast_times": ((3,), (3,)), "width": 8, "zero_init": False}
    return SlowFast(num_classes=3, **{"alpha": 4, **given, **arguments}).eval()


@pytest.mark.parametrize(
    "frames, alpha, places",
    [(32, 4, [0, 4, 8, 13, 17, 22, 26, 31]), (32, 8, [0, 10, 20, 31]), (4, 4, [0]), (8, 4, [0, 7])],
)
def test_the_slow_pathway_takes_the_official_frames(frames: int, alpha: int, places: list[int]) -> None:
    video = torch.arange(float(frames)).view(1, 1, frames, 1, 1).expand(1, 3, frames, 32, 32)
    assert thin(alpha=alpha).slow_input(video)[0, 0, :, 0, 0].tolist() == places
    every = thin(alpha=alpha, slow_frames="every").slow_input(video)[0, 0, :, 0, 0].tolist()
    assert every == list(range(0, frames, alpha))


def test_frames_that_do_not_divide_are_refused_with_both_numbers() -> None:
    with pytest.raises(
        ValueError, match="video has 30 frames; the slow pathway takes one of every 4, so give a multip"
    ):
        thin()(torch.zeros(1, 3, 30, 32, 32))
    with pytest.raises(ValueError, match="video has 3 frames; this network needs at least 4"):
        thin()(torch.zeros(1, 3, 3, 32, 32))


def test_the_fast_pathway_reaches_the_slow_one_and_never_the_other_way() -> None:
    model, video = thin(), torch.randn(1, 3, 8, 32, 32)
    maps = model.features(video)
    model.fast.conv1.get_submodule("conv").get_parameter("weight").data.zero_()
    changed = model.features(video)
    assert not torch.equal(maps["slow.res2"], changed["slow.res2"])
    assert torch.equal(maps["slow.conv1"], changed["slow.conv1"])
    model.slow.conv1.get_submodule("conv").get_parameter("weight").data.zero_()
    assert torch.equal(changed["fast.res3"], model.features(video)["fast.res3"])


def test_the_layers_are_the_stages_of_the_paper() -> None:
    rows = {row.name: (row.kind, row.size) for row in layer_table(find_preset("slowfast_r50_8x8"))}
    last = {"res2": "block2", "res3": "block3", "res4": "block5", "res5": "block2"}
    sizes = {
        f"{path}.{stage}": rows[f"{path}.{stage}.{block}.body.conv3.conv"][1]
        for path in ("slow", "fast")
        for stage, block in last.items()
    }
    assert sizes == {
        "slow.res2": (256, 8, 64, 64),
        "slow.res3": (512, 8, 32, 32),
        "slow.res4": (1024, 8, 16, 16),
        "slow.res5": (2048, 8, 8, 8),
        "fast.res2": (32, 32, 64, 64),
        "fast.res3": (64, 32, 32, 32),
        "fast.res4": (128, 32, 16, 16),
        "fast.res5": (256, 32, 8, 8),
    }
    assert rows["slow.conv1.conv"] == ("conv 1x7x7, stride 1x2x2", (64, 8, 128, 128))
    assert rows["fast.conv1.conv"] == ("conv 5x7x7, stride 1x2x2", (8, 32, 128, 128))
    assert rows["slow.pool1"] == ("max pool 1x3x3, stride 1x2x2", (64, 8, 64, 64))
    assert rows["lateral.res4.conv"] == ("conv 7x1x1, stride 4x1x1", (256, 8, 16, 16))


def test_res4_of_r101_has_temporal_kernels_in_its_first_six_blocks_only() -> None:
    kinds = {row.name: row.kind for row in layer_table(find_preset("slowfast_r101_8x8"))}
    for path in ("slow", "fast"):
        kernels = [kinds[f"{path}.res4.block{j}.body.conv1.conv"] for j in range(23)]
        assert kernels == ["conv 3x1x1"] * 6 + ["conv 1x1x1"] * 17
    assert kinds["lateral.pool1.conv"] == "conv 5x1x1, stride 4x1x1"


@pytest.mark.parametrize(
    "name, path, after",
    [
        ("i3d_nl_r50_8x8", "net", ["res3.1", "res3.3", "res4.1", "res4.3", "res4.5"]),
        ("i3d_nl_r101_8x8", "net", ["res3.1", "res3.3", "res4.1", "res4.3", "res4.5"]),
        ("slowfast_nl_r50_8x8", "slow", ["res3.1", "res3.3", "res4.1", "res4.3", "res4.5"]),
        ("slowfast_nl_r101_16x8", "slow", ["res4.6", "res4.13", "res4.20"]),
    ],
)
def test_non_local_blocks_stand_where_the_official_ones_do(name: str, path: str, after: list[str]) -> None:
    with torch.device("meta"):
        model = find_preset(name).build(num_classes=2)
    found = [n for n, module in model.named_modules() if type(module).__name__ == "NonLocal"]
    assert found == [f"{path}.{place.replace('.', '.non_local')}" for place in after]


def test_the_head_of_windows_is_a_linear_layer_at_every_position() -> None:
    model = VideoResNet(num_classes=3, width=4, times=((1,), (1,)), pool_side=3).eval()
    video = torch.randn(2, 3, 2, 40, 32)
    (*_, last) = model.features(video).values()
    windows = torch.nn.functional.avg_pool3d(last, (2, 3, 3), stride=1)
    want = model.fc(windows.permute(0, 2, 3, 4, 1)).mean((1, 2, 3))
    torch.testing.assert_close(model(video), want)
    model.pool_side = None
    assert not torch.allclose(model(video), want)
    torch.testing.assert_close(model(video), model.fc(last.mean((2, 3, 4))))


def test_zero_init_makes_fresh_branches_silent() -> None:
    model = VideoResNet(num_classes=3, width=4, times=((1, 1),)).eval()
    x = torch.rand(1, 16, 2, 8, 8)
    assert torch.equal(model.net.get_submodule("res2.block1")(x), x)
    loud = VideoResNet(num_classes=3, width=4, times=((1, 1),), zero_init=False).eval()
    assert not torch.equal(loud.net.get_submodule("res2.block1")(x), x)


def state_of(name: str, variant: str | None = None) -> dict[str, Tensor]:
    with torch.device("meta"):
        return find_preset(name).builder(variant)(num_classes=400).state_dict()


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


NORM = ("weight", "bias", "running_mean", "running_var")


def mmaction2_names(depths: tuple[int, ...], path: str, ours: str) -> dict[str, str]:
    """Every name of a pathway, spelled out: mmaction2's -> ours."""
    names = {f"{path}.conv1.conv.weight": f"{ours}.conv1.conv.weight"}
    names |= {f"{path}.conv1.bn.{n}": f"{ours}.conv1.norm.{n}" for n in NORM}
    for i, depth in enumerate(depths):
        for j in range(depth):
            block, mine = f"{path}.layer{i + 1}.{j}", f"{ours}.res{i + 2}.block{j}"
            parts = {f"conv{k}": f"body.conv{k}" for k in (1, 2, 3)} | ({} if j else {"downsample": "shortcut"})
            for part, my in parts.items():
                names[f"{block}.{part}.conv.weight"] = f"{mine}.{my}.conv.weight"
                names |= {f"{block}.{part}.bn.{n}": f"{mine}.{my}.norm.{n}" for n in NORM}
    return names


def test_mmaction2_names_of_slowfast() -> None:
    names = mmaction2_names((3, 4, 6, 3), "backbone.slow_path", "slow")
    names |= mmaction2_names((3, 4, 6, 3), "backbone.fast_path", "fast")
    names |= {"backbone.slow_path.conv1_lateral.conv.weight": "lateral.pool1.conv.weight"}
    names |= {f"backbone.slow_path.layer{n}_lateral.conv.weight": f"lateral.res{n + 1}.conv.weight" for n in (1, 2, 3)}
    names |= {f"cls_head.fc_cls.{n}": f"fc.{n}" for n in ("weight", "bias")}
    state = state_of("slowfast_r50_8x8", "mmaction2")
    assert set(names.values()) == set(shapes(state))
    official = {theirs: state[ours] for theirs, ours in names.items()}
    release = mmaction2.RELEASES[0]
    assert release.fits(official)
    assert shapes(release.translate(official)) == shapes(state)
    best = fits_of(find_preset("slowfast_r50_8x8"), official)[0]
    assert (best.variant, best.diff.count) == ("mmaction2", 0)


def test_mmaction2_reads_the_fast_pathway_first() -> None:
    fc = torch.cat([torch.ones(2, 5), torch.zeros(2, 7)], 1)  # 5 channels of fast, 7 of slow
    state = {"backbone.fast_path.layer4.0.conv3.conv.weight": torch.zeros(5, 1, 1, 1, 1), "cls_head.fc_cls.weight": fc}
    assert mmaction2.from_slowfast(state)["fc.weight"].tolist() == [[0.0] * 7 + [1.0] * 5] * 2


def test_mmaction2_names_of_i3d() -> None:
    names = mmaction2_names((3, 4, 6, 3), "backbone", "net")
    names |= {f"cls_head.fc_cls.{n}": f"fc.{n}" for n in ("weight", "bias")}
    state = state_of("i3d_r50_8x8", "mmaction2")
    official = {theirs: state[ours] for theirs, ours in names.items()}
    best = fits_of(find_preset("i3d_r50_8x8"), official)[0]
    assert (best.release, best.variant, best.diff.count) == ("mmaction2", "mmaction2", 0)


def test_lateral_convolutions_of_mmaction2s_r101_reach_over_7_frames() -> None:
    assert state_of("slowfast_r101_101_8x8", "mmaction2")["lateral.res2.conv.weight"].shape[2:] == (7, 1, 1)
    assert state_of("slowfast_r101_101_8x8")["lateral.res2.conv.weight"].shape[2:] == (5, 1, 1)


@pytest.mark.parametrize(
    "name, frames, stride",
    [
        ("i3d_r50_8x8", 32, 2),
        ("slow_r50_4x16", 4, 16),
        ("slow_r50_8x8", 8, 8),
        ("slowfast_r50_4x16", 32, 2),
        ("slowfast_r50_8x8", 32, 2),
        ("slowfast_r101_101_8x8", 32, 2),
    ],
)
def test_clips_of_mmaction2(name: str, frames: int, stride: int) -> None:
    preset = find_preset(name)
    assert preset.fed("pytorchvideo") == preset.fed() == preset.clip and preset.clip.mean == (0.45, 0.45, 0.45)
    clip = preset.fed("mmaction2")
    assert (clip.frames, clip.stride, clip.fps) == (frames, stride, None)
    assert [255 * x for x in clip.mean] == pytest.approx([123.675, 116.28, 103.53])
    assert [255 * x for x in clip.std] == pytest.approx([58.395, 57.12, 57.375])


def test_mmaction2_names_of_slow() -> None:
    names = mmaction2_names((3, 4, 6, 3), "backbone", "net")
    names |= {f"cls_head.fc_cls.{n}": f"fc.{n}" for n in ("weight", "bias")}
    state = state_of("slow_r50_8x8")
    best = fits_of(find_preset("slow_r50_8x8"), {theirs: state[ours] for theirs, ours in names.items()})[0]
    assert (best.release, best.variant, best.diff.count) == ("mmaction2", "mmaction2", 0)


def test_each_release_gets_the_build_that_its_weights_need() -> None:
    def official(preset: str, block: str, path: str, stem: str) -> dict[str, Tensor]:
        state = state_of(preset)
        return {f"{stem}.weight": state[f"{path}.conv1.conv.weight"], f"{block}.weight": state["fc.weight"]}

    psf = official("i3d_r50_8x8", "s2.pathway0_res0.branch2.a", "net", "s1.pathway0_stem.conv")
    ptv = official("i3d_r50_8x8", "blocks.1.res_blocks.0.branch2.conv_a", "net", "blocks.0.conv")
    assert fits_of(find_preset("i3d_r50_8x8"), psf)[0].variant is None
    assert fits_of(find_preset("i3d_r50_8x8"), ptv)[0].variant == "pytorchvideo"


def test_pytorchvideo_counts_the_pooling_as_a_stage() -> None:
    def named(*blocks: int) -> set[str]:
        first, *stages, head = blocks
        state = {f"blocks.{first}.conv.weight": torch.zeros(1), f"blocks.{head}.proj.bias": torch.zeros(1)}
        state |= {f"blocks.{n}.res_blocks.1.branch2.norm_c.weight": torch.zeros(1) for n in stages}
        return set(pytorchvideo.from_one_pathway(state))

    want = {"net.conv1.conv.weight", "fc.bias"} | {f"net.res{n}.block1.body.conv3.norm.weight" for n in (2, 3, 4, 5)}
    assert named(0, 1, 2, 3, 4, 5) == want
    assert named(0, 1, 3, 4, 5, 6) == want


@pytest.mark.parametrize(
    "blob, ours",
    [
        ("conv1_w", "slow.conv1.conv.weight"),
        ("t_conv1_w", "fast.conv1.conv.weight"),
        ("t_res_conv1_bn_riv", "fast.conv1.norm.running_var"),
        ("t_pool1_subsample_w", "lateral.pool1.conv.weight"),
        ("t_res4_22_branch2c_bn_subsample_w", "lateral.res4.conv.weight"),
        ("t_res4_22_branch2c_bn_subsample_bn_rm", "lateral.res4.norm.running_mean"),
        ("t_res4_22_branch2c_bn_s", "fast.res4.block22.body.conv3.norm.weight"),
        ("res4_13_branch2b_bn_b", "slow.res4.block13.body.conv2.norm.bias"),
        ("nonlocal_conv4_20_theta_b", "slow.res4.non_local20.theta.bias"),
        ("nonlocal_conv4_6_bn_s", "slow.res4.non_local6.norm.weight"),
        ("res5_0_branch1_w", "slow.res5.block0.shortcut.conv.weight"),
        ("pred_b", "fc.bias"),
        ("res2_0_branch2a_w_momentum", "res2_0_branch2a_w_momentum"),
        ("lr", "lr"),
    ],
)
def test_caffe2_blobs_of_r101(blob: str, ours: str) -> None:
    state = pyslowfast.from_caffe2({blob: torch.zeros(1), "t_pool1_subsample_bn_s": torch.zeros(1)})
    assert set(state) == {ours, "lateral.pool1.norm.weight"}


def imagenet_resnet50() -> dict[str, Tensor]:
    """torchvision's names and shapes, from our own network of images."""
    names = {"encoder.stem.conv": "conv1", "encoder.stem.norm": "bn1", "head.fc": "fc"}
    state = {}
    for name, tensor in state_of_images().items():
        owner, _, kind = name.rpartition(".")
        if owner not in names:
            _, _, stage, block, part, *rest = owner.split(".")
            place = f"layer{stage.removeprefix('stage')}.{block}"
            if part == "shortcut":
                names[owner] = f"{place}.downsample.{0 if rest == ['conv'] else 1}"
            else:
                names[owner] = f"{place}.{rest[0] if rest[1] == 'conv' else rest[0].replace('conv', 'bn')}"
        state[f"{names[owner]}.{kind}"] = tensor
    return state


def state_of_images() -> dict[str, Tensor]:
    with torch.device("meta"):
        return find_preset("resnet50").build(num_classes=1000).state_dict()


@pytest.mark.parametrize("name", ["c2d_r50_8x8", "i3d_r50_8x8", "slow_r50_4x16"])
def test_imagenet_networks_are_inflated_into_one_pathway(name: str) -> None:
    best = fits_of(find_preset(name), imagenet_resnet50())[0]
    assert set(best.diff.names) <= set(best.head) == {"fc.weight", "fc.bias"}
    assert best.variant is None
    assert "net.conv1.conv.weight" in best.inflated


def test_imagenet_networks_cannot_fill_two_pathways() -> None:
    best = fits_of(find_preset("slowfast_r50_8x8"), imagenet_resnet50())[0]
    assert any(name.startswith("fast.") for name in best.diff.missing)
