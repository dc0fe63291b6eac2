"""Encoders: from a clip to a representation, and the classifier that reads it. One file a family."""

from .c3d import C3D
from .efficientnet import EfficientNetLite
from .fishnet import FishNet
from .frames import FrameModel, PerFrame
from .fusion import FusionNet
from .inception import InceptionV1, InceptionVideo, inception_i3d
from .interface import ImageEncoder, VideoModel
from .motion import MotionNet
from .motion_appearance import MotionAppearance
from .resnet import ResNet
from .resnet3d import ResNet3D
from .s3d import s3d
from .slowfast import SlowFast, VideoResNet
from .x3d import X3D

__all__ = [
    "C3D",
    "X3D",
    "EfficientNetLite",
    "FishNet",
    "FrameModel",
    "FusionNet",
    "ImageEncoder",
    "InceptionV1",
    "InceptionVideo",
    "MotionAppearance",
    "MotionNet",
    "PerFrame",
    "ResNet",
    "ResNet3D",
    "SlowFast",
    "VideoModel",
    "VideoResNet",
    "inception_i3d",
    "s3d",
]
