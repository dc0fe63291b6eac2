"""Frozen image encoders with a head over time: what learns from few clips on a small machine."""

from functools import partial

from ..models import EfficientNetLite, FrameModel, MotionAppearance
from ..nn import AttentionHead, DifferenceHead, LinearHead, LstmHead, MeanHead, TcnHead
from .imagenet import load_lite0, load_lite0_classifier, load_lite0_motion
from .inputs import LITE_FRAMES, LITE_IMAGE, LITE_MOTION
from .preset import Mini, Preset, Score

LITE0 = "Tan and Le, ICML 2019, arXiv:1905.11946"
WEIGHTS = "tensorflow/tpu, models/official/efficientnet/lite, from which the package's weights were converted"

tiny = partial(EfficientNetLite, stages=((1, 3, 1, 1, 4), (2, 5, 2, 2, 6)), stem=4, dim=12)
tiny_five = partial(
    EfficientNetLite,
    stages=((1, 3, 1, 1, 4), (1, 3, 2, 2, 4), (1, 3, 2, 2, 4), (1, 3, 2, 2, 4), (1, 3, 1, 2, 6)),
    stem=4,
    dim=12,
)
on_lite0 = partial(FrameModel, encoder=EfficientNetLite, frozen=True)
on_tiny = partial(FrameModel, encoder=tiny, frozen=True)

FROZEN = (
    Preset(
        name="efficientnet_lite0",
        family="EfficientNet",
        paper=LITE0,
        build=partial(FrameModel, encoder=EfficientNetLite, head=partial(MeanHead, dropout=0.2)),
        classes=1000,
        clip=LITE_IMAGE,
        mini=Mini(partial(FrameModel, encoder=tiny, head=MeanHead), frames=2, side_px=32),
        pretrained=load_lite0_classifier,
        scores=(Score("ImageNet", "top-1", 75.1, "one centre crop of 224 px", WEIGHTS),),
    ),
    Preset(
        name="motion",
        family="motion statistics",
        paper="our own; covariance descriptors after Guo et al., IEEE TIP 2013",
        build=MotionAppearance,
        classes=24,
        clip=LITE_MOTION,
        mini=Mini(MotionAppearance, frames=5, side_px=48),
        frozen=True,
        linear=True,
    ),
    Preset(
        name="motion_appearance",
        family="motion statistics, frozen frames",
        paper=f"our own; covariance descriptors after Guo et al., IEEE TIP 2013; {LITE0}",
        build=partial(MotionAppearance, appearance=EfficientNetLite),
        classes=24,
        clip=LITE_MOTION,
        mini=Mini(partial(MotionAppearance, appearance=tiny_five, side_px=64), frames=5, side_px=48),
        pretrained=load_lite0_motion,
        frozen=True,
        linear=True,
    ),
    Preset(
        name="efficientnet_lite0_frame",
        family="frozen frame",
        paper=LITE0,
        build=partial(on_lite0, head=LinearHead),
        classes=24,
        clip=LITE_IMAGE,
        mini=Mini(partial(on_tiny, head=LinearHead), frames=1, side_px=32),
        pretrained=load_lite0,
        frozen=True,
        linear=True,
    ),
    Preset(
        name="efficientnet_lite0_mean",
        family="frozen frames, mean",
        paper=LITE0,
        build=partial(on_lite0, head=partial(MeanHead, dropout=0.5)),
        classes=24,
        clip=LITE_FRAMES,
        mini=Mini(partial(on_tiny, head=MeanHead), frames=4, side_px=32),
        pretrained=load_lite0,
        frozen=True,
    ),
    Preset(
        name="efficientnet_lite0_attention",
        family="frozen frames, attentive pooling",
        paper=f"{LITE0}; Ilse et al., ICML 2018, arXiv:1802.04712",
        build=partial(on_lite0, head=partial(AttentionHead, dropout=0.5)),
        classes=24,
        clip=LITE_FRAMES,
        mini=Mini(partial(on_tiny, head=AttentionHead), frames=4, side_px=32),
        pretrained=load_lite0,
        frozen=True,
    ),
    Preset(
        name="efficientnet_lite0_difference",
        family="frozen frames, temporal difference",
        paper=f"{LITE0}; the head is our own",
        build=partial(on_lite0, head=partial(DifferenceHead, dropout=0.5)),
        classes=24,
        clip=LITE_FRAMES,
        mini=Mini(partial(on_tiny, head=DifferenceHead), frames=4, side_px=32),
        pretrained=load_lite0,
        frozen=True,
    ),
    Preset(
        name="efficientnet_lite0_lstm",
        family="frozen frames, LSTM",
        paper=f"{LITE0}; Donahue et al., CVPR 2015, arXiv:1411.4389",
        build=partial(on_lite0, head=partial(LstmHead, dropout=0.5)),
        classes=24,
        clip=LITE_FRAMES,
        mini=Mini(partial(on_tiny, head=partial(LstmHead, hidden=5)), frames=4, side_px=32),
        pretrained=load_lite0,
        frozen=True,
    ),
    Preset(
        name="efficientnet_lite0_tcn",
        family="frozen frames, dilated temporal convolution",
        paper=f"{LITE0}; Lea et al., CVPR 2017, arXiv:1611.05267",
        build=partial(on_lite0, head=partial(TcnHead, dropout=0.5)),
        classes=24,
        clip=LITE_FRAMES,
        mini=Mini(partial(on_tiny, head=partial(TcnHead, width=6)), frames=4, side_px=32),
        pretrained=load_lite0,
        frozen=True,
    ),
)
