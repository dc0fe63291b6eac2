"""The classic ladder: ways to merge time, from none at all to everywhere and to recurrence."""

from functools import partial

from ..models import C3D, FrameModel, FusionNet, PerFrame, ResNet
from ..nn import LstmHead
from .inputs import C3D_CLIP, LECTURE, STAGE, STAGE_FRAME, imagenet, plain
from .preset import Mini, Preset

KARPATHY = "Karpathy et al., CVPR 2014"
POOLING = "Ng et al., CVPR 2015, arXiv:1503.08909"
TRAN_2015 = "Tran et al., ICCV 2015, arXiv:1412.0767"
DONAHUE = "Donahue et al., CVPR 2015, arXiv:1411.4389"
LESSON = "a two-layer network for teaching, our own"

# Five layers at 170 px: 11 x 11 with stride 3, 5 x 5, and three 3 x 3, as in the paper.
sports = partial(
    FusionNet,
    widths=(96, 256, 384, 384, 256),
    kernels=((1, 11), (1, 5), (1, 3), (1, 3), (1, 3)),
    strides=((1, 3), (1, 1), (1, 1), (1, 1), (1, 1)),
    pools=((1, 2), (1, 2), (1, 1), (1, 1), (1, 2)),
    dropout=0.5,
)
sports_fc = partial(sports, hidden=(4096, 4096))
# Four layers at 64 px; the same widths on every rung, so that only the merging of time differs.
small = partial(
    FusionNet,
    widths=(24, 48, 96, 128),
    kernels=((1, 5), (1, 3), (1, 3), (1, 3)),
    strides=((1, 2), (1, 1), (1, 1), (1, 1)),
    pools=((1, 2), (1, 2), (1, 2), (1, 1)),
    dropout=0.2,
)
lecture = partial(
    FusionNet, widths=(12, 24), kernels=((1, 3), (1, 3)), strides=((1, 1), (1, 1)), pools=((1, 4), (1, 1))
)
tiny = partial(FusionNet, widths=(4, 6), kernels=((1, 3), (1, 3)), strides=((1, 1), (1, 1)), pools=((1, 2), (1, 2)))
small_c3d = partial(C3D, widths=(8, 12, 24, 48, 48), hidden=256, side=64, norm=True)
tiny_c3d = partial(C3D, widths=(3, 4, 5, 6, 6), hidden=8, side=32)

resnet18_small = partial(ResNet, widths=(16, 32, 64, 128), depths=(1, 1, 1, 1))
resnet50 = partial(ResNet, bottleneck=True, depths=(3, 4, 6, 3))
resnet_tiny = partial(ResNet, widths=(4, 6), depths=(1, 1))
last_step = partial(LstmHead, hidden=512, dropout=0.5)
every_step = partial(LstmHead, hidden=512, dropout=0.5, per_frame=True)
small_last_step = partial(LstmHead, hidden=128, dropout=0.2)
small_every_step = partial(LstmHead, hidden=128, dropout=0.2, per_frame=True)
tiny_last_step = partial(LstmHead, hidden=5)
tiny_every_step = partial(LstmHead, hidden=5, per_frame=True)

MINI_SINGLE = Mini(partial(PerFrame, net=tiny), frames=2, side_px=16)
MINI_LATE_FC = Mini(partial(tiny, fixed=(3, 16), hidden=(7,)), frames=3, side_px=16)
MINI_LATE_POOL = Mini(tiny, frames=3, side_px=16)
MINI_EARLY = Mini(partial(tiny, early_frames=4), frames=4, side_px=16)
MINI_SLOW = Mini(partial(tiny, kernels=((3, 3), (2, 3)), pools=((2, 2), (1, 2))), frames=6, side_px=16)
MINI_LAST = Mini(partial(FrameModel, encoder=resnet_tiny, head=tiny_last_step), frames=3, side_px=16)
MINI_EVERY = Mini(partial(FrameModel, encoder=resnet_tiny, head=tiny_every_step), frames=3, side_px=16)

