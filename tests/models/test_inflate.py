import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import marey
from marey.models import ClipModel, EfficientNetLite, FishNet, FrameModel, ImageEncoder, ResNet, ResNet3D
from marey.models.inflate import _check_arguments
from marey.models.inflated import InflatedConv
from marey.nn import LstmHead, MeanHead, SameConv2d

ENCODERS: dict[str, Callable[[], ImageEncoder]] = {
    "resnet": partial(ResNet, widths=(8, 16, 24), depths=(2, 2, 1)),
    "bottlenecks": partial(ResNet, bottleneck=True, widths=(4, 8), depths=(1, 2)),
    "fishnet": partial(FishNet, depths=(1, 1, 2, 1, 1, 1, 1, 1, 1, 1), transfers=(1, 1, 1, 1, 1, 1), width=16),
    "efficientnet": partial(EfficientNetLite, stages=((1, 3, 1, 1, 8), (2, 5, 2, 6, 12)), stem=8, dim=16),
}


class Everyday(nn.Module):
    """What people write: functional activations, a squeeze, an upsampled side path, an odd padding, a flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, (3, 5), padding="same", groups=2, bias=False)
        self.norm2 = nn.InstanceNorm2d(8, affine=True, track_running_stats=True)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.mean = nn.AvgPool2d((2, 2))
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.grow = nn.ConvTranspose2d(8, 4, 2, 2)
        self.border = nn.ReflectionPad2d(1)
        self.conv3 = nn.Conv2d(20, 6, 3, padding_mode="circular", padding=1)
        self.drop = nn.Dropout2d(0.5)
        self.pool_all = nn.AdaptiveMaxPool2d((2, None))
        self.flat = nn.Flatten()
        self.fc = nn.Linear(6 * 2 * 18, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        x = x + F.silu(self.norm2(self.conv2(x)))
        x = self.pool(x)
        x = x * self.squeeze(x)
        x = torch.cat([self.up(self.mean(x)), x, F.interpolate(self.grow(self.mean(x)), size=x.shape[2:])], dim=1)
        x = self.drop(self.conv3(self.border(x)))
        return self.fc(self.flat(self.pool_all(x))).softmax(-1)


class Classifier(nn.Module):
    """A small network with one thing that its test is about."""

    def __init__(self, middle: nn.Module, end: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.conv, self.middle, self.end = nn.Conv2d(3, 6, 3, padding=1), middle, end
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.end(self.middle(F.relu(self.conv(x)))))


def equal_frames(image: Tensor, frames: int = 5) -> Tensor:
    return image.unsqueeze(2).repeat_interleave(frames, 2)


def seasoned(model: nn.Module) -> nn.Module:
    """With statistics that are not those of a fresh network."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    return model.eval()


@pytest.mark.parametrize("name, mode", [*((name, "repeat") for name in ENCODERS), ("resnet", "center")])
def test_equal_frames_get_what_the_image_gets(name: str, mode: str) -> None:
    model = FrameModel(num_classes=5, encoder=ENCODERS[name], head=MeanHead)
    seasoned(model)
    image = torch.randn(2, 3, 64, 64)
    clips = marey.inflate(model, frames=3, mode=mode)
    assert isinstance(clips, ClipModel)
    with torch.no_grad():
        of_image, of_clip = model.features(image), clips.features(equal_frames(image))
        scale = {key: x.abs().max() for key, x in of_image.items()}
        assert list(of_image) == list(of_clip)
        for key, x in of_image.items():
            torch.testing.assert_close(
                of_clip[key] / scale[key], equal_frames(x[:, :, 0]) / scale[key], atol=1e-5, rtol=0
            )
        logits = model(image)
        largest = logits.abs().max()
        torch.testing.assert_close(clips(equal_frames(image)) / largest, logits / largest, atol=1e-5, rtol=0)
        assert torch.equal(clips(image), clips(image[:, :, None]))


