"""The loop: it learns, tells what it does, and splits, averages and refuses as it should."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError, MissingExtra, UsageError
from marey.training import Recipe, advice, fit, read_history
from marey.training.engine import engine
from marey.training.gradients import Gradients

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
CLASSES = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()  # not linear
PLAIN = Recipe(epochs=2, lr=0.01)


def small_net() -> nn.Sequential:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


def batches_of(size: int) -> Callable[[int], list[tuple[Tensor, Tensor]]]:
    def batches(epoch: int) -> list[tuple[Tensor, Tensor]]:
        order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
        return [(INPUTS[part], CLASSES[part]) for part in order.split(size)]

    return batches


def step_of(model: nn.Module, *, fits: int | None = None) -> Callable[[Any], dict[str, Tensor]]:
    """`fits` plays a device on which more samples than that run out of memory."""

    def step(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        if fits is not None and len(batch[0]) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        logits = model(batch[0])
        return {
            "loss": functional.cross_entropy(logits, batch[1]),
            "top1": (logits.argmax(1) == batch[1]).float().mean(),
        }

    return step


def accuracy(model: nn.Module) -> dict[str, float]:
    assert not model.training and not torch.is_grad_enabled()
    return {"top1": float((model(INPUTS).argmax(1) == CLASSES).float().mean())}


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def run(recipe: Recipe = PLAIN, *, size: int = 16, fits: int | None = None, **more: Any):
    model = small_net()
    return model, fit(step_of(model, fits=fits), batches_of(size), model=model, recipe=recipe, device="cpu", **more)


@pytest.mark.parametrize("optimizer, lr", [("adamw", 0.02), ("sgd", 0.3)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns(optimizer, lr: float, precision) -> None:
    recipe = Recipe(epochs=40, lr=lr, optimizer=optimizer, precision=precision, ema_decay=0.95)
    model, fitted = run(recipe, validate=accuracy)
    assert fitted.history[-1]["val_top1"] > 0.95 > fitted.history[0]["val_top1"]
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"] / 2
    assert next(model.parameters()).dtype == torch.float32


def test_rows_and_callbacks(tmp_path: Path) -> None:
    told, rows = [], []
    model, fitted = run(
        out=tmp_path, validate=accuracy, progress=lambda *at: told.append(at), on_epoch=rows.append, tensorboard=True
    )
    names = ["epoch", "step", "loss", "top1", "grad_norm", "lr", "val_top1", "seconds", "data_wait"]
    assert [list(row) for row in rows] == [names, names]
    assert tuple(rows) == fitted.history == read_history(tmp_path)
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 4), (2, 8)]
    assert told == [(done, 8) for done in range(1, 9)]
    assert (fitted.steps, fitted.best_epoch, fitted.stopped_early, fitted.micro_batch) == (8, None, False, None)
    assert all(0 < row["data_wait"] < 1 for row in rows)
    assert list((tmp_path / "tensorboard").iterdir())
    assert not model.training


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run()
    assert not list(tmp_path.iterdir())


def test_the_random_state_of_the_caller_is_kept() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    fit(step_of(model := small_net()), batches_of(16), model=model, recipe=PLAIN, device="cpu")
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    fit(step_of(model), batches_of(16), model=model, recipe=PLAIN, device="cpu")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(torch.rand(2), expected)


def test_accumulated_batches_equal_one_large_batch() -> None:
    whole, one = run(Recipe(epochs=3, lr=0.01), size=16)
    parts, four = run(Recipe(epochs=3, lr=0.01, accumulate=4), size=4)
    torch.testing.assert_close(weights(parts), weights(whole))
    assert one.steps == four.steps == 12
    for a, b in zip(one.history, four.history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5) and a["grad_norm"] == pytest.approx(
            b["grad_norm"], rel=1e-4
        )


@pytest.mark.parametrize("fits", [1, 5, 11])
def test_a_batch_that_does_not_fit_goes_in_parts(fits: int, tmp_path: Path) -> None:
    said: list[str] = []
    whole, roomy = run(size=24)  # and a last batch of 16
    parts, tight = run(size=24, fits=fits, say=said.append, out=tmp_path)
    torch.testing.assert_close(weights(parts), weights(whole))
    assert tight.micro_batch is not None and tight.micro_batch <= fits
    assert said == [
        "A batch of 24 does not fit into the memory of cpu; it goes in parts, whose gradients add up to the same step."
    ]
    for a, b in zip(roomy.history, tight.history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5) and a["top1"] == pytest.approx(b["top1"])


def test_one_sample_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(MareyError, match=r"one sample alone does not fit into the memory of cpu: take a smaller model"):
        run(fits=0)


class Exhausting(torch.autograd.Function):
    """Runs out of memory on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_memory_that_runs_out_between_processes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stops halfway through an exchange cannot start it again."""
    model = small_net()
    with engine("cpu", "fp32") as accelerator:
        gradients = Gradients(
            accelerator, model, lambda batch: {"loss": Exhausting.apply(model(batch)).mean()}, micro=None
        )
        monkeypatch.setattr(gradients, "_alone", False)
        with pytest.raises(
            MareyError, match=r"out of memory on cpu while gradients travelled .* smaller batch \(--batch-size\)"
        ):
            gradients.fill([INPUTS], seed=lambda: None, say=print)


def test_other_errors_of_a_step_pass_through() -> None:
    def step(batch: Any) -> dict[str, Tensor]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(step, batches_of(16), model=small_net(), recipe=PLAIN, device="cpu")


def test_figures_that_wait_on_the_device_come_out_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a GPU, where they are looked at every few steps; 4 steps an epoch are no multiple of 3."""
    _, each = run()
    monkeypatch.setattr("marey.training.run.flush_steps", lambda device: 3)
    _, some = run(out=tmp_path, save_every_s=0.0)
    for a, b in zip(each.history, some.history, strict=True):
        assert {k: a[k] for k in ("step", "loss", "top1", "grad_norm", "lr")} == {
            k: b[k] for k in ("step", "loss", "top1", "grad_norm", "lr")
        }


