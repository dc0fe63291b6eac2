"""Official weights become a Marey checkpoint, exactly or not at all."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError, UsageError
from ..training import file_hash, load_checkpoint, save_checkpoint
from ..weights import FileFacts, Heads, read_weights
from .build import check_classes, classes_in, find_preset
from .fit import Diff, Fit, alike_builds, best_fits, blank_state, fits_of, known_releases
from .flow_network import SPYNET, holds_spynet, spynet_header, spynet_state
from .image_start import fresh_state, image_start, without_blocks
from .labels import LABEL_LISTS, label_list
from .preset import Preset

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
LEAST_WINDOW_S = 1.0  # of a longer video that `predict` shows at once


class Misfit(CheckpointError):
    """The tensors are not those of the network; `diff` has every name."""

    def __init__(self, sentence: str, diff: Diff) -> None:
        super().__init__(sentence)
        self.diff = diff


@dataclass(frozen=True)
class Conversion:
    """What was made of a file.

    alike     other variants of the preset whose tensors are the same, so that the file does not tell which it is of
    release   whose names of tensors it has
    params    parameters of the network
    classes   how many it tells apart; 0 of a network of optical flow
    supplied  counters of normalization that the file lacks, set to zero
    inflated  kernels of images that were spread over time
    fresh     tensors of a new head, and of all that a start from a network of images lacks, drawn from a fixed seed
    left      tensors of other networks in the file, which stay behind
    labels    where the class names come from: a data set, the caller, or numbers
    """

    out: str
    preset: str
    variant: str | None
    alike: tuple[str, ...]
    release: str
    format: str
    classes: int
    params: int
    tensors: int
    supplied: tuple[str, ...]
    inflated: tuple[str, ...]
    fresh: tuple[str, ...]
    left: tuple[str, ...]
    labels: str
    sha256: str


@dataclass(frozen=True)
class Inspection:
    """What a file of weights is.

    releases  whose names of tensors it may have
    params    numbers in its tensors, running statistics and counters apart
    classes   how many its head tells apart, where a preset fits
    presets   those that fit exactly, with a variant behind a colon; of a Marey checkpoint the one it is of
    nearest   where none fits: the nearest preset and how it differs
    """

    path: str
    facts: FileFacts
    releases: tuple[str, ...]
    tensors: int
    params: int
    classes: int | None
    presets: tuple[str, ...]
    nearest: str | None
    sha256: str


def convert_weights(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    preset: str | None = None,
    num_classes: int | None = None,
    new_head: bool = False,
    labels: Sequence[str] | None = None,
    variant: str | None = None,
) -> Conversion:
    """Write the weights of an official file as a checkpoint that `create_model(preset, weights=out)` takes.

    preset       its name; None takes the only one that fits exactly
    num_classes  as many as the file's head has unless given; another number needs `new_head`
    new_head     start what depends on the classes afresh; everything else must still fit exactly, but that a ViT of
                 images starts a Motionformer or a TimeSformer
    labels       class names in the order of the logits; None takes the data set's own where the preset's published
                 scores tell it and the numbers agree, else numbers them
    variant      which build of the preset; None takes the one that the names and shapes of the tensors show

    Nothing is written unless every tensor of the network is there with its shape and no other is. Raises Misfit with
    the difference, CheckpointError for a file that cannot be read, UsageError for a request that makes no sense.
    """
    path, out = Path(path), Path(out)
    if out.is_dir() or out.resolve() == path.resolve():
        raise UsageError(f"{out} is {'a folder' if out.is_dir() else 'the file to convert'}; name a new file to write")
    if num_classes is not None:
        check_classes(num_classes)
    wanted = _wanted(preset, variant)
    tensors, facts = read_weights(path)
    if "marey" in facts.metadata:
        name = load_checkpoint(path)[0]["preset"]
        raise CheckpointError(
            f"{path}: is already a Marey checkpoint, of {name}; use it as it is, "
            "or fine-tune it with `marey train --from`"
        )
    _refuse_non_finite(path, tensors)
    if preset == SPYNET or (wanted is None and holds_spynet(tensors)):
        return _flow_network(path, out, tensors, facts, asks_classes=bool(num_classes or new_head or labels))
    fits = fits_of(wanted or _only_fit(path, tensors).preset, tensors, variant=variant)
    fit = fits[0]
    classes = num_classes or (len(labels) if labels else None) or (None if new_head else fit.classes)
    classes = classes or fit.preset.classes
    if new_head and (start := image_start(path, fits, tensors, variant=variant, classes=classes)):
        fit = start
    if set(fit.diff.names) - (set(fit.head) if new_head else set()):
        raise Misfit(_misfit(path, fit, tensors, classes), fit.diff)
    if not new_head and classes != fit.classes:
        raise CheckpointError(
            f"{path}: has a head of {fit.classes} classes and {classes} are asked for; leave the number out, "
            "or give --new-head for one that starts afresh"
        )
    if labels is not None and len(labels) != classes:
        raise UsageError(f"there are {len(labels)} labels and {classes} classes; give as many names as classes")
    fresh = _new_head(fit, classes) if new_head else {}
    state = _in_order(fit, {**fit.tensors, **fresh}, classes)
    heads = {"label": classes} if new_head or not fit.heads else fit.heads
    names, source = _labels(fit.preset, heads, labels, known=not new_head)
    digest = file_hash(facts.file)
    header = _header(fit, heads, names)
    header["source"] = {"release": fit.release, "format": facts.format, "file": path.name, "sha256": digest}
    save_checkpoint(out, state, header)
    return Conversion(
        out=str(out),
        preset=fit.preset.name,
        variant=fit.variant,
        alike=alike_builds(fit, fits),
        release=fit.release,
        format=facts.format,
        classes=classes,
        params=_numbers(state),
        tensors=len(state),
        supplied=fit.supplied,
        inflated=fit.inflated,
        fresh=fit.begun or tuple(fresh),
        left=fit.left,
        labels=source,
        sha256=digest,
    )


def _wanted(preset: str | None, variant: str | None) -> Preset | None:
    """The preset that is named, which has the variant; None where none is, or the network of optical flow."""
    wanted = find_preset(preset) if preset is not None and preset != SPYNET else None
    if variant is not None:
        if wanted is None:
            raise UsageError(f"variant {variant!r} is of a preset that is not named; name the preset too")
        wanted.builder(variant)
    return wanted


def _flow_network(
    path: Path, out: Path, tensors: Mapping[str, Tensor], facts: FileFacts, *, asks_classes: bool
) -> Conversion:
    if asks_classes:
        raise UsageError("spynet computes optical flow, which has no classes; leave labels, their number and head out")
    release, state = spynet_state(path, tensors)
    digest = file_hash(facts.file)
    header = spynet_header({"release": release, "format": facts.format, "file": path.name, "sha256": digest})
    save_checkpoint(out, state, header)
    return Conversion(
        out=str(out),
        preset=SPYNET,
        variant=None,
        alike=(),
        release=release,
        format=facts.format,
        classes=0,
        params=_numbers(state),
        tensors=len(state),
        supplied=(),
        inflated=(),
        fresh=(),
        left=(),
        labels="none",
        sha256=digest,
    )


def inspect_weights(path: str | os.PathLike[str]) -> Inspection:
    """What a file of weights is, and which presets it fits; reads all of it, writes nothing."""
    path = Path(path)
    tensors, facts = read_weights(path)
    about = {"path": str(path), "facts": facts, "tensors": len(tensors), "sha256": file_hash(facts.file)}
    if "marey" in facts.metadata:
        header, _ = load_checkpoint(path)
        name = _with_variant(header["preset"], header["arguments"].get("variant"))
        return Inspection(
            **about,
            releases=("Marey",),
            params=_numbers(tensors),
            classes=classes_in(header),
            presets=(name,),
            nearest=None,
        )
    fits = best_fits(tensors)
    exact = [fit for fit in fits if not fit.diff.count]
    nearest = None if exact or not fits else f"{fits[0].preset.name}: {fits[0].diff}"
    return Inspection(
        **about,
        releases=tuple(dict.fromkeys(fit.release for fit in exact)) or known_releases(tensors),
        params=_numbers(fits[0].tensors if fits else tensors),
        classes=exact[0].classes if exact else None,
        presets=tuple(_with_variant(fit.preset.name, fit.variant) for fit in exact),
        nearest=nearest,
    )


def _refuse_non_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: {name} has values that are not finite numbers, so the training that wrote it failed or the "
                "file is damaged; get the weights from their authors"
            )


def _only_fit(path: Path, tensors: Mapping[str, Tensor]) -> Fit:
    """The one preset that the file fits exactly; which it could be is said where there are several."""
    fits = best_fits(tensors)
    exact = [fit for fit in fits if not fit.diff.count]
    if len(exact) > 1:
        raise UsageError(f"{path}: fits {_presets(exact)}, whose tensors are alike; say which it is with --preset")
    if not exact:
        sentence = f"{path}: fits no preset; {_nearest(fits)}; name the one to hold it against with --preset"
        raise Misfit(sentence, fits[0].diff if fits else Diff())
    return exact[0]


def _misfit(path: Path, fit: Fit, tensors: Mapping[str, Tensor], classes: int) -> str:
    what = f"{path}: does not fit {fit.preset.name}, read by the names of {fit.release}: of its tensors {fit.diff}"
    if fit.diff.names <= set(fit.head):
        return f"{what}; only the head differs, so --new-head starts one of {classes} classes"
    if without_blocks(fit, classes=classes):
        return f"{what}; those are blocks that a network of images lacks, and --new-head starts them and a head afresh"
    fits = best_fits(tensors)
    exact = [other for other in fits if not other.diff.count]
    if exact:
        return f"{what}; it fits {_presets(exact)}, so give that as --preset"
    if fits and fits[0].diff.count >= fit.diff.count:
        return f"{what}; no preset is nearer, so look whether the file is whole and of this network"
    return f"{what}; {_nearest(fits)}"


def _presets(fits: Sequence[Fit]) -> str:
    return " and ".join(fit.preset.name for fit in fits)


def _nearest(fits: Sequence[Fit]) -> str:
    if not fits:
        return "none is of its size"
    count = fits[0].diff.count
    return f"the nearest is {fits[0].preset.name}, but for {count} tensor{'s' if count != 1 else ''}"


def _new_head(fit: Fit, classes: int) -> dict[str, Tensor]:
    """Fresh values of what depends on the classes."""
    state = fit.tensors if fit.begun else fresh_state(fit.preset.builder(fit.variant), classes=classes)
    return {name: state[name] for name in fit.head}


def _in_order(fit: Fit, tensors: Mapping[str, Tensor], classes: int) -> dict[str, Tensor]:
    """The state dict of the network, with its types: half precision and doubles become what it computes in."""
    return {
        name: tensors[name].to(blank.dtype) for name, blank in blank_state(fit.preset, fit.variant, classes).items()
    }


def _labels(preset: Preset, heads: Heads, labels: Sequence[str] | None, *, known: bool) -> tuple[list[str], str]:
    """(names of all heads' classes, where they come from)."""
    if labels is not None:
        return list(labels), "given"
    sets = {_letters(score.dataset) for score in preset.scores} if known else set()
    for name in LABEL_LISTS:
        if _letters(name) in sets and [len(label_list(name))] == [*heads.values()]:
            return list(label_list(name)), name
    return [f"class {index}" for classes in heads.values() for index in range(classes)], "numbered"


def _letters(name: str) -> str:
    """A data set without edition and spelling: kinetics for Kinetics-400 and kinetics600."""
    return "".join(sign for sign in name.casefold() if sign.isalpha())


def _header(fit: Fit, heads: Heads, names: Sequence[str]) -> dict[str, Any]:
    """What a checkpoint must say of itself; a window shows at least what one clip spans."""
    clip = fit.preset.fed(fit.variant)
    rest = iter(names)
    span_s = 0.0 if clip.sampling == "uniform" else clip.frames * clip.stride / (clip.fps or 25.0)
    return {
        "preset": fit.preset.name,
        "arguments": {"num_classes": sum(heads.values()), **fit.preset.arguments}
        | ({"variant": fit.variant} if fit.variant else {}),
        "clip": clip.to_dict(),
        "labels": {head: list(islice(rest, classes)) for head, classes in heads.items()},
        "multi_label": False,
        "window_s": round(max(LEAST_WINDOW_S, span_s), 6),
        "metrics": {},
    }


def _numbers(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith(BUFFERS))


def _with_variant(preset: str, variant: str | None) -> str:
    return f"{preset}:{variant}" if variant else preset
