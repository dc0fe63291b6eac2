"""Video files to frames to network input, and back: the only room that imports a decoder."""

from .audio import read_audio
from .clip import Clip, ClipSpec
from .decode import Video, open_video
from .flow import dense_flow
from .probe import VideoInfo, probe
from .sample import clip_seconds, view_seconds, window_starts
from .transform import crops, resize_short, to_input
from .write import VideoWriter

__all__ = [
    "Clip",
    "ClipSpec",
    "Video",
    "VideoInfo",
    "VideoWriter",
    "clip_seconds",
    "crops",
    "dense_flow",
    "open_video",
    "probe",
    "read_audio",
    "resize_short",
    "to_input",
    "view_seconds",
    "window_starts",
]
