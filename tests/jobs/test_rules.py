"""What a newcomer should not have to know is chosen, with reasons, and a word of the user's overrules it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from marey.jobs import Silent, plan, train
from marey.jobs.choose import Wishes, choose_recipe
from marey.jobs.memory import most_at_once
from marey.models import VideoModel
from marey.presets import create_model, find_preset, training_bytes

LINEAR, WHOLE = find_preset("motion"), find_preset("resnet18_stage")


def test_what_fits_is_as_it_always_was() -> None:
    for preset, batch, rate, epochs in ((LINEAR, 32, 0.3, 100), (WHOLE, 16, 2e-3, 24)):
        recipe, size, _ = choose_recipe(preset, Wishes(), clips=1600, most=10**6)
        assert (size, recipe.lr, recipe.epochs) == (batch, rate, epochs)


@pytest.mark.parametrize("most, batch", [(16, 16), (15, 8), (5, 4), (0, 2)])
def test_the_batch_is_halved_until_it_fits_and_the_rate_goes_with_it(most: int, batch: int) -> None:
    recipe, size, reasons = choose_recipe(WHOLE, Wishes(), clips=1600, most=most)
    assert size == batch and recipe.lr == pytest.approx(2e-3 * (batch / 16) ** 0.5)
    assert reasons["batch"] == ("usual for whole networks" if batch == 16 else "memory has no room for the usual 16")
    assert choose_recipe(WHOLE, Wishes(batch_size=32), clips=1600, most=most).batch_size == 32


def test_the_rate_follows_all_clips_of_a_step() -> None:
    assert choose_recipe(WHOLE, Wishes(batch_size=64), clips=1600).recipe.lr == pytest.approx(4e-3)
    assert choose_recipe(WHOLE, Wishes(batch_size=4, accumulate=4), clips=1600).recipe.lr == 2e-3
    assert choose_recipe(LINEAR, Wishes(batch_size=8), clips=1600).recipe.lr == pytest.approx(0.15)
    assert choose_recipe(WHOLE, Wishes(batch_size=64, lr=1e-3), clips=1600).recipe.lr == 1e-3


@pytest.mark.parametrize("clips, epochs, why", [(10**6, 10, "the fewest"), (50, 200, "the most"), (320, 120, "about")])
def test_epochs_follow_the_data(clips: int, epochs: int, why: str) -> None:
    recipe, _, reasons = choose_recipe(WHOLE, Wishes(), clips=clips)
    assert recipe.epochs == epochs and reasons["epochs"].startswith(why)
    assert choose_recipe(WHOLE, Wishes(epochs=3), clips=clips).recipe.epochs == 3


def test_all_are_told_with_their_reasons() -> None:
    assert choose_recipe(WHOLE, Wishes(), clips=1600).told() == (
        "24 epochs (about 2400 steps over 1,600 clips), batch 16 (usual for whole networks), "
        "rate 0.002 (usual for batch 16)"
    )
    assert choose_recipe(LINEAR, Wishes(batch_size=8, accumulate=2), clips=9).told() == (
        "100 epochs (cheap on kept features), batch 8 x 2 (given), rate 0.212 "
        "(0.3 for batch 32, times the root of 16/32)"
    )
    assert choose_recipe(WHOLE, Wishes(epochs=1, lr=0.1, batch_size=3), clips=9).told() == (
        "1 epoch (given), batch 3 (given), rate 0.1 (given)"
    )


class Toy(VideoModel):
    """Keeps its input, for the gradient of its weights, and what its sigmoid gives, for that of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 4 * 8 * 8, 5, bias=False)
        self.last = nn.Linear(5, 2, bias=False)

    def features(self, video: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        return self.linear(video.flatten(1)).sigmoid()

    def classify(self, encoded: torch.Tensor) -> torch.Tensor:
        return self.last(encoded)

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        return self.classify(self.encode(video))


def test_memory_is_what_is_kept_for_the_backward_pass() -> None:
    model, spec = Toy(), replace(WHOLE.clip, frames=4, side_px=8, short_px=8)
    before = model.linear.weight.clone()
    fixed, each = training_bytes(model, spec)
    assert model.linear.weight.device.type == "cpu" and torch.equal(model.linear.weight, before)
    assert fixed == 4 * 4 * (768 * 5 + 5 * 2)  # floats: weight, gradient, two averages
    assert each == 2 * 4 * (768 + 5)  # what is kept, and as much to work in
    model.linear.requires_grad_(False)
    assert training_bytes(model, spec) == (4 * (768 * 5 + 4 * 5 * 2), 2 * 4 * 5)


def test_a_run_that_goes_on_keeps_its_batch(small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began on a machine with little memory."""
    fixed, each = training_bytes(create_model(WHOLE.name, num_classes=3), WHOLE.clip)
    free = (fixed + 5.5 * each) / 0.7
    monkeypatch.setattr("marey.jobs.memory.free_bytes", lambda device: free)
    model = create_model(WHOLE.name, num_classes=3)
    assert most_at_once(model, WHOLE.clip, torch.device("cpu")) == 5
    said: list[str] = []

    class Listener(Silent):
        def say(self, sentence: str) -> None:
            said.append(sentence)
            if sentence.startswith("run: "):
                raise KeyboardInterrupt

    asked = {"preset": WHOLE.name, "epochs": 1, "workers": 0, "out": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        train(small_films / "annotations.csv", **asked, narrator=Listener())
    told = (
        "; 1 epoch (given), batch 4 (memory has no room for the usual 16), rate 0.001 (0.002 for batch 16, times the "
    )
    assert any(told in sentence for sentence in said)
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["batch_size"] == 4 and told[2:] in info["rules"]
    (row,) = plan(small_films / "annotations.csv", presets=[WHOLE.name], workers=0)
    assert row.batch_size == 4
    free *= 1000
    train(small_films / "annotations.csv", **asked)
    after = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert after["step"] == 4  # of 4 clips, not one of all


def test_free_memory_that_is_unknown_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.jobs.memory.free_bytes", lambda device: None)
    assert most_at_once(create_model(WHOLE.name, num_classes=3), WHOLE.clip, torch.device("cpu")) is None
