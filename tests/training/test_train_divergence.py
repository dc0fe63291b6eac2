"""A run that diverges goes back to its last good state with half the rate, and says so."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.training import Fitted, Recipe, fit, read_history, read_tensors
from marey.training.divergence import Diverged, judge, too_long, unlearned
from marey.training.state import Position

INPUTS = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
TRUTH = INPUTS @ torch.tensor([[1.0], [-2.0], [0.5]])
# A quadratic bowl: descent grows once the rate is over about 2, where the warm-up comes to in the third epoch.
STEEP = Recipe(
    epochs=8,
    lr=2.5,
    optimizer="sgd",
    momentum=0.0,
    weight_decay=0.0,
    clip_norm=None,
    warmup_fraction=0.5,
    final_lr_fraction=1.0,
    ema_decay=0.9,
    monitor="val_square_loss",
)
CALM = replace(STEEP, lr=0.1)


def run(recipe: Recipe, spoil: Callable[[int], float] | None = None, **more: Any) -> tuple[nn.Linear, Fitted]:
    """`spoil` of the number of the call multiplies its loss."""
    torch.manual_seed(0)
    model, calls = nn.Linear(3, 1), 0

    def batches(epoch: int) -> list[tuple[Tensor, Tensor]]:
        order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
        return [(INPUTS[part], TRUTH[part]) for part in order.split(16)]

    def step(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        loss = (model(batch[0]) - batch[1]).square().mean() / 2
        return {"loss": loss * (spoil(calls) if spoil else 1)}

    def validate(model: nn.Module) -> dict[str, float]:
        return {"square_loss": float((model(INPUTS) - TRUTH).square().mean())}

    more = {"validate": validate} | more
    return model, fit(step, batches, model=model, recipe=recipe, device="cpu", **more)


def figures(rows: Any) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k not in ("seconds", "data_wait", "setbacks")} for row in rows]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("flush", [1, 3])
def test_back_at_the_last_good_state_all_is_as_it_was(
    bad: float, flush: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, momentum, average, best epoch, schedule and draws: from the start on, it is the run of half the rate."""
    monkeypatch.setattr("marey.training.run.flush_steps", lambda device: flush)
    recipe, said = replace(CALM, momentum=0.9), list[str]()
    model, fitted = run(recipe, lambda call: bad if call == 11 else 1, out=tmp_path, say=said.append)
    half, expected = run(replace(recipe, lr=0.05))
    assert torch.equal(model.weight, half.weight) and torch.equal(model.bias, half.bias)
    assert figures(fitted.history) == figures(expected.history) == figures(read_history(tmp_path))
    assert [row["setbacks"] for row in fitted.history] == [1] * 8 and "setbacks" not in expected.history[0]
    assert (fitted.best_epoch, fitted.steps) == (expected.best_epoch, 32)
    assert said == [
        f"The loss became {bad} at step 10; training went back to step 0, and on at 0.5 times the learning rate."
    ]
    (setback,) = fitted.setbacks
    assert {**asdict(setback), "seconds": 0} == {
        "what": f"the loss became {bad}",
        "step": 10,
        "back_to": 0,
        "rate_factor": 0.5,
        "seconds": 0,
    }
    assert 0 < setback.seconds < 60
    header, tensors = read_tensors(tmp_path / "state.safetensors")
    assert header["position"]["good"] is None and not [name for name in tensors if name.startswith("good")]


def test_a_loss_that_explodes_is_found_before_it_is_infinite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.training.divergence.FEWEST", 6)
    monkeypatch.setattr("marey.training.divergence.GOOD_EVERY", 4)
    _, fitted = run(STEEP)
    (setback,) = fitted.setbacks
    assert setback.what == "the loss stayed above 31.9 for 6 steps, from 3.19 before training,"
    assert (setback.step, setback.back_to) == (30, 24)  # at 28 it was too high already
    assert fitted.history[-1]["lr"] == 1.25 and fitted.history[-1]["loss"] < 0.1
    assert fitted.history[0]["lr"] == 0.625  # of before it went back


