"""A lesson: everything that training needs to know, decided."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ..data import Manifest
from ..errors import UsageError
from ..models import VideoModel
from ..presets import Preset, create_model
from ..tasks import Recognition
from ..training import Recipe
from ..video import ClipSpec, DecoderName
from .choose import Wishes, choose_recipe, default_balance
from .flow_source import with_flow
from .memory import most_at_once
from .run import read_run
from .transfer import Transfer, prepare_transfer, started


@dataclass(frozen=True)
class Lesson:
    """What is taught to which model, how and with what.

    rules      why so many epochs, such a batch and such a rate
    variant    of the preset, as the checkpoint that it starts from has it
    transfer   what of it goes on to learn, where it starts from a checkpoint
    balance    one of BALANCES, and loss one of LOSSES: what is done about rare classes
    mixup, cutmix  strengths of mixing clips; 0 is off
    """

    model: VideoModel
    spec: ClipSpec
    task: Recognition
    recipe: Recipe
    batch_size: int
    device: torch.device
    workers: int
    decoder: DecoderName = "pyav"
    rules: str = ""
    variant: str | None = None
    transfer: Transfer | None = None
    smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    balance: str = "none"
    loss: str = "cross-entropy"
    tensorboard: bool = False
    use_cache: bool = True

    @property
    def reads_features(self) -> bool:
        """Whether its classifier learns alone, from features that are computed once."""
        return self.model.frozen or (self.transfer is not None and self.transfer.start.transfer == "fixed")


def make_lesson(
    preset: Preset,
    manifest: Manifest,
    wishes: Wishes,
    *,
    clips: int,
    watched: bool = False,
    start_from: Path | None = None,
    device: torch.device,
    workers: int,
    decoder: DecoderName,
    flow: str | Path | None = None,
    room: int | None = None,
    tensorboard: bool = False,
    use_cache: bool,
) -> Lesson:
    """A preset, fresh or with the weights of a checkpoint, and the recipe for so many clips.

    flow     as `with_flow` takes it
    room     clips a batch that memory has room for, where that is known already
    watched  whether there are clips to validate on
    """
    task = Recognition.of(manifest)
    if task.multi_label and wishes.loss == "logit-adjusted":
        raise UsageError(
            "--loss logit-adjusted needs clips of one class each, and these have several; take focal or class-balanced"
        )
    torch.manual_seed(wishes.seed)
    if start_from is None:
        variant, fed, transfer = None, preset.clip, None
        model = create_model(preset.name, num_classes=task.classes)
    else:  # the checkpoint has all weights, so those that the preset would begin with are not asked for
        variant, fed, model, fresh = started(preset, task, start_from)
        transfer = prepare_transfer(preset, model, fed, how=wishes.transfer, fresh=fresh)
    start = transfer.start if transfer else None
    alone = model.frozen or (start is not None and start.transfer == "fixed")
    most = room
    if room is None and not (alone or wishes.batch_size):
        most = most_at_once(model, preset.fed(variant), device)
    chosen = choose_recipe(preset, wishes, clips=clips, start=start, watched=watched, most=most)
    return Lesson(
        model=model,
        spec=with_flow(fed, flow, who=f"preset {preset.name}"),
        task=task,
        recipe=chosen.recipe,
        batch_size=chosen.batch_size,
        rules=chosen.told(),
        device=device,
        workers=workers,
        decoder=decoder,
        variant=variant,
        transfer=transfer,
        smoothing=wishes.smoothing,
        mixup=wishes.mixup,
        cutmix=wishes.cutmix,
        balance=wishes.balance or default_balance(preset, wishes.loss),
        loss=wishes.loss,
        tensorboard=tensorboard,
        use_cache=use_cache,
    )


def room_when_begun(out: str | Path | None) -> int | None:
    """Clips a batch of the run that goes on there, if one does: there may be more memory now, or less."""
    if out is None or not (Path(out) / "run.json").exists():
        return None
    return read_run(Path(out)).info.get("batch_size")
