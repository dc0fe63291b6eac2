"""Encoders: from a clip to a representation, and the classifier that reads it. One file a family."""

from .efficientnet import EfficientNetLite
from .frames import FrameModel
from .interface import ImageEncoder, VideoModel
from .resnet3d import ResNet3D

__all__ = ["EfficientNetLite", "FrameModel", "ImageEncoder", "ResNet3D", "VideoModel"]
