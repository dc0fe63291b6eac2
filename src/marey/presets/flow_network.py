"""A network of optical flow as a checkpoint. It has no classes, so it is not in the table of presets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from ..models import SPyNet
from ..training.checkpoint import load_checkpoint, load_into
from ..video import SPYNET
from ..weights import spynet


def holds_spynet(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of a release of SPyNet."""
    return any(release.fits(tensors) for release in spynet.RELEASES)


def spynet_state(path: Path, tensors: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """(release, state dict) of a file; CheckpointError for one that is not of SPyNet, or not whole."""
    release = next((release for release in spynet.RELEASES if release.fits(tensors)), None)
    if release is None:
        raise CheckpointError(
            f"{path}: has none of the names of SPyNet (modelL1_F-1-weight.npy, or moduleBasic.0.conv1.weight); "
            "pack the release's arrays with `zip -j spynet.zip FOLDER/*.npy` and give that"
        )
    model = SPyNet()
    load_into(model, release.translate(tensors), path=path)
    return release.name, model.state_dict()


def spynet_header(source: Mapping[str, Any]) -> dict[str, Any]:
    """What its checkpoint says of itself; `source` is where the weights come from."""
    return {"preset": SPYNET, "arguments": {}, "clip": {}, "labels": {}, "metrics": {}, "source": dict(source)}


def load_spynet(weights: str | os.PathLike[str]) -> SPyNet:
    """The network of a checkpoint that `convert_weights(..., preset="spynet")` wrote, ready to use."""
    header, tensors = load_checkpoint(weights)
    if header["preset"] != SPYNET:
        raise CheckpointError(
            f"{weights}: is of preset {header['preset']}, which computes no flow; "
            "convert SPyNet's weights with `marey weights convert FILE OUT --preset spynet`"
        )
    model = SPyNet()
    load_into(model, tensors, path=weights)
    return model.eval()
