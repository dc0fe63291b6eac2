"""Blocks: small modules and functions on tensors that models are made of. No whole models here."""

from .conv import SameConv2d, SpaceTimeConv, conv2d, conv3d, conv_norm, named, same_cost_width
from .double_attention import DoubleAttention
from .glore import GloRe
from .non_local import NonLocal
from .residual import Residual, basic_block_2d, basic_block_3d, bottleneck_2d
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
    "NonLocal",
    "Residual",
    "SameConv2d",
    "SpaceTimeConv",
    "StandardLinear",
    "TcnHead",
    "TemporalHead",
    "basic_block_2d",
    "basic_block_3d",
    "bottleneck_2d",
    "check_clip",
    "conv2d",
    "conv3d",
    "conv_norm",
    "fold_time",
    "named",
    "same_cost_width",
    "unfold_time",
]