def test_best_epoch_is_kept_and_patience_ends_the_run() -> None:
    scores = iter([0.2, 0.6, 0.6, float("nan"), 0.5])
    seen, said = [], []

    def validate(model: nn.Module) -> dict[str, float]:
        seen.append(weights(model).clone())
        return {"top1": next(scores)}

    recipe = Recipe(epochs=9, lr=0.01, ema_decay=0.9, monitor="val_top1", patience=3)
    model, fitted = run(recipe, validate=validate, say=said.append)
    assert said == ["Stopping after epoch 5: val_top1 was best in epoch 2."]
    assert fitted.best_epoch == 2 and fitted.stopped_early and len(fitted.history) == 5
    assert "val_top1" not in fitted.history[3]  # not a number: left out of the row
    assert torch.equal(weights(model), seen[1])  # as validated: the average, not the last parameters


def test_seconds_end_the_run_after_an_epoch() -> None:
    said: list[str] = []
    _, fitted = run(Recipe(epochs=9, lr=0.01, within_s=0.0), say=said.append)
    assert said == ["Stopping after epoch 1: the 0 seconds are over."]
    assert fitted.stopped_early and len(fitted.history) == 1
    _, fitted = run(Recipe(epochs=2, lr=0.01, within_s=1e6))
    assert not fitted.stopped_early and len(fitted.history) == 2


def test_lower_is_better_for_a_loss() -> None:
    losses = iter([3.0, 1.0, 2.0])
    recipe = Recipe(epochs=3, lr=0.01, monitor="val_loss")
    _, fitted = run(recipe, validate=lambda _: {"loss": next(losses)})
    assert fitted.best_epoch == 2 and not fitted.stopped_early