@pytest.mark.parametrize("save_every_s", [0.0, 60.0])
@pytest.mark.parametrize("stop", [14, 26, 31])  # steps done in all: before the explosion, within it, and after it
def test_a_resumed_run_recovers_as_an_unbroken_one(
    stop: int, save_every_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marey.training.divergence.FEWEST", 6)
    monkeypatch.setattr("marey.training.divergence.GOOD_EVERY", 4)
    steps = 0

    def interrupt(done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == stop:
            raise KeyboardInterrupt

    model, unbroken = run(STEEP, out=tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        run(STEEP, out=tmp_path / "killed", save_every_s=save_every_s, progress=interrupt)
    other, resumed = run(STEEP, out=tmp_path / "killed")
    assert torch.equal(model.weight, other.weight) and torch.equal(model.bias, other.bias)
    assert figures(resumed.history) == figures(unbroken.history) == figures(read_history(tmp_path / "killed"))
    assert [replace(s, seconds=0) for s in resumed.setbacks] == [replace(s, seconds=0) for s in unbroken.setbacks]
    first, second = (read_tensors(tmp_path / f / "state.safetensors")[1] for f in ("unbroken", "killed"))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_frozen_is_not_kept_twice(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    def fitted(calls: int, **more: Any) -> Fitted:
        def step(batch: Tensor) -> dict[str, Tensor]:
            nonlocal calls
            calls += 1
            return {"loss": model(batch).square().mean() * (float("nan") if calls == 5 else 1)}

        batches = INPUTS.split(16)
        return fit(step, lambda _: batches, model=model, recipe=Recipe(epochs=2), out=tmp_path, device="cpu", **more)

    with pytest.raises(KeyboardInterrupt):
        fitted(0, save_every_s=0.0, progress=stop)
    good = [name for name in read_tensors(tmp_path / "state.safetensors")[1] if name.startswith("good.")]
    assert sorted(good) == ["good.model.1.bias", "good.model.1.weight"]
    assert len(fitted(3).setbacks) == 1  # and such a state is one to go back to


def test_five_halvings_are_enough(tmp_path: Path) -> None:
    said: list[str] = []
    expected = (
        r"the loss became nan at step 2 \(learning rate 0\.00\d+\), after the rate was halved 5 times from the last "
        r"good state, so training cannot go on: start again with a lower learning rate \(--lr 0\.000\d+\), and look"
    )
    with pytest.raises(MareyError, match=expected):
        run(replace(CALM, warmup_fraction=0), lambda call: 1 if call % 3 else float("nan"), say=said.append)
    assert [sentence.split(" on at ")[1] for sentence in said] == [
        f"{factor} times the learning rate." for factor in (0.5, 0.25, 0.125, 0.0625, 0.03125)
    ]


def test_the_first_step_has_nothing_to_go_back_to() -> None:
    with pytest.raises(
        MareyError, match=r"the loss became inf at step 0 \(learning rate 0.*lower .* \(--lr 0"
    ) as found:
        run(CALM, lambda call: float("inf"))
    assert "halved" not in str(found.value)
    model = nn.Linear(3, 1)

    def step(batch: Tensor) -> dict[str, Tensor]:
        return {"loss": model(batch).mean().mul(0).sqrt()}  # 0, of infinite slope

    with pytest.raises(MareyError, match="the gradient became nan at step 0"):
        fit(step, lambda _: [INPUTS], model=model, recipe=Recipe(epochs=1), device="cpu")


def outcome(losses: list[float], *, longest: int = 50) -> int | None:
    """The step at which they are taken for an explosion."""
    at = Position()
    for step, loss in enumerate(losses):
        try:
            judge(at, {"loss": loss, "grad_norm": 1.0}, step, 0.1, longest=longest)
        except Diverged as found:
            return found.step
    return None


def test_noise_is_no_explosion() -> None:
    assert outcome([2.0] + [21.0] * 60) == 50
    assert outcome([2.0] + [19.0] * 60) is None  # high, but not that high
    assert outcome([2.0] + ([1e6] * 49 + [2.0]) * 9) is None  # high, but never for long
    assert outcome([1e-4] + [4.0] * 99) is None  # begun from what was learned elsewhere, on other clips
    assert outcome([1e-4] + [11.0] * 99) == 50


def test_what_is_too_long_fits_the_run() -> None:
    assert [too_long(steps) for steps in (1, 6, 39, 40, 499, 500, 10**6)] == [3, 3, 3, 4, 49, 50, 50]
    assert outcome([2.0] + ([1e6] * 3 + [2.0]) * 9, longest=4) is None  # high, but never for long
    assert outcome([2.0] * 9 + [21.0] * 4, longest=4) == 12


def test_a_short_run_that_explodes_goes_back() -> None:
    """Within fewer steps than a long run may overshoot."""
    _, fitted = run(replace(STEEP, epochs=2, lr=6, warmup_fraction=0))
    assert fitted.steps == 8
    assert fitted.setbacks[-1].what == "the loss stayed above 31.9 for 3 steps, from 3.19 before training,"
    assert fitted.history[-1]["loss"] < 1


@pytest.mark.parametrize("worst", [float("nan"), float("inf"), 1e9])
@pytest.mark.parametrize("stop", [None, 5])
def test_a_validation_loss_that_explodes_is_a_divergence(worst: float, stop: int | None, tmp_path: Path) -> None:
    """Which the training loss may hide; a resumed run finds the same."""
    calls = 0

    def validate(model: nn.Module) -> dict[str, float]:
        nonlocal calls
        calls += 1
        return {"square_loss": 1.0, "loss": worst if calls == 2 else 31.0}  # ten times what it was is 31.9

    def interrupt(done: int, total: int) -> None:
        if done == stop:
            raise KeyboardInterrupt

    said, more = list[str](), {"validate": validate, "out": tmp_path, "save_every_s": 0.0}
    unwatched = replace(CALM, monitor=None)
    if stop:
        with pytest.raises(KeyboardInterrupt):
            run(unwatched, progress=interrupt, **more)
    model, fitted = run(unwatched, say=said.append, **more)
    (setback,) = fitted.setbacks
    assert setback.what == f"the validation loss came to {worst:.3g}, from a loss of 3.19 before training,"
    assert (setback.step, setback.back_to, fitted.steps) == (8, 0, 32)
    assert str(setback)[1:] in said[-1] and fitted.notes == (f"Training diverged: {setback}.",)
    half, _ = run(replace(unwatched, lr=0.05))
    assert torch.equal(model.weight, half.weight) and len(fitted.history) == 8


def test_training_in_vain_is_said(tmp_path: Path) -> None:
    said = list[str]()
    blind = replace(CALM, lr=1e-10, epochs=2, monitor=None)
    _, fitted = run(blind, chance=3.0, say=said.append, out=tmp_path)
    assert said == [fitted.unlearned] == list(fitted.notes)
    assert said[0].startswith("Training has not learned: its loss ended at 3.") and "3; try another" in said[0]
    assert run(blind, chance=3.0, out=tmp_path)[1].unlearned == fitted.unlearned  # of a run that is done
    assert run(blind)[1].unlearned is None  # nobody knows what chance is
    assert run(replace(blind, epochs=1), chance=1.0)[1].unlearned is None
    assert run(CALM, chance=3.0)[1].notes == ()
    for loss, told in ((1.38629431, True), (1.375, True), (1.37, False)):  # of blind guesses among four: ln 4
        assert bool(unlearned(Position(history=[{"loss": 1.5}, {"loss": loss}]), log(4))) == told
    losses = [{"loss": loss} for loss in (4.0, 1.0, 4.0)]
    assert unlearned(Position(history=losses, best_epoch=2), 3.0) is None  # whose weights are kept
    assert unlearned(Position(history=losses), 3.0) and unlearned(Position(history=losses), 4.0)


def test_time_that_was_lost_counts() -> None:
    def spoil(call: int) -> float:
        if call == 2:
            time.sleep(0.1)
        return float("nan") if call == 2 else 1

    _, fitted = run(replace(CALM, within_s=0.1), spoil)
    assert fitted.setbacks[0].seconds > 0.1
    assert fitted.stopped_early and len(fitted.history) == 1
