"""How a network goes on from what it has learned elsewhere: what of it learns, and how fast."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UsageError
from ..models import (
    VideoModel,
    add_adapters,
    classifier_parameters,
    freeze_body,
    parameter_depths,
    transformer_blocks,
)
from ..presets import Preset, start_from_checkpoint, variant_in
from ..report import counted
from ..tasks import Recognition
from ..training import Recipe, load_checkpoint
from ..video import ClipSpec
from .choose import SMALL_BATCH, Start, Wishes
from .run import flag_of


@dataclass(frozen=True)
class Transfer:
    """`classifier`: names of what belongs to it. `depths`: of every parameter, its blocks below the classifier."""

    start: Start
    classifier: Collection[str]
    depths: Mapping[str, int]


def refuse_transfer(preset: Preset | None, wishes: Wishes) -> None:
    """UsageError, one sentence, for wishes about transfer that would have no effect on a network that has learned
    elsewhere, or on none."""
    asked = [name for name in ("transfer", "layer_decay", "head_first") if getattr(wishes, name) is not None]
    if preset is None:
        if not asked:
            return
        raise UsageError(
            f"{flag_of(asked[0])} is for a network that has learned elsewhere; name it with --from, or drop the flag"
        )
    fixed = preset.frozen or wishes.transfer == "fixed"
    if preset.frozen and wishes.transfer in ("full", "lora"):
        raise UsageError(
            f"preset {preset.name} keeps its encoder as it is, so --transfer {wishes.transfer} has nothing to teach; "
            "take --transfer fixed, or a preset that learns as a whole"
        )
    if (fixed or wishes.transfer == "lora") and (slow := [name for name in asked if name != "transfer"]):
        raise UsageError(
            f"{flag_of(slow[0])} is for networks that go on learning in full, and this one does not; drop it"
        )


def started(preset: Preset, task: Recognition, checkpoint: Path) -> tuple[str | None, ClipSpec, VideoModel, list[str]]:
    """(variant, what it is fed, network with the checkpoint's weights, names of tensors that are fresh as the classes
    are others). Flow comes about as the checkpoint learned it."""
    header, _ = load_checkpoint(checkpoint)
    variant = variant_in(header)
    fed = replace(preset.fed(variant), flow=ClipSpec.from_dict(header["clip"]).flow)
    model = preset.builder(variant)(num_classes=task.classes)
    held, own = header["labels"], {head: list(labels) for head, labels in task.heads.items()}
    same = held == own if isinstance(held, dict) else [held] == list(own.values())
    return variant, fed, model, start_from_checkpoint(model, checkpoint, same_classes=same)


def prepare_transfer(
    preset: Preset, model: VideoModel, spec: ClipSpec, *, how: str | None, fresh: Collection[str]
) -> Transfer | None:
    """Freezes what stays as it is and adds what learns instead, in place; None for presets that are frozen anyway.

    how    one of TRANSFERS; None is "full"
    fresh  names of tensors that have learned nothing yet, and so belong to what learns
    """
    if preset.frozen:
        return None
    how, blocks = how or "full", transformer_blocks(model)
    if how == "lora" and not blocks:
        raise UsageError(
            f"preset {preset.name} has no transformer blocks, which --transfer lora adapts; take fixed or full"
        )
    classifier = classifier_parameters(model, spec) | set(fresh)
    if how == "fixed":
        freeze_body(model, classifier)
    elif how == "lora":
        add_adapters(model, classifier)
    return Transfer(Start(how, bool(blocks), bool(fresh)), classifier, parameter_depths(model, classifier))


def told(transfer: Transfer, recipe: Recipe) -> str:
    """What of the network learns, as a sentence for people."""
    start = transfer.start
    head = "a fresh classifier" if start.fresh else "its classifier"
    if start.transfer == "fixed":
        return f"transfer: fixed; {head} learns from features that are computed once"
    if start.transfer == "lora":
        return f"transfer: lora; {head} and low-rank adapters learn, everything else stays"
    said = [f"transfer: full; {head} and everything below it learn"]
    if recipe.head_first:
        said.append(f"the classifier alone for the first {recipe.head_first:.0%} of the steps")
    if recipe.layer_decay < 1:
        said.append(
            f"each of {counted(max(transfer.depths.values()), 'layer')} {recipe.layer_decay:g} as fast as the next"
        )
    if recipe.frozen_statistics:
        said.append(f"batch statistics stay, as batches are under {SMALL_BATCH} clips")
    return ", ".join(said)
