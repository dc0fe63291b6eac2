"""From a name to a model."""

import os
from difflib import get_close_matches
from operator import index
from typing import SupportsIndex

from ..errors import CheckpointError, UsageError
from ..models import VideoModel, flow_start, with_nearest_means
from ..training.checkpoint import load_checkpoint, load_into
from .fit import head_of
from .hub import held_hub_preset, hub_preset, is_hub_name
from .octave import IMPOSSIBLE
from .preset import Preset
from .table import PRESETS


def find_preset(name: str) -> Preset:
    """The preset of that name, or of an encoder of transformers (`hf:OWNER/NAME`, see `hub_preset`).

    UsageError names the nearest ones for a name that is in no row.
    """
    if name in PRESETS:
        return PRESETS[name]
    if is_hub_name(name):
        return hub_preset(name)
    if name in IMPOSSIBLE:
        raise UsageError(f"{name} cannot be built: {IMPOSSIBLE[name]}")
    holding = sorted((known for known in PRESETS if name and name in known), key=lambda known: known.index(name) > 0)
    near = list(dict.fromkeys([*holding, *get_close_matches(name, PRESETS, n=3, cutoff=0.55)]))[:3]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"no preset is called {name!r}; {hint}`marey models` lists them all")


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    variant: str | None = None,
) -> VideoModel:
    """The model of a preset, ready to train or to use.

    `num_classes`  as the preset has it unless given; with `weights`, as many as the file has
    `weights`      a Marey checkpoint (.safetensors) of the same preset; without it the weights are the preset's own
                   start: random, or ImageNet's for the presets on efficientnet_lite0
    `variant`      one of the preset's variants; with `weights`, the one that the file was saved with

    Raises UsageError for an unknown name or an impossible count, CheckpointError for a file of another preset, of
    another number of classes, or whose tensors do not fit, MissingExtra where the start needs a missing package.
    """
    if num_classes is not None:
        check_classes(num_classes)
    if weights is None:
        preset = find_preset(name)
        model = preset.builder(variant)(num_classes=preset.classes if num_classes is None else num_classes)
        if preset.pretrained is not None:
            preset.pretrained(model)
        return model
    if not is_hub_name(name):
        find_preset(name)
    header, tensors = load_checkpoint(weights)
    if header["preset"] != name:
        raise CheckpointError(f"{weights}: is of preset {header['preset']}, not of {name}; build it with that name")
    held = classes_in(header)
    if num_classes is not None and num_classes != held:
        raise CheckpointError(
            f"{weights}: was trained for {held} classes and {num_classes} are asked for; leave the number out, "
            "or fine-tune it for the new classes with `marey train --from`"
        )
    saved = variant_in(header)
    if variant is not None and variant != saved:
        raise CheckpointError(f"{weights}: was saved as variant {saved}, not {variant}; leave the variant out")
    model = with_nearest_means(preset_in(header).builder(saved)(num_classes=held), nearest_means_in(header))
    load_into(model, tensors, path=weights)
    return model


def check_classes(num_classes: object) -> None:
    """Raise a UsageError unless it is a whole number of at least 1."""
    if isinstance(num_classes, bool) or not isinstance(num_classes, SupportsIndex):
        raise UsageError(f"num_classes is {num_classes!r}; give a whole number of 1 or more")
    if index(num_classes) < 1:
        raise UsageError(f"num_classes is {num_classes}; a model needs at least 1")


def start_from_checkpoint(
    model: VideoModel, weights: str | os.PathLike[str], *, same_classes: bool = True
) -> list[str]:
    """Fill a model with the tensors of a checkpoint of the same network, to train it on from there.

    A network of motion may start from the same one of RGB, whose first kernels are averaged over RGB (`flow_kernel`).

    What depends on the classes (the same shape but for a first dimension that counts them) is taken only where their
    number is the same, and means of classes never are; the names of what keeps its fresh values come back.

    same_classes  whether the classes are the checkpoint's, if there are as many; if not, their tensors stay fresh too

    CheckpointError for anything else that does not fit.
    """
    header, tensors = load_checkpoint(weights)
    before, own = classes_in(header), model.state_dict()
    first = next((name for name, tensor in own.items() if tensor.ndim in (4, 5)), "")
    if first in tensors and tensors[first].shape[1:2] == (3,) != own[first].shape[1:2]:
        tensors = flow_start({first: tensors[first], **tensors}, channels=own[first].shape[1])
    means = nearest_means_in(header)
    tensors = {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] not in means}
    fresh = [
        name
        for name, tensor in tensors.items()
        if name in own
        and own[name].shape != tensor.shape
        and own[name].shape[1:] == tensor.shape[1:]
        and len(tensor) == before
    ]
    if not same_classes:
        fresh = [name for name in tensors if name in own and (name in fresh or name in classes_tensors(header))]
    fresh = [*fresh, *(name for name in own if name.rpartition(".")[0] in means)]
    load_into(model, tensors | {name: own[name] for name in fresh}, path=weights)
    return fresh


def classes_tensors(header: dict) -> list[str]:
    """Names of the tensors of a checkpoint's network whose shape depends on the number of classes."""
    return list(head_of(preset_in(header), variant_in(header)))


def preset_in(header: dict) -> Preset:
    """The preset of a checkpoint. Of an encoder of transformers the checkpoint has all that it takes to build it anew,
    so neither the hub's cache nor the folder that it came from is needed any more."""
    name, arguments = header["preset"], header["arguments"]
    if is_hub_name(name) and isinstance(arguments.get("encoder"), dict):
        return held_hub_preset(name, arguments, header["clip"])
    return find_preset(name)


def variant_in(header: dict) -> str | None:
    """Which variant of its preset a checkpoint holds; None for the preset's own build."""
    return header["arguments"].get("variant")


def nearest_means_in(header: dict) -> list[str]:
    """Names of the layers that compare with means of classes in a checkpoint, in the place of the preset's own."""
    return header.get("nearest_means", [])


def classes_in(header: dict) -> int:
    """How many classes the model of a checkpoint tells apart, over all of its heads."""
    labels = header["labels"]
    return sum(map(len, labels.values())) if isinstance(labels, dict) else len(labels)
