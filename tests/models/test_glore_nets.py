import pytest
import torch
from torch import nn

from marey.models import FCN, LiteResNet3D, ResNet
from marey.models.fcn import enlarged
from marey.nn import GloRe
from marey.presets import count, find_preset

EXACT = {  # parameters and GMACs: the released 3D networks; the plain networks of images, as timm counts them
    "glore_r50_3d": (33_731_952, 31.776),
    "glore_r101_3d": (57_442_672, 50.324),
    "resnet200": (64_673_832, 15.0075),
    "se_resnet50": (28_088_024, 4.092),
    "resnext101_32x4d": (44_177_704, 7.970),
    "dpn98": (61_570_728, 11.671),
    "dpn131": (79_254_504, 16.014),
}
UNITS_2D = {"3": 3 * 1_641_472, "2_3": 2 * 411_136 + 3 * 1_641_472}


@pytest.mark.parametrize("name", EXACT)
def test_costs_are_exact(name: str) -> None:
    params, gmacs = EXACT[name]
    cost = count(find_preset(name))
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, rel=1e-4)


@pytest.mark.parametrize(
    "name, plain, units",
    [
        ("glore_resnet50", "resnet50", "3"),
        ("glore_resnet50_2_3", "resnet50", "2_3"),
        ("glore_resnet200", "resnet200", "3"),
        ("glore_resnet200_2_3", "resnet200", "2_3"),
        ("glore_se_resnet50", "se_resnet50", "3"),
        ("glore_resnext101_32x4d", "resnext101_32x4d", "2_3"),
    ],
)
def test_networks_of_images_have_their_units(name: str, plain: str, units: str) -> None:
    assert count(find_preset(name)).params == count(find_preset(plain)).params + UNITS_2D[units]


def test_costs_are_near_the_papers_table() -> None:
    cost = count(find_preset("glore_resnet50"))
    assert (cost.params / 1e6, cost.gmacs) == (pytest.approx(30.5, rel=0.005), pytest.approx(5.2, rel=0.03))
    for name, plain in (("glore_dpn98", "dpn98"), ("glore_dpn131", "dpn131")):
        added = count(find_preset(name)).params - count(find_preset(plain)).params
        assert added == pytest.approx(UNITS_2D["2_3"], rel=0.15)  # each as wide as the dense path makes its input


@pytest.mark.parametrize("name, places", [("glore_r50_3d", (0, 2, 0, 2, 4)), ("glore_r101_3d", (0, 2, 5, 11, 17))])
def test_units_stand_where_the_release_has_them(name: str, places: tuple[int, ...]) -> None:
    with torch.device("meta"):
        model = find_preset(name).build(num_classes=400)
    found = [name for name, module in model.named_modules() if isinstance(module, GloRe)]
    stages = ("stage2", "stage2", "stage3", "stage3", "stage3")
    assert found == [f"stages.{stage}.{place}_unit" for stage, place in zip(stages, places, strict=True)]
    eps = {module.eps for module in model.modules() if isinstance(module, nn.BatchNorm3d)}
    assert eps == {1e-4}
    assert len(model.state_dict()) == {"glore_r50_3d": 390, "glore_r101_3d": 696}[name]


def test_time_kernels_of_the_lite_networks() -> None:
    with torch.device("meta"):
        model = LiteResNet3D(num_classes=3, depths=(3, 4, 23, 3))
    times = [
        m.kernel_size[0] for n, m in model.named_modules() if n.endswith("conv1.conv") and isinstance(m, nn.Conv3d)
    ]
    assert times == [3, 3, 3, *[3, 1] * 2, *[3, 1] * 11, 3, 1, 3, 1]


def test_a_fresh_network_with_units_is_the_plain_one() -> None:
    with_units = LiteResNet3D(num_classes=3, widths=(2, 2, 3, 3), depths=(1, 1, 1, 2), unit=GloRe, unit_at=((2, 1),))
    plain = LiteResNet3D(num_classes=3, widths=(2, 2, 3, 3), depths=(1, 1, 1, 2))
    plain.load_state_dict({k: v for k, v in with_units.state_dict().items() if "_unit" not in k}, strict=True)
    video = torch.randn(2, 3, 8, 32, 32)
    assert torch.equal(with_units.eval()(video), plain.eval()(video))


@pytest.mark.parametrize("frames", [7, 9])
def test_any_other_number_of_frames_is_refused(frames: int) -> None:
    model = find_preset("glore_r50_3d").mini.build(num_classes=3)
    with pytest.raises(ValueError, match=f"video has {frames} frames; this network was built for exactly 8"):
        model(torch.randn(1, 3, frames, 32, 32))


def test_two_layer_blocks_refuse_what_only_bottlenecks_have() -> None:
    with pytest.raises(
        ValueError, match="groups, channel gates and dilation in bottlenecks only; give bottleneck=True"
    ):
        ResNet(squeeze=16)


def test_the_multi_grid_keeps_a_feature_for_every_8_pixels() -> None:
    with torch.device("meta"):
        model = find_preset("fcn_glore_r50").build(num_classes=19)
        maps = model.features(torch.empty(1, 3, 1, 769, 513))
    assert isinstance(model, FCN)
    assert [tuple(x.shape[1:]) for x in maps.values()] == [
        (64, 1, 385, 257),
        (256, 1, 193, 129),
        (512, 1, 97, 65),
        (1024, 1, 97, 65),
        (2048, 1, 97, 65),
        (512, 1, 97, 65),
    ]
    rates = [
        module.dilation[0]
        for name, module in model.encoder.named_modules()
        if name.endswith("conv2.conv") and isinstance(module, nn.Conv2d)
    ]
    assert rates == [1] * 7 + [2] * 6 + [4, 8, 16]


def test_enlarged_maps_keep_every_value_at_its_own_pixel() -> None:
    x = torch.randn(2, 3, 4, 5)
    large = enlarged(x, 8)
    assert large.shape == (2, 3, 32, 40)
    torch.testing.assert_close(large[:, :, ::8, ::8], x)
    torch.testing.assert_close(large[:, :, 4, 0], (x[:, :, 0, 0] + x[:, :, 1, 0]) / 2)
    assert torch.equal(large[:, :, 31], large[:, :, 24])


def test_pixels_move_with_the_image() -> None:
    """Two strides of a larger image are two strides of its answer, where neither its border nor a unit reaches."""
    encoder = find_preset("fcn_glore_r50").mini.build(num_classes=3)
    assert isinstance(encoder, FCN)
    encoder.unit = nn.Identity()
    image = torch.randn(1, 3, 176, 176)
    whole, moved = encoder.eval()(image), encoder(image[..., 16:, 16:])
    torch.testing.assert_close(moved[..., 72:80, 72:80], whole[..., 88:96, 88:96], atol=1e-5, rtol=1e-5)
