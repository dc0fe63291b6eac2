"""What networks are fed: the clip specifications that several presets share."""

from functools import partial

from ..video import ClipSpec

# For networks that start from nothing, RGB roughly between -2 and 2.
plain = partial(ClipSpec, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
# What torchvision's image weights want.
imagenet = partial(ClipSpec, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resample="bilinear")
# What torchvision's video weights want, at 15 frames a second.
kinetics = partial(
    ClipSpec, mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989), fps=15.0, resample="bilinear"
)
# What PySlowFast's Kinetics weights want, at 30 frames a second.
pyslowfast = partial(ClipSpec, mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225), fps=30.0, resample="bilinear")
# What the releases of GloRe's and MF-Net's authors want: (x - mean) * 0.0167 of 0..255.
chen = partial(ClipSpec, mean=(124 / 255, 117 / 255, 104 / 255), std=(1 / (0.0167 * 255),) * 3, resample="bilinear")
# (x - 127) / 128 of 0..255.
lite = partial(
    ClipSpec, mean=(127 / 255, 127 / 255, 127 / 255), std=(128 / 255, 128 / 255, 128 / 255), resample="bicubic"
)

STAGE = plain(frames=16, stride=3, side_px=64, short_px=64)
STAGE_FRAME = plain(frames=1, stride=1, side_px=64, short_px=64)
LECTURE = plain(frames=20, stride=1, side_px=64, short_px=64)
TORCHVISION_IMAGE = imagenet(frames=1, stride=1, side_px=224, short_px=256)
TORCHVISION_VIDEO = kinetics(frames=16, stride=1, side_px=112, short_px=128)
C3D_CLIP = plain(frames=16, stride=1, side_px=112, short_px=128)
LITE_MOTION = partial(lite, resample="area")(frames=20, stride=1, fps=10.0, side_px=240, short_px=240, whole=True)
LITE_IMAGE = lite(frames=1, stride=1, side_px=224, short_px=256)
LITE_FRAMES = lite(frames=16, stride=1, side_px=224, short_px=224, sampling="uniform")
LITE_3D = chen(frames=8, stride=8, side_px=224, short_px=256)
FIBRE_3D = chen(frames=16, stride=2, side_px=224, short_px=256)
FIBRE_IMAGE = chen(frames=1, stride=1, side_px=224, short_px=256)
CITYSCAPES = imagenet(frames=1, stride=1, side_px=768, short_px=1024)
