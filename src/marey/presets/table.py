"""The table of models. To add one: a file in `models`, a row in its family, its golden.

A row is a `Preset` in the tuple of its family; the families meet here,
and the contract suite runs over all of them.
"""

from .fishnet import FISHNET
from .frozen import FROZEN
from .inception import INCEPTION
from .ladder import LADDER
from .preset import Preset
from .residual import RESIDUAL
from .slowfast import SLOWFAST
from .x3d import EXPANDED

PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (*LADDER, *RESIDUAL, *FROZEN, *FISHNET, *INCEPTION, *EXPANDED, *SLOWFAST)
}
