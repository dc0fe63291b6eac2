"""The table of models. To add one: a file in `models`, a row in its family, its golden.

A row is a `Preset` in the tuple of its family; the families meet here,
and the contract suite runs over all of them.
"""

from .a2 import A2
from .compressed import COMPRESSED
from .fishnet import FISHNET
from .frozen import FROZEN
from .glore import GLORE
from .inception import INCEPTION
from .ladder import LADDER
from .mfnet import MFNET
from .motionformer import MOTIONFORMER
from .mvit import MVIT
from .nonlocal_study import STUDY
from .octave import OCTAVES
from .off import OFF
from .preset import Preset
from .recurrent import RECURRENT
from .residual import RESIDUAL
from .slowfast import SLOWFAST
from .sound import SOUND
from .two_stream import TWO_STREAM
from .vit import VIT
from .x3d import EXPANDED

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        *LADDER,
        *RESIDUAL,
        *FROZEN,
        *FISHNET,
        *GLORE,
        *MFNET,
        *A2,
        *INCEPTION,
        *EXPANDED,
        *SLOWFAST,
        *STUDY,
        *MOTIONFORMER,
        *VIT,
        *MVIT,
        *OCTAVES,
        *RECURRENT,
        *OFF,
        *TWO_STREAM,
        *COMPRESSED,
        *SOUND,
    )
}
