"""One training run: its parts, where it stands, and how it goes on."""

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.utils import broadcast_object_list
from torch import nn
from torch.utils.data import DataLoader

from ..errors import UsageError
from .device import seed_device
from .divergence import Diverged, LastGood, judge_validation, too_long
from .ema import MovingAverage
from .engine import share
from .gradients import Gradients, Step
from .log import Log, Row
from .optimizer import gradient_norm, make_optimizer, set_rates
from .recipe import Recipe
from .schedule import rate_at
from .state import Parts, Position, load_state, save_state
from .tally import Tally

Batches = Callable[[int], Iterable[Any]]
Validate = Callable[[nn.Module], Mapping[str, float]]
STATE = "state.safetensors"


@dataclass(frozen=True)
class Told:
    """Who hears of the run: (batches done, all batches), the row of each epoch, sentences for people."""

    progress: Callable[[int, int], None] | None = None
    on_epoch: Callable[[Row], None] | None = None
    say: Callable[[str], None] | None = None

    def sentence(self, sentence: str) -> None:
        if self.say:
            self.say(sentence)


class TrainingRun:
    """What `fit` drives: `begin`, then `epoch` until `at.done`, then `finish`. See `fit` for the arguments."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        recipe: Recipe,
        *,
        out: Path | None,
        validate: Validate | None,
        save_every_s: float,
        told: Told,
        depths: Mapping[str, int] | None = None,
    ) -> None:
        self._accelerator, self._model, self._recipe = accelerator, model.to(accelerator.device), recipe
        self._out, self._validate, self._told = out, validate, told
        self._trainable = [p for p in model.parameters() if p.requires_grad]
        share(accelerator, model.state_dict().values())
        optimizer = make_optimizer(model, recipe, depths)
        average = MovingAverage(model, decay=recipe.ema_decay) if recipe.ema_decay else None
        self._parts = Parts(model, optimizer, average, {}, {})
        self._good = LastGood(self._parts, model)
        self._save_every_s, self._save_cost_s, self._saved_s = save_every_s, 0.0, time.monotonic()
        self.at = Position()

    def begin(self, step: Step, batches: Batches, batches_per_epoch: int | None) -> None:
        """Goes to where an earlier process left off, or to the start."""
        self._batches_per_epoch = batches_per_epoch or _count(batches(0))
        processes = self._accelerator.num_processes
        self._plan = {**self._recipe.to_dict(), "batches_per_epoch": self._batches_per_epoch, "processes": processes}
        if self._out and (state := self._out / STATE).exists():
            self.at = load_state(state, self._parts, self._plan)
            if not self.at.done:
                self._told.sentence(f"Going on after epoch {self.at.epoch}, batch {self.at.batch}.")
        self._gradients = Gradients(self._accelerator, self._model, step, micro=self.at.micro)
        self._tally = self._new_tally()

    def epoch(self, batches: Batches, log: Log) -> None:
        """Trains one epoch, or what is left of it; then validates, writes its row and saves the state.

        Where training diverges, the run is back at its last good state afterwards, with half the rate.
        """
        self._mark_s = time.perf_counter()
        learning(self._model, frozen_statistics=self._recipe.frozen_statistics)
        try:
            with closing(self._pulled(batches)) as pulled:
                self._learn_all(pulled, log)
            row = self._close_epoch()
        except Diverged as found:
            self._go_back(found, log)
            return
        if self.at.done:
            self._good.forget(self.at)
        if self.at.done or self._save_is_due(min(self._save_every_s, 20 * self._save_cost_s)):
            self._save()
        log.epoch(row)
        if self._told.on_epoch:
            self._told.on_epoch(row)

    def finish(self) -> None:
        """Gives the model the weights that the run is to end with."""
        if self._parts.best:
            self._model.load_state_dict(self._parts.best, strict=False)  # it holds all but what is frozen
        elif self._parts.average:
            self._parts.average.copy_to_module()
        self._model.eval()
        self._accelerator.wait_for_everyone()

    def _pulled(self, batches: Batches) -> Generator[Any, None, None]:
        """The epoch's batches that are still to come, each drawn under its own seed; measures the wait for them."""
        self._seed("epoch")
        loader, skipped = batches(self.at.epoch), self.at.batch
        if skipped and isinstance(loader, DataLoader) and isinstance(loader.batch_sampler, list):
            source = iter(skip_first_batches(loader, skipped))
        else:
            source = iter(loader)
            for number in range(skipped):
                self._seed("batch", number)
                next(source, None)
        number = skipped
        while True:
            began = time.perf_counter()
            self._seed("batch", number)
            try:
                batch = next(source)
            except StopIteration:
                break
            self.at.waited += time.perf_counter() - began
            number += 1
            yield batch
        if number == 0:
            raise UsageError(f"epoch {self.at.epoch + 1} has no batches; check that the training data is not empty")

    def _learn_all(self, batches: Iterator[Any], log: Log) -> None:
        """Steps on the batches; raises Diverged where their figures say so."""
        every = flush_steps(self._accelerator.device)
        while window := list(islice(batches, self._recipe.accumulate)):
            if self._good.is_due(self.at):
                self._tally.flush()
                self._good.take(self.at)
            self._learn(window)
            if self._good.waits or self.at.step % every == 0:
                log.step("step", self._tally.flush(), self.at.step)
                self._good.confirm(self.at)
                if self._save_is_due(self._save_every_s):
                    self._save()
            if self._told.progress:
                done = self.at.epoch * self._batches_per_epoch + self.at.batch
                self._told.progress(done, self._recipe.epochs * self._batches_per_epoch)
        self._tally.flush()

    def _go_back(self, found: Diverged, log: Log) -> None:
        self._take_time()
        self.at, setback = self._good.go_back(self.at, found)
        self._tally = self._new_tally()
        log.rewrite(self.at.history)
        self._told.sentence(f"{str(setback).capitalize()}.")

    def _new_tally(self) -> Tally:
        return Tally(self._accelerator, self.at, longest=too_long(self._place()[1]))

    def _learn(self, window: list[Any]) -> None:
        """One optimizer step on the window's batches."""
        at = self.at

        def seed() -> None:
            self._seed("step", at.batch, self._accelerator.process_index)

        samples, figures = self._gradients.fill(window, seed=seed, say=self._told.sentence)
        at.micro = self._gradients.micro
        figures["grad_norm"] = gradient_norm(self._trainable, self._recipe.clip_norm)
        place, total = self._place()
        set_rates(self._parts.optimizer, self._recipe, place, total, factor=at.rate_factor)
        self._parts.optimizer.step()
        self._parts.optimizer.zero_grad(set_to_none=True)
        if self._parts.average:
            self._parts.average.update(at.step)
        self._tally.add(samples, figures, step=at.step, rate=at.rate_factor * rate_at(self._recipe, place, total))
        at.batch += len(window)
        at.step += 1

    def _place(self) -> tuple[int, int]:
        """(the next step, all steps), by place: an epoch that comes out shorter does not shift the ones after it."""
        each = -(-self._batches_per_epoch // self._recipe.accumulate)
        return self.at.epoch * each + self.at.batch // self._recipe.accumulate, self._recipe.epochs * each

    def _close_epoch(self) -> dict[str, float | int]:
        """Validates, picks the best, moves on to the next epoch; returns the row, or raises Diverged."""
        at, recipe = self.at, self._recipe
        self._take_time()
        waited = at.waited / at.seconds
        row: dict[str, float | int] = {"epoch": at.epoch + 1, "step": at.step, **self._tally.means()}
        row["lr"] = self._parts.optimizer.param_groups[0]["lr"]
        figures = self._validated()
        if "val_loss" in figures:
            judge_validation(at, figures["val_loss"], recipe.lr * at.rate_factor)
        self._take_time()
        if recipe.monitor is not None:
            self._compare(row | figures, recipe.monitor)
        row |= {name: value for name, value in figures.items() if isfinite(value)}
        row |= {"seconds": at.seconds, "data_wait": waited}
        if at.setbacks:
            row["setbacks"] = len(at.setbacks)
        at.history.append(row)
        at.epoch, at.batch, at.seconds, at.waited = at.epoch + 1, 0, 0.0, 0.0
        at.done = at.epoch == recipe.epochs
        if not at.done and recipe.patience is not None and at.stale >= recipe.patience:
            at.done = True
            self._told.sentence(f"Stopping after epoch {at.epoch}: {recipe.monitor} was best in epoch {at.best_epoch}.")
        if not at.done and self._time_is_over():
            at.done = True
            self._told.sentence(f"Stopping after epoch {at.epoch}: the {recipe.within_s:.0f} seconds are over.")
        return row

    def _time_is_over(self) -> bool:
        """Whether the recipe's seconds are, on the main process's clock."""
        if self._recipe.within_s is None:
            return False
        taken = sum(row["seconds"] for row in (*self.at.history, *self.at.setbacks))
        over = taken >= self._recipe.within_s
        return broadcast_object_list([over])[0] if self._accelerator.num_processes > 1 else over

    def _validated(self) -> dict[str, float]:
        """The figures of `validate`; those of the main process count."""
        if self._validate is None:
            return {}
        share(self._accelerator, self._model.buffers())
        self._model.eval()
        self._seed("validate")
        with self._averaged(), torch.no_grad(), self._accelerator.autocast():
            figures = {f"val_{name}": float(value) for name, value in self._validate(self._model).items()}
        if self._accelerator.num_processes > 1:
            figures = broadcast_object_list([figures])[0]
        return figures

    def _compare(self, row: Row, monitor: str) -> None:
        at = self.at
        if monitor not in row:
            raise UsageError(f"monitor is {monitor!r}, but an epoch's figures are {', '.join(row)}; choose one of them")
        at.stale += 1
        if self._recipe.better(row[monitor], at.best):
            at.best, at.best_epoch, at.stale = row[monitor], at.epoch + 1, 0
            frozen = {name for name, p in self._model.named_parameters() if not p.requires_grad}
            with self._averaged():
                learnt = {n: t.to("cpu", copy=True) for n, t in self._model.state_dict().items() if n not in frozen}
            self._parts.best.update(learnt)

    def _averaged(self) -> AbstractContextManager[None]:
        return self._parts.average.swapped() if self._parts.average else nullcontext()

    def _seed(self, *place: int | str) -> None:
        """Seeds from the recipe and the place in the run alone, so that no random state need be saved."""
        text = repr((self._recipe.seed, self.at.epoch, *place))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        seed_device(int.from_bytes(digest, "little") >> 1, self._accelerator.device)

    def _take_time(self) -> None:
        now = time.perf_counter()
        self.at.seconds += now - self._mark_s
        self._mark_s = now

    def _save_is_due(self, after_s: float) -> bool:
        return time.monotonic() - self._saved_s >= after_s

    def _save(self) -> None:
        if self._out and self._accelerator.is_main_process:
            self._take_time()
            began = time.monotonic()
            save_state(self._out / STATE, self.at, self._parts, self._plan)
            self._saved_s = time.monotonic()
            self._save_cost_s = self._saved_s - began


def learning(model: nn.Module, *, frozen_statistics: bool) -> None:
    """Training mode, but for batch normalization where its statistics are frozen."""
    model.train()
    if frozen_statistics:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def flush_steps(device: torch.device) -> int:
    """After how many steps their figures are looked at, which makes a GPU wait and costs a CPU nothing."""
    return 1 if device.type == "cpu" else 16


def _count(batches: Iterable[Any]) -> int:
    """How many there are. Raises ValueError where that cannot be known."""
    if not isinstance(batches, Sized):
        raise ValueError("batches(epoch) has no length; pass batches_per_epoch")
    if not len(batches):
        raise UsageError("there are no batches to train on; check that the training data is not empty")
    return len(batches)
