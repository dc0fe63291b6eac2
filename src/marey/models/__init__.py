"""Encoders: from a clip to a representation, and the classifier that reads it. One file a family."""

from .add_off import add_off
from .c3d import C3D
from .dmc import Discriminator, DMCNet, discriminator_loss, distillation_loss, fooling_loss
from .dpn import DPN
from .efficientnet import EfficientNetLite
from .fcn import FCN
from .fishnet import FishNet
from .frames import FrameModel, PerFrame
from .fusion import FusionNet
from .inception import InceptionV1, InceptionVideo, inception_i3d
from .inflate import inflate
from .inflated import ClipModel
from .interface import ImageEncoder, VideoModel
from .last_layers import last_layers, read_by, with_nearest_means
from .lite3d import LiteResNet3D
from .mfnet import MFNet2D, MFNet3D
from .mobilenet import MobileNetV1, MobileNetV2
from .motion import MotionNet
from .motion_appearance import MotionAppearance
from .motionformer import Motionformer
from .mvit import MViT
from .octavize import octavize
from .off import OffModel, OffNet, off_network
from .rcn import RCN
from .resnet import ResNet
from .resnet3d import ResNet3D
from .s3d import s3d
from .shufflenet import ShuffleNetV2
from .slowfast import SlowFast, VideoResNet
from .sound import SoundNet
from .spynet import SPyNet, spynet_flow
from .surgery import add_double_attention, add_glore, add_nonlocal
from .timesformer import TimeSformer
from .transfer import (
    add_adapters,
    classifier_parameters,
    freeze_body,
    parameter_depths,
    transformer_blocks,
)
from .two_stream import Fused3D, SnippetNet, TwoStream, flow_kernel, flow_start
from .vgg import VGG
from .video_lstm import VideoLstm
from .videomae import VideoMAE
from .x3d import X3D

__all__ = [
    "C3D",
    "DPN",
    "FCN",
    "RCN",
    "VGG",
    "X3D",
    "ClipModel",
    "DMCNet",
    "Discriminator",
    "EfficientNetLite",
    "FishNet",
    "FrameModel",
    "Fused3D",
    "FusionNet",
    "ImageEncoder",
    "InceptionV1",
    "InceptionVideo",
    "LiteResNet3D",
    "MFNet2D",
    "MFNet3D",
    "MViT",
    "MobileNetV1",
    "MobileNetV2",
    "MotionAppearance",
    "MotionNet",
    "Motionformer",
    "OffModel",
    "OffNet",
    "PerFrame",
    "ResNet",
    "ResNet3D",
    "SPyNet",
    "ShuffleNetV2",
    "SlowFast",
    "SnippetNet",
    "SoundNet",
    "TimeSformer",
    "TwoStream",
    "VideoLstm",
    "VideoMAE",
    "VideoModel",
    "VideoResNet",
    "add_adapters",
    "add_double_attention",
    "add_glore",
    "add_nonlocal",
    "add_off",
    "classifier_parameters",
    "discriminator_loss",
    "distillation_loss",
    "flow_kernel",
    "flow_start",
    "fooling_loss",
    "freeze_body",
    "inception_i3d",
    "inflate",
    "last_layers",
    "octavize",
    "off_network",
    "parameter_depths",
    "read_by",
    "s3d",
    "spynet_flow",
    "transformer_blocks",
    "with_nearest_means",
]
