"""Encoders: from a clip to a representation, and the classifier that reads it. One file a family."""

from .c3d import C3D
from .efficientnet import EfficientNetLite
from .fishnet import FishNet
from .frames import FrameModel, PerFrame
from .fusion import FusionNet
from .interface import ImageEncoder, VideoModel
from .motion import MotionNet
from .motion_appearance import MotionAppearance
from .resnet import ResNet
from .resnet3d import ResNet3D

__all__ = [
    "C3D",
    "EfficientNetLite",
    "FishNet",
    "FrameModel",
    "FusionNet",
    "ImageEncoder",
    "MotionAppearance",
    "MotionNet",
    "PerFrame",
    "ResNet",
    "ResNet3D",
    "VideoModel",
]
