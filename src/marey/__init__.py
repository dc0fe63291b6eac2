"""Marey learns, uses and inspects efficient representations of video, on your own videos.

The names below are imported when they are first used, so that `import marey` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .errors import CheckpointError, DataError, MareyError, MissingExtra, UsageError, VideoError
    from .jobs import calibrate, compare, evaluate, few_shot, plan, predict, rank, rebalance, train, transfer
    from .models import add_double_attention, add_glore, add_nonlocal, add_off, inflate, octavize
    from .presets import convert_weights, create_model
    from .results import Evaluation, Segment, Timeline
    from .video import Clip, ClipSpec, open_video

_HOME = {
    "CheckpointError": "errors",
    "Clip": "video",
    "ClipSpec": "video",
    "DataError": "errors",
    "Evaluation": "results",
    "MareyError": "errors",
    "MissingExtra": "errors",
    "Segment": "results",
    "Timeline": "results",
    "UsageError": "errors",
    "VideoError": "errors",
    "add_double_attention": "models",
    "add_glore": "models",
    "add_nonlocal": "models",
    "add_off": "models",
    "calibrate": "jobs",
    "compare": "jobs",
    "convert_weights": "presets",
    "create_model": "presets",
    "evaluate": "jobs",
    "few_shot": "jobs",
    "inflate": "models",
    "octavize": "models",
    "open_video": "video",
    "plan": "jobs",
    "predict": "jobs",
    "rank": "jobs",
    "rebalance": "jobs",
    "train": "jobs",
    "transfer": "jobs",
}
__all__ = [
    "CheckpointError",
    "Clip",
    "ClipSpec",
    "DataError",
    "Evaluation",
    "MareyError",
    "MissingExtra",
    "Segment",
    "Timeline",
    "UsageError",
    "VideoError",
    "add_double_attention",
    "add_glore",
    "add_nonlocal",
    "add_off",
    "calibrate",
    "compare",
    "convert_weights",
    "create_model",
    "evaluate",
    "few_shot",
    "inflate",
    "octavize",
    "open_video",
    "plan",
    "predict",
    "rank",
    "rebalance",
    "train",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'marey' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
