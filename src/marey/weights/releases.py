"""The table of releases. To add one: a file with its names and a line here; files are tried from top to bottom."""

from . import fishnet, torchvision
from .release import Release

RELEASES: tuple[Release, ...] = (
    *fishnet.RELEASES,
    *torchvision.RELEASES,
)
