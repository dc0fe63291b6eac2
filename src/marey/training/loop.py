"""The one training loop, on Hugging Face Accelerate: CPU, GPU, and several of them under plain torchrun."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from .divergence import Setback, unlearned
from .engine import engine
from .gradients import Step
from .log import Log, Row
from .recipe import Recipe
from .run import Batches, Told, TrainingRun, Validate


@dataclass(frozen=True)
class Fitted:
    """What came of it: the rows of all epochs, the best epoch (from 1) where one was monitored, optimizer steps,
    whether it stopped early, how many samples fitted into memory at once if that was fewer than a batch, how often
    it diverged, and a sentence where it learned nothing."""

    history: tuple[Row, ...]
    best_epoch: int | None
    steps: int
    stopped_early: bool
    micro_batch: int | None
    setbacks: tuple[Setback, ...]
    unlearned: str | None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that whoever reads a figure of the model must not miss."""
        diverged = tuple(f"Training diverged: {setback}." for setback in self.setbacks)
        return diverged if self.unlearned is None else (*diverged, self.unlearned)


def fit(
    step: Step,
    batches: Batches,
    *,
    model: nn.Module,
    recipe: Recipe,
    out: str | os.PathLike[str] | None = None,
    device: str = "auto",
    validate: Validate | None = None,
    batches_per_epoch: int | None = None,
    chance: float | None = None,
    depths: Mapping[str, int] | None = None,
    save_every_s: float = 60.0,
    tensorboard: bool = False,
    progress: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[Row], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Fitted:
    """Trains `model` in place, on `device`; it ends with the best or the last epoch's weights.

    step       batch, on the device -> {"loss": mean over its samples, other figures to average}. It uses `model`
    batches    epoch, from 0 -> the batches of that epoch. The same epoch must give the same batches: draw from torch's
               global generator (seeded before each batch) or from the epoch's number. Under torchrun each process
               gives its own share, of equal length. Batches are trees of tensors, see `batch.py`
    out        folder for `state.safetensors` and `metrics.jsonl`. Where it holds the state of the same run, that run
               goes on from there, exactly as if it had not been interrupted. None writes nothing
    validate   model, in evaluation mode with averaged weights -> figures, which get "val_" before their names. One that
               is called loss must be of the size of the step's. Under torchrun every process calls it, and the main
               one's answer counts
    batches_per_epoch  needed where `len(batches(epoch))` is not known
    chance     the loss of blind guesses, where it is known: a run of several epochs that ends no better says so
    depths     name of a parameter -> blocks between it and the classifier: what `recipe.layer_decay` and
               `recipe.head_first` go by. Those it does not name are the classifier's own
    save_every_s  the state is saved when an epoch ends (less often if that takes over 5 % of the time), and within an
               epoch after this many seconds. Going on within an epoch makes and drops its batches up to that place;
               a DataLoader whose `batch_sampler` is a plain list skips them without loading
    progress   is told (batches done, all batches); on_epoch gets each row; say gets sentences for people

    A row: epoch (from 1), step, loss and the other figures, grad_norm, lr, val_..., seconds, data_wait (fraction of
    the training time that waited for `batches`).

    A batch that does not fit into memory goes in halves, or halves of them, whose gradients add up with the right
    weights: the same step but for batch normalization and random draws, which see the parts.

    Where training diverges (a loss or gradient that is not finite, a loss ten times that of the untrained model for 50
    steps, or a tenth of a shorter run, or a validation loss that is as high), the run goes back to its last good state,
    which is not over 200 steps older, and on with half the rate; `say` is told, and rows have `setbacks` from then on,
    how many there were.

    Raises UsageError for a folder of another run, CheckpointError for a damaged state, MareyError for training that
    diverges at its first step or goes on to after five halvings, and for one sample that does not fit. After an
    interrupt the last saved state is there to go on from.
    """
    folder = Path(out) if out is not None else None
    with engine(device, recipe.precision) as accelerator:
        main = accelerator.is_main_process
        run = TrainingRun(
            accelerator,
            model,
            recipe,
            out=folder,
            validate=validate,
            save_every_s=save_every_s,
            told=Told(progress, on_epoch, say) if main else Told(),
            depths=depths,
        )
        run.begin(step, batches, batches_per_epoch)
        with Log(folder if main else None, run.at.history, tensorboard=tensorboard and main) as log:
            while not run.at.done:
                run.epoch(batches, log)
        run.finish()
        at = run.at
        if main and say and (in_vain := unlearned(at, chance)):
            say(in_vain)
    return Fitted(
        tuple(at.history),
        at.best_epoch,
        at.step,
        at.epoch < recipe.epochs,
        at.micro,
        tuple(Setback(**found) for found in at.setbacks),
        unlearned(at, chance),
    )
