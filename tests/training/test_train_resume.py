"""A run that was killed goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from marey.errors import CheckpointError, UsageError
from marey.training import Recipe, fit, read_history, read_tensors, write_tensors

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import torch
torch.set_num_threads(1)
from test_train_resume import train
train(Path(sys.argv[1]), pause_s=0.02, save_every_s=0.0)
"""
RECIPE = Recipe(epochs=4, lr=0.02, accumulate=2, ema_decay=0.9, monitor="val_loss", warmup_fraction=0.2, seed=3)


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))


def train(out: Path | None, *, recipe: Recipe = RECIPE, pause_s: float = 0, save_every_s: float = 60.0, **more):
    """Everything random that a run can have: noise in the batches, dropout, an order for each epoch."""
    generator = torch.Generator().manual_seed(5)
    inputs, classes = torch.randn(20, 6, generator=generator), torch.randint(3, (20,), generator=generator)
    model = make_model()

    def batches(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(20)
        for part in order.split(4):
            yield inputs[part] + 0.1 * torch.randn(len(part), 6), classes[part]

    def step(batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        time.sleep(pause_s)
        logits = model(batch[0])
        return {
            "loss": functional.cross_entropy(logits, batch[1]),
            "top1": (logits.argmax(1) == batch[1]).float().mean(),
        }

    def validate(model: nn.Module) -> dict[str, float]:
        return {"loss": float(functional.cross_entropy(model(inputs), classes))}

    fitted = fit(
        step,
        batches,
        model=model,
        recipe=recipe,
        out=out,
        device="cpu",
        validate=validate,
        batches_per_epoch=5,
        save_every_s=save_every_s,
        **more,
    )
    return model, fitted


def figures(rows) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k not in ("seconds", "data_wait")} for row in rows]


def kill_in_epoch(out: Path, epoch: int, batch: int) -> None:
    """Runs the script until its saved state has come to that place, then kills it without warning."""
    script = out.parent / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(script), str(out), str(Path(__file__).parent)])
    try:
        while True:
            assert process.poll() is None, "the run ended before it could be killed"
            if (out / "state.safetensors").exists():
                with safe_open(out / "state.safetensors", framework="pt") as file:  # which is being replaced meanwhile
                    position = json.loads(file.metadata()["marey"])["position"]
                if (position["epoch"], position["batch"]) >= (epoch, batch):
                    break
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def test_killed_and_resumed_equals_unbroken(tmp_path: Path) -> None:
    model, unbroken = train(tmp_path / "unbroken")
    kill_in_epoch(tmp_path / "killed", 2, 2)
    said: list[str] = []
    other, resumed = train(tmp_path / "killed", say=said.append)
    assert "Going on after epoch 2, batch" in said[0]
    assert figures(resumed.history) == figures(unbroken.history)
    for folder in ("unbroken", "killed"):
        assert figures(read_history(tmp_path / folder)) == figures(unbroken.history)
    assert (resumed.best_epoch, resumed.steps) == (unbroken.best_epoch, unbroken.steps) == (unbroken.best_epoch, 12)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    first, second = (read_tensors(tmp_path / f / "state.safetensors")[1] for f in ("unbroken", "killed"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("save_every_s", [0.0, 60.0])
def test_an_interrupt_leaves_a_resumable_state(tmp_path: Path, optimizer: str, save_every_s: float) -> None:
    """Ctrl-C comes in the third batch of the second epoch; where the state was saved last must not matter."""
    recipe = Recipe(**{**RECIPE.to_dict(), "optimizer": optimizer})
    model, unbroken = train(None, recipe=recipe)

    def interrupt(done: int, total: int) -> None:
        assert total == 20
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, recipe=recipe, save_every_s=save_every_s, progress=interrupt)
    assert not list(tmp_path.glob(".*"))
    other, resumed = train(tmp_path, recipe=recipe)
    assert figures(resumed.history) == figures(unbroken.history)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_layers_at_rates_of_their_own_and_frozen_statistics_go_on_too(tmp_path: Path) -> None:
    """Ctrl-C comes while the body still waits for the classifier."""
    recipe = Recipe(**{**RECIPE.to_dict(), "layer_decay": 0.5, "head_first": 0.6, "frozen_statistics": True})
    depths = {"0.weight": 2, "0.bias": 2, "1.weight": 1, "1.bias": 1}

    def interrupt(done: int, _: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    model, unbroken = train(None, recipe=recipe, depths=depths)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, recipe=recipe, depths=depths, save_every_s=0.0, progress=interrupt)
    tensors, begun = read_tensors(tmp_path / "state.safetensors")[1], make_model().state_dict()
    same = {name: torch.equal(tensors[f"model.{name}"], tensor) for name, tensor in begun.items()}
    assert same == {name: not name.startswith("3.") for name in begun}  # nothing but the classifier, nor statistics
    other, resumed = train(tmp_path, recipe=recipe, depths=depths)
    assert figures(resumed.history) == figures(unbroken.history)
    ends = list(zip(model.state_dict().values(), other.state_dict().values(), begun.values(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in ends)
    assert [torch.equal(a, c) for a, _, c in ends] == [False] * 4 + [True] * 3 + [False] * 2


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    model, fitted = train(tmp_path)
    told: list[tuple[int, int]] = []
    other, again = train(tmp_path, progress=lambda *at: told.append(at))
    assert again == fitted and told == []
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_rows_of_an_epoch_whose_state_was_lost_go(tmp_path: Path) -> None:
    _, fitted = train(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 5, "step"')
    assert len(read_history(tmp_path)) == 4
    train(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(fitted.history)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    train(tmp_path)
    other = Recipe(**{**RECIPE.to_dict(), "lr": 0.5, "epochs": 9})
    with pytest.raises(
        UsageError, match=r"other settings \(epochs was 4, now 9; lr was 0.02, now 0.5\); give the same"
    ):
        train(tmp_path, recipe=other)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        train(tmp_path)
    write_tensors(state, {}, {"kind": "checkpoint", "format": 1})
    with pytest.raises(UsageError, match="is not the state of a training run; move it away or give another folder"):
        train(tmp_path)


class Numbers(Dataset[int]):
    """Remembers what was loaded."""

    def __init__(self) -> None:
        self.loaded: list[int] = []

    def __getitem__(self, index: int) -> int:
        self.loaded.append(index)
        return index


def test_a_loader_with_listed_batches_skips_without_loading(tmp_path: Path) -> None:
    numbers, model = Numbers(), nn.Linear(1, 1)

    def loader(epoch: int) -> DataLoader[int]:
        return DataLoader(numbers, batch_sampler=[[0, 1], [2, 3], [4, 5]])  # pyright: ignore[reportArgumentType]

    def step(batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": model(batch[:, None].float()).square().mean()}

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    recipe = Recipe(epochs=1)
    with pytest.raises(KeyboardInterrupt):
        fit(step, loader, model=model, recipe=recipe, out=tmp_path, device="cpu", save_every_s=0.0, progress=interrupt)
    numbers.loaded.clear()
    fit(step, loader, model=model, recipe=recipe, out=tmp_path, device="cpu")
    assert numbers.loaded == [4, 5]
