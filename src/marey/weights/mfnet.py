"""Names of tensors of cypw/PyTorch-MFNet: .pth files {"state_dict": {"module." + name: ...}}, laid out as GloRe's."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from .glore import translate
from .release import Release, Rules

BLOCK: Rules = (
    (r"conv_i1\.bn\.", "squeeze.norm."),
    (r"conv_i1\.conv\.", "squeeze.conv."),
    (r"conv_i2\.bn\.", "mix.norm."),
    (r"conv_i2\.conv\.", "mix.conv."),
    (r"conv_m(\d)\.bn\.", r"conv\1.norm."),
    (r"conv_m(\d)\.conv\.", r"conv\1.conv."),
    (r"conv_w1\.bn\.", "shortcut.norm."),
    (r"conv_w1\.conv\.", "shortcut.conv."),
)


def translate_images(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network of images, whose names are those of the 3D one, as an encoder and a head."""
    named = translate(state, block=BLOCK)
    return {
        name.replace("fc.", "head.fc.") if name.startswith("fc.") else f"encoder.{name}": named[name] for name in named
    }


MARKS = (r"conv2\.B01\.conv_i1\.conv\.weight$", r"conv2\.B01\.conv_m1\.conv\.weight$")
RELEASES = (
    Release("PyTorch-MFNet", "MF-Net-3D, or MF-Net-2D for it", MARKS, partial(translate, block=BLOCK), inflates=True),
    Release("PyTorch-MFNet", "MF-Net-2D", MARKS, translate_images),
)
