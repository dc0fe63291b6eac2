"""Blocks: small modules and functions on tensors that models are made of. No whole models here."""

from .batch_norm_lstm import BatchNormLSTM, BatchNormLstmHead
from .conv import SpaceTimeConv, conv2d, conv3d, conv_norm, named, same_cost_width
from .conv_recurrent import BuildRecurrence, ConvGRU, ConvLSTM, ConvRecurrence, ConvRNN
from .divided import DividedAttention, DividedBlock, TimeThenSpaceBlock
from .double_attention import DoubleAttention
from .flow_feature import FlowFeature, FlowFeatureBranch, SpaceGradient
from .gates import SelfGate, SqueezeExcite
from .glore import GloRe
from .landmarks import Nystrom, Orthoformer
from .motion_cues import MotionCues
from .multi_fiber import MultiFiber
from .nearest_mean import NearestMean
from .non_local import NonLocal
from .non_local_means import non_local_means
from .octave import OctConv
from .octave_map import Octave, merged
from .residual import Residual, basic_block_2d, basic_block_3d, bottleneck_2d, bottleneck_3d
from .same import SameConv2d, SameConv3d, SameMaxPool2d, SameMaxPool3d
from .shapes import check_clip, fold_time, unfold_time
from .snippets import middle_frames, stacked_frames
from .standard_linear import StandardLinear
from .temporal import (
    AttentionHead,
    DifferenceHead,
    LinearHead,
    LstmHead,
    MeanHead,
    StreamingHead,
    TcnHead,
    TemporalHead,
)
from .trajectory import TrajectoryAttention
from .transformer import (
    ClassToken,
    GridPositions,
    SelfAttention,
    TransformerBlock,
    check_patches,
    draw_weights,
    patch_grid,
    sinusoids,
    to_map,
    to_tokens,
)
from .warp import warp

__all__ = [
    "AttentionHead",
    "BatchNormLSTM",
    "BatchNormLstmHead",
    "BuildRecurrence",
    "ClassToken",
    "ConvGRU",
    "ConvLSTM",
    "ConvRNN",
    "ConvRecurrence",
    "DifferenceHead",
    "DividedAttention",
    "DividedBlock",
    "DoubleAttention",
    "FlowFeature",
    "FlowFeatureBranch",
    "GloRe",
    "GridPositions",
    "LinearHead",
    "LstmHead",
    "MeanHead",
    "MotionCues",
    "MultiFiber",
    "NearestMean",
    "NonLocal",
    "Nystrom",
    "OctConv",
    "Octave",
    "Orthoformer",
    "Residual",
    "SameConv2d",
    "SameConv3d",
    "SameMaxPool2d",
    "SameMaxPool3d",
    "SelfAttention",
    "SelfGate",
    "SpaceGradient",
    "SpaceTimeConv",
    "SqueezeExcite",
    "StandardLinear",
    "StreamingHead",
    "TcnHead",
    "TemporalHead",
    "TimeThenSpaceBlock",
    "TrajectoryAttention",
    "TransformerBlock",
    "basic_block_2d",
    "basic_block_3d",
    "bottleneck_2d",
    "bottleneck_3d",
    "check_clip",
    "check_patches",
    "conv2d",
    "conv3d",
    "conv_norm",
    "draw_weights",
    "fold_time",
    "merged",
    "middle_frames",
    "named",
    "non_local_means",
    "patch_grid",
    "same_cost_width",
    "sinusoids",
    "stacked_frames",
    "to_map",
    "to_tokens",
    "unfold_time",
    "warp",
]
