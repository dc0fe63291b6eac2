"""Blocks: small modules and functions on tensors that models are made of. No whole models here."""

from .conv import SpaceTimeConv, conv2d, conv3d, conv_norm, named, same_cost_width
from .double_attention import DoubleAttention
from .gates import SelfGate, SqueezeExcite
from .glore import GloRe
from .multi_fiber import MultiFiber
from .non_local import NonLocal
from .residual import Residual, basic_block_2d, basic_block_3d, bottleneck_2d, bottleneck_3d
from .same import SameConv2d, SameConv3d, SameMaxPool2d, SameMaxPool3d
from .shapes import check_clip, fold_time, unfold_time
from .standard_linear import StandardLinear
from .temporal import AttentionHead, DifferenceHead, LinearHead, LstmHead, MeanHead, TcnHead, TemporalHead

__all__ = [
    "AttentionHead",
    "DifferenceHead",
    "DoubleAttention",
    "GloRe",
    "LinearHead",
    "LstmHead",
    "MeanHead",
    "MultiFiber",
    "NonLocal",
    "Residual",
    "SameConv2d",
    "SameConv3d",
    "SameMaxPool2d",
    "SameMaxPool3d",
    "SelfGate",
    "SpaceTimeConv",
    "SqueezeExcite",
    "StandardLinear",
    "TcnHead",
    "TemporalHead",
    "basic_block_2d",
    "basic_block_3d",
    "bottleneck_2d",
    "bottleneck_3d",
    "check_clip",
    "conv2d",
    "conv3d",
    "conv_norm",
    "fold_time",
    "named",
    "same_cost_width",
    "unfold_time",
]
