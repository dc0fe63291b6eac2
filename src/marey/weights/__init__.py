"""Official checkpoints: reading their files without running code from them, and knowing their tensors by our names."""

from .read import FileFacts, read_weights
from .release import Heads, Release, renamed
from .releases import RELEASES

__all__ = ["RELEASES", "FileFacts", "Heads", "Release", "read_weights", "renamed"]