def test_with_zeros_inner_frames_agree_and_outer_ones_do_not() -> None:
    """Six convolutions of three frames: the answer of frame 6 of 13 sees no border, that of frame 0 does."""
    encoder = seasoned(ResNet(widths=(8, 12), depths=(1, 1)))
    image = torch.randn(1, 3, 32, 32)
    clips = marey.inflate(encoder, frames=3, padding="zeros")
    with torch.no_grad():
        (*_, of_image), (*_, of_clip) = encoder(image).values(), clips(equal_frames(image, 13)).values()
    torch.testing.assert_close(of_clip[:, :, 6], of_image, atol=1e-5, rtol=1e-5)
    for border in (0, 12):
        assert (of_clip[:, :, border] - of_image).abs().max() > 0.01


@pytest.mark.parametrize("mode", ["repeat", "center"])
def test_a_handwritten_network_with_functional_calls(mode: str) -> None:
    model = seasoned(Everyday())
    image = torch.randn(2, 3, 64, 64)
    clips = marey.inflate(model, frames=3, mode=mode, example=image)
    with torch.no_grad():
        torch.testing.assert_close(clips(equal_frames(image)), model(image), atol=1e-5, rtol=0)


def test_a_network_of_one_size_and_a_flatten_is_found_by_trying() -> None:
    lenet = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 12 * 12, 10))
    clips = marey.inflate(lenet.eval(), frames=5)
    image = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(clips(equal_frames(image, 7)), lenet(image), atol=1e-5, rtol=1e-5)


def test_attention_on_tokens_becomes_attention_over_space_and_time() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 8, 8)
            self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(self.conv(x).flatten(2).transpose(1, 2)).mean(1)

    model, image = Tokens().eval(), torch.randn(1, 3, 32, 32)
    clips = marey.inflate(model, frames=2)
    torch.testing.assert_close(clips(equal_frames(image)), model(image), atol=1e-5, rtol=1e-5)


def test_center_sees_one_frame_and_repeat_its_neighbours() -> None:
    encoder, video = seasoned(ResNet(widths=(8,), depths=(1,))), torch.randn(1, 3, 4, 32, 32)
    alone = [encoder(video[:, :, t])["stage1"] for t in range(4)]
    centered = marey.inflate(encoder, frames=3, mode="center")(video)["stage1"]
    torch.testing.assert_close(centered, torch.stack(alone, 2), atol=1e-5, rtol=1e-5)
    repeated = marey.inflate(encoder, frames=3, mode="repeat")(video)["stage1"]
    assert (repeated - centered).abs().max() > 0.1


def test_weights_and_statistics_are_those_of_the_image() -> None:
    encoder = seasoned(ResNet(widths=(8,), depths=(1,)))
    flat, deep = encoder.state_dict(), marey.inflate(encoder, frames=4, mode="repeat").state_dict()
    assert list(flat) == list(deep)
    for name, x in flat.items():
        if x.ndim == 4 and x.shape[-1] > 1:
            assert deep[name].shape == (*x.shape[:2], 4, *x.shape[2:])
            torch.testing.assert_close(deep[name].sum(2), x)
        else:
            assert torch.equal(deep[name], x)
    middle = marey.inflate(encoder, frames=4, mode="center").state_dict()["stem.conv.weight"]
    assert torch.equal(middle[:, :, 1], flat["stem.conv.weight"]) and not middle[:, :, [0, 2, 3]].any()


def test_the_network_of_images_is_left_alone() -> None:
    model = Classifier(nn.BatchNorm2d(6))
    seasoned(model).train()
    model.middle.eval()
    before, state = repr(model), {name: x.clone() for name, x in model.state_dict().items()}
    deep = marey.inflate(model, frames=3)
    assert repr(model) == before and all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    for some in (model, deep):
        assert {name for name, m in some.named_modules() if not m.training} == {"middle"}
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in some.modules())
    assert not {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in deep.parameters()}


def test_the_global_random_state_is_not_touched() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    model = ResNet(widths=(4,), depths=(1,))
    torch.manual_seed(1)
    marey.inflate(model, frames=3)
    assert torch.equal(torch.rand(1), expected)


def test_all_parameters_of_an_inflated_network_learn() -> None:
    clips = marey.inflate(FrameModel(num_classes=3, encoder=ENCODERS["resnet"], head=LstmHead), frames=3)
    assert isinstance(clips, ClipModel)
    F.cross_entropy(clips(torch.randn(3, 3, 4, 32, 32)), torch.tensor([0, 1, 2])).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in clips.parameters())
    assert clips.branches(encoded := clips.encode(torch.randn(1, 3, 4, 32, 32)))[0].shape == (1, 3)
    assert encoded.shape == (1, 4, 24)