LADDER = (
    Preset(
        name="single_frame",
        family="single-frame CNN",
        paper=KARPATHY,
        build=partial(PerFrame, net=partial(sports_fc, fixed=(1, 170))),
        classes=487,
        clip=plain(frames=1, stride=1, side_px=170, short_px=200),
        mini=MINI_SINGLE,
    ),
    Preset(
        name="single_frame_stage",
        family="single-frame CNN",
        paper=KARPATHY,
        build=partial(PerFrame, net=small),
        classes=24,
        clip=STAGE_FRAME,
        mini=MINI_SINGLE,
    ),
    Preset(
        name="late_fusion_fc",
        family="late fusion, fully connected",
        paper=KARPATHY,
        build=partial(sports_fc, fixed=(2, 170)),
        classes=487,
        clip=plain(frames=2, stride=15, side_px=170, short_px=200),
        mini=MINI_LATE_FC,
    ),
    Preset(
        name="late_fusion_fc_stage",
        family="late fusion, fully connected",
        paper=KARPATHY,
        build=partial(small, fixed=(16, 64), hidden=(128,), pools=((1, 2), (1, 2), (1, 2), (1, 2))),
        classes=24,
        clip=STAGE,
        mini=MINI_LATE_FC,
    ),
    Preset(
        name="late_fusion_pool",
        family="late fusion, pooling",
        paper=POOLING,
        build=sports,
        classes=487,
        clip=plain(frames=16, stride=4, side_px=170, short_px=200),
        mini=MINI_LATE_POOL,
    ),
    Preset(
        name="late_fusion_pool_stage",
        family="late fusion, pooling",
        paper=POOLING,
        build=small,
        classes=24,
        clip=STAGE,
        mini=MINI_LATE_POOL,
    ),
    Preset(
        name="late_fusion_lecture",
        family="late fusion, pooling",
        paper=LESSON,
        build=lecture,
        classes=10,
        clip=LECTURE,
        mini=MINI_LATE_POOL,
    ),
    Preset(
        name="early_fusion",
        family="early fusion",
        paper=KARPATHY,
        build=partial(sports_fc, early_frames=10, fixed=(10, 170)),
        classes=487,
        clip=plain(frames=10, stride=1, side_px=170, short_px=200),
        mini=MINI_EARLY,
    ),
    Preset(
        name="early_fusion_stage",
        family="early fusion",
        paper=KARPATHY,
        build=partial(small, early_frames=16),
        classes=24,
        clip=STAGE,
        mini=MINI_EARLY,
    ),
    Preset(
        name="early_fusion_lecture",
        family="early fusion",
        paper=LESSON,
        build=partial(lecture, early_frames=20),
        classes=10,
        clip=LECTURE,
        mini=MINI_EARLY,
    ),
    Preset(
        name="slow_fusion",
        family="slow fusion",
        paper=KARPATHY,
        build=partial(
            sports_fc,
            kernels=((4, 11), (2, 5), (2, 3), (1, 3), (1, 3)),
            strides=((2, 3), (2, 1), (2, 1), (1, 1), (1, 1)),
            fixed=(10, 170),
        ),
        classes=487,
        clip=plain(frames=10, stride=1, side_px=170, short_px=200),
        mini=MINI_SLOW,
    ),
    Preset(
        name="slow_fusion_stage",
        family="slow fusion",
        paper=KARPATHY,
        build=partial(small, kernels=((3, 5), (3, 3), (3, 3), (3, 3)), pools=((2, 2), (2, 2), (2, 2), (1, 1))),
        classes=24,
        clip=STAGE,
        mini=MINI_SLOW,
    ),
    Preset(
        name="slow_fusion_lecture",
        family="slow fusion",
        paper=LESSON,
        build=partial(lecture, kernels=((3, 3), (3, 3)), pools=((4, 4), (1, 1))),
        classes=10,
        clip=LECTURE,
        mini=MINI_SLOW,
    ),
    Preset(
        name="c3d",
        family="C3D",
        paper=TRAN_2015,
        build=C3D,
        classes=101,
        clip=C3D_CLIP,
        mini=Mini(tiny_c3d, frames=16, side_px=32),
    ),
    Preset(
        name="c3d_unpadded",
        family="C3D",
        paper=f"{TRAN_2015}, as often drawn: pool5 gives 512x1x3x3",
        build=partial(C3D, pad_pool5=False),
        classes=101,
        clip=C3D_CLIP,
        mini=Mini(partial(tiny_c3d, pad_pool5=False), frames=16, side_px=32),
    ),
    Preset(
        name="c3d_stage",
        family="C3D",
        paper=TRAN_2015,
        build=small_c3d,
        classes=24,
        clip=STAGE,
        mini=Mini(partial(tiny_c3d, norm=True), frames=16, side_px=32),
    ),
    Preset(
        name="cnn_lstm",
        family="CNN + LSTM, last step",
        paper=DONAHUE,
        build=partial(FrameModel, encoder=resnet50, head=last_step),
        classes=101,
        clip=imagenet(frames=16, stride=4, side_px=224, short_px=256),
        mini=MINI_LAST,
    ),
    Preset(
        name="cnn_lstm_stage",
        family="CNN + LSTM, last step",
        paper=DONAHUE,
        build=partial(FrameModel, encoder=resnet18_small, head=small_last_step),
        classes=24,
        clip=STAGE,
        mini=MINI_LAST,
    ),
    Preset(
        name="cnn_lstm_per_frame",
        family="CNN + LSTM, every step",
        paper=DONAHUE,
        build=partial(FrameModel, encoder=resnet50, head=every_step),
        classes=101,
        clip=imagenet(frames=16, stride=4, side_px=224, short_px=256),
        mini=MINI_EVERY,
    ),
    Preset(
        name="cnn_lstm_per_frame_stage",
        family="CNN + LSTM, every step",
        paper=DONAHUE,
        build=partial(FrameModel, encoder=resnet18_small, head=small_every_step),
        classes=24,
        clip=STAGE,
        mini=MINI_EVERY,
    ),
)