def test_validation_and_result_are_the_average() -> None:
    seen: list[Tensor] = []

    def validate(model: nn.Module) -> dict[str, float]:
        seen.append(weights(model).clone())
        return {}

    averaged, _ = run(Recipe(epochs=2, lr=0.01, ema_decay=0.5), validate=validate)
    last, _ = run(Recipe(epochs=2, lr=0.01))
    assert torch.equal(weights(averaged), seen[-1])
    assert not torch.allclose(weights(averaged), weights(last))


def test_frozen_parameters_stay_and_decay_spares_biases() -> None:
    model = small_net()
    model[0].requires_grad_(False)
    before = weights(model[0])
    recipe = Recipe(epochs=4, lr=0.01, monitor="val_top1")
    fit(step_of(model), batches_of(16), model=model, recipe=recipe, device="cpu", validate=accuracy)
    assert torch.equal(weights(model[0]), before)
    model[2].requires_grad_(False)
    with pytest.raises(UsageError, match="Sequential has no trainable parameter; unfreeze a part of it"):
        fit(step_of(model), batches_of(16), model=model, recipe=PLAIN, device="cpu")


def test_precisions_and_devices_follow_each_other_in_one_process() -> None:
    for precision in ("fp32", "bf16", "fp32"):
        run(Recipe(epochs=1, precision=precision))


def test_seeds_decide() -> None:
    def noisy(model: nn.Module) -> Callable[[Any], dict[str, Tensor]]:
        return lambda batch: {"loss": (model(batch[0]) + torch.randn(len(batch[0]), 2)).square().mean()}

    results = []
    for seed in (0, 0, 1):
        model = small_net()
        fit(noisy(model), batches_of(16), model=model, recipe=Recipe(epochs=1, seed=seed), device="cpu")
        results.append(weights(model))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_what_a_caller_can_get_wrong() -> None:
    model = small_net()

    def generated(epoch: int) -> Iterator[Any]:
        yield from batches_of(16)(epoch)

    with pytest.raises(ValueError, match=r"batches\(epoch\) has no length; pass batches_per_epoch"):
        fit(step_of(model), generated, model=model, recipe=PLAIN, device="cpu")
    with pytest.raises(UsageError, match="no batches to train on; check that the training data is not empty"):
        fit(step_of(model), lambda _: [], model=model, recipe=PLAIN, device="cpu")
    with pytest.raises(UsageError, match="epoch 1 has no batches; check that"):
        fit(step_of(model), lambda _: iter(()), model=model, recipe=PLAIN, device="cpu", batches_per_epoch=4)
    with pytest.raises(
        UsageError, match=r"monitor is 'val_map', but an epoch's figures are epoch, step, loss, .*choose"
    ):
        run(Recipe(epochs=1, monitor="val_map"), validate=accuracy)
    with pytest.raises(
        ValueError,
        match=r"a step reported \['loss', 'b', .*\], an earlier one \['loss', 'a', .*; each must report the same",
    ):
        names = iter("ab")
        fit(
            lambda batch: {"loss": model(batch[0]).mean(), next(names): 1.0},
            batches_of(32),
            model=model,
            recipe=Recipe(epochs=1, accumulate=1),
            device="cpu",
        )
    with pytest.raises(ValueError, match=r"must return a dict with a tensor \"loss\"; it returned \['top1'\]"):
        fit(lambda batch: {"top1": 1.0}, batches_of(32), model=model, recipe=PLAIN, device="cpu")
    with pytest.raises(UsageError, match="TensorBoard needs a run folder to write to; give one"):
        run(tensorboard=True)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file: cannot be written to \(.*\); choose another folder"):
        run(out=tmp_path / "file")


def test_a_missing_tensorboard_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r"pip install 'marey\[tensorboard\]'"):
        run(out=tmp_path, tensorboard=True)


def test_advice_speaks_only_when_there_is_something_to_gain() -> None:
    assert advice({"data_wait": 0.1}) is None
    assert advice({"data_wait": 0.62}) == (
        "62% of the epoch was spent waiting for data, so the processor idles: "
        "raise --workers, or cache or shrink the inputs once before training"
    )