def test_a_frozen_encoder_stays_frozen() -> None:
    clips = marey.inflate(FrameModel(num_classes=3, encoder=ENCODERS["resnet"], head=MeanHead, frozen=True), frames=3)
    clips.train()
    assert clips.frozen and not any(m.training for m in clips.get_submodule("encoder").modules())
    assert [name for name, p in clips.named_parameters() if p.requires_grad] == ["head.fc.weight", "head.fc.bias"]


def test_bad_clips_are_refused_as_before() -> None:
    clips = marey.inflate(FrameModel(num_classes=3, encoder=ENCODERS["resnet"], head=MeanHead), frames=3)
    with pytest.raises(ValueError, match="video has 1 channels; this network takes 3"):
        clips(torch.zeros(1, 1, 4, 32, 32))


def test_modules_that_are_shared_stay_shared() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    clips = marey.inflate(nn.Sequential(conv, nn.ReLU(), conv), frames=3, at=["2"])
    assert clips[0] is clips[2]  # pyright: ignore[reportIndexIssue]


def test_at_chooses_the_convolutions_that_span_frames() -> None:
    encoder = ENCODERS["bottlenecks"]()
    kernels = lambda model: {  # noqa: E731
        name: m.kernel_size for name, m in model.named_modules() if isinstance(m, nn.Conv3d) and m.kernel_size[0] > 1
    }
    names = ["stages.stage1.0.body.conv1.conv", "stages.stage2"]
    assert kernels(marey.inflate(encoder, frames=3, at=names)) == {
        "stages.stage1.0.body.conv1.conv": (3, 1, 1),
        "stages.stage2.0.body.conv2.conv": (3, 3, 3),
        "stages.stage2.1.body.conv2.conv": (3, 3, 3),
    }
    assert set(kernels(marey.inflate(encoder, frames=5, at=["stem"])).values()) == {(5, 7, 7)}
    assert not kernels(marey.inflate(encoder, frames=5, at=[]))
    with pytest.raises(ValueError, match=r"has no module `stages.stage3`; the nearest names are `stages.stage"):
        marey.inflate(encoder, frames=3, at=["stages.stage3"])
    with pytest.raises(ValueError, match=r"`pool` \(MaxPool2d\) has no nn.Conv2d larger than 1 x 1"):
        marey.inflate(encoder, frames=3, at=["pool"])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@settings(max_examples=40, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.sampled_from([0, 1, 2, (0, 1), "same", "valid"]),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    kind=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    frames=st.integers(1, 4),
    mode=st.sampled_from(["repeat", "center"]),
    clip=st.integers(1, 4),
)
def test_one_convolution_of_any_kind(
    kernel: tuple[int, int],
    stride: int,
    padding: int | tuple[int, int] | str,
    dilation: int,
    groups: int,
    kind: Literal["zeros", "reflect", "replicate", "circular"],
    frames: int,
    mode: str,
    clip: int,
) -> None:
    stride = 1 if padding == "same" else stride
    conv = nn.Conv2d(4, 2, kernel, stride, padding, dilation, groups, padding_mode=kind)
    image = torch.randn(2, 4, 9, 8)
    deep = InflatedConv(conv, frames=frames, mode=mode, padding="replicate")
    torch.testing.assert_close(deep(equal_frames(image, clip)), equal_frames(conv(image), clip), atol=1e-5, rtol=1e-5)
    with_zeros = InflatedConv(conv, frames=frames, mode=mode, padding="zeros")(equal_frames(image, 7))
    torch.testing.assert_close(with_zeros[:, :, 3], conv(image), atol=1e-5, rtol=1e-5)


def test_same_padding_depends_on_the_size() -> None:
    conv, image = SameConv2d(2, 3, 3, 2), torch.randn(1, 2, 9, 8)
    deep = InflatedConv(conv, frames=3, mode="repeat", padding="replicate")
    torch.testing.assert_close(deep(equal_frames(image)), equal_frames(conv(image)), atol=1e-6, rtol=1e-5)


class Standardized(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight - self.weight.mean())


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, 6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


