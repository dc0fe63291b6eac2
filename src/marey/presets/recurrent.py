"""Recurrence: over maps of several depths, over pieces seen by a 3D network, and the I3D paper's CNN + LSTM.

The plain CNN + LSTM networks are rungs of the ladder.
"""

from functools import partial

from ..models import RCN, VGG, FrameModel, InceptionV1, ResNet, ResNet3D, VideoLstm
from ..nn import BatchNormLstmHead, BuildRecurrence, ConvGRU, ConvLSTM, ConvRNN, LstmHead
from .inception import CARREIRA, rgb
from .inputs import STAGE, imagenet, kinetics
from .preset import Mini, Preset

BALLAS = "Ballas et al., ICLR 2016, arXiv:1511.06432"
SHI = "Shi et al., NIPS 2015, arXiv:1506.04214"
BACCOUCHE = "Baccouche et al., Human Behavior Understanding 2011, on R3D (arXiv:1711.11248)"

# Ten frames in a row, as we remember the paper.
VGG_CLIP = imagenet(frames=10, stride=1, side_px=224, short_px=256)
vgg_rcn = partial(
    RCN,
    encoder=VGG,
    levels=("pool2", "pool3", "pool4", "pool5", "fc7"),
    hidden=(64, 128, 256, 256, 512),
    kernels=(3, 3, 3, 3, 1),
    dropout=0.7,
)
resnet_rcn = partial(
    RCN,
    encoder=ResNet,
    levels=("stage1", "stage2", "stage3", "stage4"),
    hidden=(64, 128, 256, 256),
    dropout=0.5,
)
stage_rcn = partial(
    RCN,
    encoder=partial(ResNet, widths=(16, 32, 64, 128), depths=(1, 1, 1, 1)),
    levels=("stage2", "stage3", "stage4"),
    hidden=(32, 48, 64),
    dropout=0.2,
)
r3d = partial(ResNet3D, kinds=("3d", "3d", "3d", "3d"))
small_r3d = partial(ResNet3D, kinds=("3d",) * 3, widths=(24, 48, 96), depths=(1, 1, 1), stem_stride=4)

tiny = partial(ResNet, widths=(4, 6), depths=(1, 1))
tiny_rcn = partial(RCN, encoder=tiny, levels=("stage1", "stage2"), hidden=(3, 4))
tiny_vgg = partial(VGG, widths=(4, 5), depths=(1, 2), hidden=8, side=2, dropout=0.0)
tiny_r3d = partial(ResNet3D, kinds=("3d",) * 2, widths=(4, 6), depths=(1, 1))
tiny_vgg_rcn = partial(tiny_rcn, encoder=tiny_vgg, levels=("pool1", "fc7"), kernels=(3, 1))
MINI_RESNET = Mini(tiny_rcn, frames=3, side_px=16)
MINI_INCEPTION = Mini(
    partial(
        FrameModel,
        encoder=partial(InceptionV1, same=True, width=0.125),
        head=partial(BatchNormLstmHead, hidden=5, steps=2),
    ),
    frames=3,
    side_px=32,
)
MINI_R3D = Mini(
    partial(VideoLstm, net=tiny_r3d, head=partial(LstmHead, hidden=5), frames=4, dim=6), frames=8, side_px=16
)


def over_vgg(name: str, family: str, *, bidirectional: bool = False, stacked: bool = False) -> Preset:
    """A row for the paper's own network, or for one of its variants."""
    return Preset(
        name=name,
        family=family,
        paper=BALLAS,
        build=partial(vgg_rcn, bidirectional=bidirectional, stacked=stacked),
        classes=101,
        clip=VGG_CLIP,
        mini=Mini(partial(tiny_vgg_rcn, bidirectional=bidirectional, stacked=stacked), frames=3, side_px=8),
    )


def on_stage(name: str, family: str, paper: str, cell: BuildRecurrence) -> Preset:
    """A row for one recurrence over the maps of a small ResNet."""
    return Preset(
        name=name,
        family=family,
        paper=paper,
        build=partial(stage_rcn, cell=cell),
        classes=24,
        clip=STAGE,
        mini=Mini(partial(tiny_rcn, cell=cell), frames=3, side_px=16),
    )


RECURRENT = (
    over_vgg("gru_rcn_vgg16", "GRU-RCN"),
    over_vgg("gru_rcn_bi", "GRU-RCN, bidirectional", bidirectional=True),
    over_vgg("gru_rcn_stacked", "GRU-RCN, stacked", stacked=True),
    Preset(
        name="gru_rcn_resnet18",
        family="GRU-RCN",
        paper=f"{BALLAS}, on a ResNet",
        build=resnet_rcn,
        classes=101,
        clip=VGG_CLIP,
        mini=MINI_RESNET,
    ),
    on_stage("gru_rcn_stage", "GRU-RCN", BALLAS, ConvGRU),
    on_stage("conv_lstm_stage", "ConvLSTM", SHI, partial(ConvLSTM, peephole=True)),
    on_stage("conv_rnn_stage", "convolutional RNN", f"{BALLAS}, without gates", ConvRNN),
    Preset(
        name="lstm_inception",
        family="CNN + LSTM, batch-normalized",
        paper=CARREIRA,
        build=partial(FrameModel, encoder=partial(InceptionV1, same=True), head=BatchNormLstmHead),
        classes=400,
        clip=rgb(frames=25, stride=5, side_px=224, short_px=256, fps=25.0),
        mini=MINI_INCEPTION,
    ),
    Preset(
        name="r3d_lstm",
        family="3D CNN + LSTM",
        paper=BACCOUCHE,
        build=partial(VideoLstm, net=r3d, head=partial(LstmHead, hidden=512, dropout=0.5), frames=16),
        classes=400,
        clip=kinetics(frames=64, stride=1, side_px=112, short_px=128),
        mini=MINI_R3D,
    ),
    Preset(
        name="r3d_lstm_stage",
        family="3D CNN + LSTM",
        paper=BACCOUCHE,
        build=partial(VideoLstm, net=small_r3d, head=partial(LstmHead, hidden=128, dropout=0.2), frames=4, dim=128),
        classes=24,
        clip=STAGE,
        mini=MINI_R3D,
    ),
)
