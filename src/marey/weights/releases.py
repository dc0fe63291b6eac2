"""The table of releases. To add one: a file with its names and a line here; files are tried from top to bottom."""

from . import (
    dmc,
    fishnet,
    gdt,
    glore,
    inception,
    mfnet,
    mmaction2,
    motionformer,
    mvit,
    octave,
    pyslowfast,
    pytorchvideo,
    s3d,
    spynet,
    timesformer,
    torchvision,
    videomae,
    x3d,
)
from .release import Release

RELEASES: tuple[Release, ...] = (
    *fishnet.RELEASES,
    *glore.RELEASES,
    *mfnet.RELEASES,
    *inception.RELEASES,
    *s3d.RELEASES,
    *mmaction2.RELEASES,
    *pyslowfast.RELEASES,
    *pytorchvideo.RELEASES,
    *torchvision.RELEASES,
    *gdt.RELEASES,
    *x3d.RELEASES,
    *motionformer.RELEASES,
    *timesformer.RELEASES,
    *videomae.RELEASES,
    *mvit.RELEASES,
    *octave.RELEASES,
    *dmc.RELEASES,
    *spynet.RELEASES,
)
