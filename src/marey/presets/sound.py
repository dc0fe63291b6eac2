"""Networks of sound, the third stream beside pictures and motion."""

from functools import partial

from ..models import SoundNet
from ..video import ClipSpec
from .preset import Mini, Preset

HERSHEY = "after Hershey et al., ICASSP 2017, arXiv:1609.09430"

# 64 bands high and as many steps of 10 ms wide as there is sound; what it costs is counted for 64 steps.
LOG_MEL = ClipSpec(frames=1, stride=1, side_px=64, short_px=64, mean=(0.5,), std=(0.25,), whole=True, modality="sound")
MINI_SOUND = Mini(partial(SoundNet, widths=(2, 3, 4, 5), spans=2), frames=1, side_px=32)

SOUND = (
    Preset(
        name="sound_cnn",
        family="log-mel CNN",
        paper=HERSHEY,
        build=SoundNet,
        classes=400,
        clip=LOG_MEL,
        mini=MINI_SOUND,
    ),
    Preset(
        name="sound_stage",
        family="log-mel CNN",
        paper=HERSHEY,
        build=partial(SoundNet, widths=(16, 32, 64, 96), dropout=0.2),
        classes=24,
        clip=LOG_MEL,
        mini=MINI_SOUND,
    ),
)
