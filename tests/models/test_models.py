"""What is particular to a family; what all of them promise is in tests/presets/test_contract.py."""

from functools import partial

import pytest
import torch

from marey.models import C3D, EfficientNetLite, FrameModel, FusionNet, MotionNet, PerFrame, ResNet, ResNet3D
from marey.nn import LstmHead, MeanHead

tiny = partial(FusionNet, widths=(4, 6), kernels=((1, 3), (1, 3)), strides=((1, 1), (1, 1)), pools=((1, 2), (1, 2)))
tiny_resnet = partial(ResNet, widths=(4, 6), depths=(1, 1))


@pytest.mark.parametrize(
    "model",
    [
        FrameModel(num_classes=5, encoder=tiny_resnet, head=MeanHead),
        PerFrame(num_classes=5, net=partial(tiny, fixed=(1, 16), hidden=(7,))),
    ],
    ids=["encoder and head", "whole network"],
)
def test_image_models_take_images_and_average_the_logits_of_frames(model: FrameModel | PerFrame) -> None:
    model.eval()
    images = torch.randn(4, 3, 16, 16)
    logits = model(images)
    assert logits.shape == (4, 5)
    clip = images.transpose(0, 1).unsqueeze(0)
    torch.testing.assert_close(model(clip)[0], logits.mean(0))
    assert model.features(images).keys() == model.features(clip).keys()


def test_late_fusion_by_pooling_is_blind_to_order_and_slow_fusion_is_not() -> None:
    video = torch.randn(1, 3, 6, 16, 16)
    late = tiny(num_classes=5).eval()
    torch.testing.assert_close(late(video), late(video.flip(2)))
    slow = tiny(num_classes=5, kernels=((3, 3), (3, 3))).eval()
    assert not torch.allclose(slow(video), slow(video.flip(2)), atol=1e-5)


def test_early_fusion_stacks_frames_into_channels() -> None:
    model = tiny(num_classes=5, early_frames=4)
    assert model.layers[0].conv.in_channels == 12
    with pytest.raises(ValueError, match="video has 5 frames; this network was built for exactly 4"):
        model(torch.zeros(1, 3, 5, 16, 16))


def test_fully_connected_fusion_takes_one_size_only() -> None:
    model = tiny(num_classes=5, fixed=(3, 16), hidden=(7,))
    with pytest.raises(ValueError, match="video is 18 x 18 pixels; this network was built for exactly 16 x 16"):
        model(torch.zeros(1, 3, 3, 18, 18))


def test_pooling_models_take_any_size_from_their_least() -> None:
    for model in (tiny(num_classes=5), ResNet3D(num_classes=5, widths=(4, 4, 4, 4), depths=(1, 1, 1, 1))):
        assert model.eval()(torch.randn(1, 3, 9, 33, 40)).shape == (1, 5)


@pytest.mark.parametrize("classes, params", [(101, 78_409_573), (487, 79_991_015)])
def test_c3d_has_the_published_number_of_parameters(classes: int, params: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in C3D(num_classes=classes).parameters()) == params


def test_c3d_as_often_drawn_is_one_argument_apart() -> None:
    with torch.device("meta"):
        padded, drawn = C3D(num_classes=101), C3D(num_classes=101, pad_pool5=False)
        video = torch.empty(1, 3, 16, 112, 112)
    assert padded.features(video)["stage5"].shape == (1, 512, 1, 4, 4)
    assert drawn.features(video)["stage5"].shape == (1, 512, 1, 3, 3)
    assert sum(p.numel() for p in drawn.parameters()) == 63_729_509
    assert len(padded.state_dict()) == 22


def test_mc3_leaves_time_alone_after_its_first_stage() -> None:
    model = ResNet3D(num_classes=5, kinds=("3d", "2d", "2d", "2d"), widths=(4, 4, 4, 4), depths=(1, 1, 1, 1)).eval()
    maps = model.features(torch.randn(1, 3, 4, 32, 32))
    assert [tuple(x.shape[2:]) for x in maps.values()] == [(4, 16, 16), (4, 16, 16), (4, 8, 8), (4, 4, 4), (4, 2, 2)]


def test_a_frozen_encoder_neither_learns_nor_moves() -> None:
    model = FrameModel(num_classes=5, encoder=tiny_resnet, head=MeanHead, frozen=True).train()
    assert model.training and model.head.training and not model.encoder.training
    assert not any(p.requires_grad for p in model.encoder.parameters())
    tokens = model.encode(torch.randn(2, 3, 4, 16, 16))
    assert tokens.shape == (2, 4, model.encoder.dim) and not tokens.requires_grad


def test_a_recurrent_model_gives_logits_after_every_frame() -> None:
    model = FrameModel(num_classes=5, encoder=tiny_resnet, head=partial(LstmHead, hidden=6)).eval()
    tokens = model.encode(torch.randn(2, 3, 4, 16, 16))
    torch.testing.assert_close(model.head.steps(tokens)[:, -1], model.classify(tokens))


def test_efficientnet_lite0_has_the_published_stages() -> None:
    with torch.device("meta"):
        maps = EfficientNetLite().eval()(torch.empty(1, 3, 224, 224))
    assert [tuple(x.shape[1:3]) for x in maps.values()] == [
        (32, 112), (16, 112), (24, 56), (40, 28), (80, 14), (112, 14), (192, 7), (320, 7), (1280, 7)
    ]  # fmt: skip


def test_motion_model_is_shown_the_differences_of_frames() -> None:
    model = MotionNet(num_classes=5, lags=(1, 2), widths=(4, 6), depths=(1, 1), parts=2).eval()
    still = torch.randn(1, 3, 1, 16, 16).expand(-1, -1, 8, -1, -1)
    assert model.features(still)["change"].abs().max() == 0
    video = torch.randn(1, 3, 8, 16, 16)
    change = model.features(video)["change"]
    torch.testing.assert_close(change[:, :3, 1:], video[:, :, 1:] - video[:, :, :-1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(change[:, 3:, 2:], video[:, :, 2:] - video[:, :, :-2], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(model(video), model(video.flip(2)), atol=1e-5)
