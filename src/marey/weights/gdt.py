"""The names of tensors in GDT's and SeLaVi's checkpoints (.pth, {"model": {"module.": ...}}): torchvision's R(2+1)D-18
without its classifier, beside a network of sound and projections of both, which stay behind.

GDT: Patrick et al., ICCV 2021, arXiv:2003.04298. SeLaVi: Asano et al., NeurIPS 2020, arXiv:2006.13662.
"""

from collections.abc import Mapping

from torch import Tensor

from .release import Release, renamed
from .torchvision import SPACE_THEN_TIME

VIDEO = "video_network.base."


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed({name.removeprefix(VIDEO): tensor for name, tensor in state.items()}, rules=SPACE_THEN_TIME)


RELEASES = (
    Release(
        "GDT and SeLaVi",
        "R(2+1)D-18 without classifier",
        (r"video_network\.base\.stem\.3\.weight$", r"video_network\.base\.layer1\.0\.conv1\.0\.3\.weight$"),
        translate,
        left=r"audio_network\.|mlp_[av]\d*\.",
    ),
)
