"""The synthetic film stage: articulated actors, props and cameras, rendered to real video files with every label."""

from .classes import CLASS_GROUPS, CLASSES, MIRROR, StageClass
from .render import render

__all__ = ["CLASSES", "CLASS_GROUPS", "MIRROR", "StageClass", "render"]
