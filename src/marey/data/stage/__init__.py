"""The synthetic film stage: articulated actors, props and cameras, rendered to real video files with every label."""

from .classes import CLASS_GROUPS, CLASSES, MIRROR, StageClass
from .motion import read_flo
from .plan import STYLES
from .render import render
from .scenery import LEVELS

__all__ = ["CLASSES", "CLASS_GROUPS", "LEVELS", "MIRROR", "STYLES", "StageClass", "read_flo", "render"]