class Branch(nn.Module):
    def __init__(self, path: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        return self.path(x)


class Positioned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", torch.ones(1, 6, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x


class Ending(nn.Module):
    """Convolution, something, and a linear layer."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.end, self.fc = nn.Conv2d(3, 6, 3, padding=1), end, nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.end(self.conv(x)))


class Largest(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).amax((-1, -2))


def four(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.flatten(2).view(n, c, h, w)


def handed(parent: str, child: str, shape: str, call: str) -> str:
    return (
        rf"the network itself \({parent}\) cannot be inflated: of a clip of equal frames it hands `{child}` "
        rf"something else than of the image, {shape} for .*, after {call} in its forward; .* {WHOLE_CLIPS}.* "
        "nn.AdaptiveAvgPool2d and nn.Flatten for a mean"
    )


def twins() -> nn.Module:
    one, two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
    two.weight = one.weight
    return nn.Sequential(one, two)


def hooked() -> nn.Module:
    model = Classifier(nn.Identity())
    model.conv.register_forward_hook(lambda module, args, out: out)
    return model


def traced() -> nn.Module:
    with warnings.catch_warnings(action="ignore"):  # deprecated, and still about
        return torch.jit.trace(nn.ReLU(), torch.zeros(1))  # pyright: ignore[reportReturnType]


WHOLE_CLIPS = r"are inflated where they are modules, such as nn.MaxPool2d"
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "own convolution": (lambda: Classifier(Standardized(6, 6, 3)), r"`middle` \(Standardized\) is a kind of its own"),
    "own normalization": (
        lambda: Classifier(type("Odd", (nn.BatchNorm2d,), {})(6)),
        r"`middle` \(Odd\) is a kind of its own",
    ),
    "parameter of images": (lambda: Classifier(Scaled()), r"`middle` \(Scaled\) holds gain of 4 axes"),
    "buffer of images": (lambda: Classifier(Positioned()), r"`middle` \(Positioned\) holds filter of 4 axes"),
    "weights of another": (twins, "`1` (Conv2d) has the weights of `0`".replace("(", r"\(").replace(")", r"\)")),
    "hooks": (hooked, r"`conv` \(Conv2d\) has hooks, which would be lost"),
    "compiled": (
        lambda: Classifier(traced()),
        r"`middle` \(\w+\) is compiled",
    ),
    "functional pooling": (
        lambda: Classifier(Branch(lambda x: F.max_pool2d(x, 2))),
        rf"`middle` \(Branch\) cannot be inflated: max_pool2d fails on a clip \(.*\); .* {WHOLE_CLIPS}",
    ),
    "functional resizing": (
        lambda: Classifier(Branch(lambda x: F.interpolate(x, scale_factor=2))),
        rf"on equal frames, `middle` \(Branch\) answers otherwise than on the image after interpolate in its forward; "
        rf".* {WHOLE_CLIPS}",
    ),
    "mean over two axes": (
        lambda: Classifier(nn.Identity(), lambda x: x.mean((2, 3), keepdim=True)),
        r"the network itself \(Classifier\) cannot be inflated: of a clip of equal frames it hands `last` something "
        r"else than of the image, \(1, 6, 1, 1, 64\) for \(1, 6, 1, 1\), after mean in its forward",
    ),
    "normalization of whole images": (
        lambda: Classifier(nn.LayerNorm([6, 64, 64])),
        r"`middle` \(LayerNorm\) cannot be inflated: layer_norm fails on a clip",
    ),
    "axes in an order": (
        lambda: Classifier(nn.Identity(), lambda x: x.permute(0, 1, 3, 2)),
        r"the network itself \(Classifier\) cannot be inflated: permute fails on a clip",
    ),
    "a map of another form": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Branch(lambda x: x.flatten(2))),
        r"the network gives an image \(.*\) and a clip \(.*\), which cannot be compared; pooling",
    ),
    "a mean of maps": (lambda: Ending(lambda x: x.mean((2, 3))), handed("Ending", "fc", r"\(1, 6, 64\)", "mean")),
    "a pooling to one": (
        lambda: Ending(lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1)),
        handed("Ending", "fc", r"\(1, 18\)", "flatten"),
    ),
    "an interpolation": (
        lambda: Classifier(nn.Identity(), lambda x: F.interpolate(x, scale_factor=2)),
        handed("Classifier", "last", r"\(1, 6, 6, 128, 128\)", "interpolate"),
    ),
    "a slice": (
        lambda: Classifier(nn.Identity(), lambda x: x[:, :, 1:-1, 1:-1]),
        handed("Classifier", "last", r"\(1, 6, 1, 62, 64\)", "slicing"),
    ),
    "a shape of four": (
        lambda: Classifier(nn.Identity(), four),
        r"the network itself \(Classifier\) cannot be inflated: its forward fails on a clip \(too many values",
    ),
    "a maximum at the end": (
        lambda: nn.Sequential(Classifier(nn.Identity()), Branch(lambda x: x.amax((-1, -2)))),
        r"gives an image \(1, 4\) and a clip \(1, 4, 3\), which cannot be compared; pooling",
    ),
    "a maximum in the forward": (
        Largest,
        r"gives an image \(1, 4\) and a clip \(1, 4, 3\), which cannot be compared after amax in its forward; pooling",
    ),
}


@pytest.mark.parametrize("build, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_inflated_is_named(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        marey.inflate(build(), frames=3)


def test_a_sum_over_positions_is_another_in_a_clip() -> None:
    """GloRe as released gathers sums, so that more frames are more of everything; its normalized form does not."""
    encoder = partial(ResNet, widths=(8,), depths=(1,))
    model = FrameModel(num_classes=3, encoder=encoder, head=MeanHead)
    with pytest.raises(
        ValueError,
        match=r"`encoder.stages.stage1.block` \(GloRe\) sums over positions, of which a clip has more \(inflate first",
    ):
        marey.inflate(marey.add_glore(model, ["encoder.stages.stage1"]), frames=3)
    assert marey.inflate(marey.add_glore(model, ["encoder.stages.stage1"], normalize=True), frames=3)


def test_every_module_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match=r"`0` \(Standardized\) is a kind of its own; `1` \(Scaled\) holds gain"):
        marey.inflate(nn.Sequential(Standardized(3, 6, 3), Scaled()), frames=3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"frames": 0}, "frames is 0; an inflated kernel spans 1 frame or more"),
        ({"frames": 3, "mode": "copy"}, "mode is 'copy'; inflation knows repeat and center"),
        ({"frames": 3, "padding": "wrap"}, "padding is 'wrap'; inflation knows replicate and zeros"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        marey.inflate(ResNet(widths=(4,), depths=(1,)), **arguments)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("frames", ["3", 2.5])
def test_frames_are_a_whole_number(frames: object) -> None:
    with pytest.raises(
        ValueError, match=f"frames is {frames!r}; an inflated kernel spans 1 frame or more, a whole num"
    ):
        _check_arguments(frames, "repeat", "zeros")


def test_networks_of_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="inflate takes a network of images or a FrameModel, and ResNet3D is neither"):
        marey.inflate(ResNet3D(num_classes=2, kinds=("3d", "3d", "3d", "3d")), frames=3)
    with pytest.raises(ValueError, match=r"inflate found no nn.Conv2d in Conv3d, so there is nothing to inflate"):
        marey.inflate(nn.Conv3d(1, 1, 1), frames=3)


def test_an_input_is_asked_for_where_none_is_found() -> None:
    only = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(2 * 50 * 50, 2))
    with pytest.raises(ValueError, match=r"no input was found that Sequential takes, .* `2` \(Linear\) .* as example="):
        marey.inflate(only, frames=3)
    image = torch.randn(1, 3, 50, 50)
    clips = marey.inflate(only, frames=3, example=image)
    torch.testing.assert_close(clips(equal_frames(image)), only(image), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match=re.escape("`0` (Conv2d) failed in conv2d: ")):
        marey.inflate(only, frames=3, example=torch.randn(1, 1, 50, 50))


def test_on_the_meta_device_shapes_are_compared() -> None:
    with torch.device("meta"):
        model = ResNet(widths=(4,), depths=(1,))
    clips = marey.inflate(model, frames=3)
    assert clips(torch.empty(1, 3, 2, 32, 32, device="meta"))["stage1"].shape == (1, 4, 2, 8, 8)
