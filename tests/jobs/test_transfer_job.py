"""Training on from a run: what stays, what learns, what is told, what is refused; and a kill in between."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.errors import UsageError
from marey.jobs import ClassEdits, Silent, Trial, evaluate, train
from marey.jobs.choose import HEAD_FIRST, LAYER_DECAY, Start, Wishes, choose_recipe
from marey.jobs.transfer import prepare_transfer, refuse_transfer
from marey.presets import find_preset
from marey.training import load_checkpoint

FORMER, NETWORK = "videomae_stage", "early_fusion_stage"
BODY = ("patches.weight", "blocks.0.attention.qkv.weight", "blocks.3.mlp.fc2.weight", "norm.weight")


class Listener(Silent):
    def __init__(self, stop_at: int | None = None) -> None:
        self.said: list[str] = []
        self.stop_at, self.steps = stop_at, 0

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def progress(self, what: str, done: int, total: int) -> None:
        if what == "train" and done == self.stop_at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def two_of_three(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    """A transformer and a convolutional network that have seen two of the classes."""
    out, data = tmp_path_factory.mktemp("first"), small_films / "annotations.csv"
    edits = ClassEdits(leave_out=("still",))
    return {
        name: train(data, preset=name, edits=edits, epochs=1, workers=0, out=out / name) for name in (FORMER, NETWORK)
    }


def tensors(trial: Trial) -> dict[str, torch.Tensor]:
    return load_checkpoint(trial.folder / "model.safetensors")[1]


def test_fixed_features_are_those_of_the_run_and_only_the_classifier_learns(
    two_of_three: dict[str, Trial], small_films: Path, tmp_path: Path
) -> None:
    start, listener = two_of_three[NETWORK], Listener()
    data = small_films / "annotations.csv"
    on = train(data, start_from=start.folder, transfer="fixed", epochs=3, workers=0, out=tmp_path, narrator=listener)
    assert "transfer: fixed; a fresh classifier learns from features that are computed once" in listener.said
    before, after = tensors(start), tensors(on)
    assert before.keys() == after.keys() and after["fc.weight"].shape[0] == 3
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("fc."))
    again = evaluate(on.folder, workers=0)["label"]
    np.testing.assert_allclose(
        [c.scores for c in on.evaluations["label"].clips], [c.scores for c in again.clips], atol=1e-6
    )


def test_adapters_are_merged_and_the_checkpoint_is_an_ordinary_one(
    two_of_three: dict[str, Trial], small_films: Path, tmp_path: Path
) -> None:
    start, data, listener = two_of_three[FORMER], small_films / "annotations.csv", Listener()
    asked = {"start_from": start.folder, "transfer": "lora", "epochs": 2, "lr": 0.01, "batch_size": 8, "workers": 0}
    on = train(data, **asked, out=tmp_path / "on", narrator=listener)
    said = "transfer: lora; a fresh classifier and low-rank adapters learn, everything else stays"
    assert said in listener.said
    before, after = tensors(start), tensors(on)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in ("patches.weight", "norm.weight"))
    change = after["blocks.0.attention.qkv.weight"] - before["blocks.0.attention.qkv.weight"]
    assert 1 <= torch.linalg.matrix_rank(change, atol=1e-5) <= 8
    again = evaluate(on.folder, workers=0)["label"]
    np.testing.assert_allclose(
        [c.scores for c in on.evaluations["label"].clips], [c.scores for c in again.clips], atol=1e-6
    )
    with pytest.raises(KeyboardInterrupt):
        train(data, **asked, out=tmp_path / "cut", narrator=Listener(stop_at=2))
    cut = train(data, **asked, out=tmp_path / "cut")
    assert all(torch.equal(after[name], tensor) for name, tensor in tensors(cut).items())


def test_full_lets_the_classifier_learn_first_and_deep_layers_slowly(
    two_of_three: dict[str, Trial], small_films: Path, tmp_path: Path
) -> None:
    start, data, listener = two_of_three[FORMER], small_films / "annotations.csv", Listener()
    asked = {"start_from": start.folder, "epochs": 2, "batch_size": 8, "workers": 0}
    on = train(data, **asked, out=tmp_path / "on", narrator=listener)
    assert (
        "transfer: full; a fresh classifier and everything below it learn, the classifier alone for the first 10% of "
        "the steps, each of 5 layers 0.75 as fast as the next, batch statistics stay, as batches are under 16 clips"
    ) in listener.said
    recipe = json.loads((on.folder / "run.json").read_text())["recipe"]
    assert (recipe["layer_decay"], recipe["head_first"], recipe["lr"]) == (0.75, 0.1, 3e-4 * (8 / 16) ** 0.5)
    before, after = tensors(start), tensors(on)
    moved = [float((after[name] - before[name]).abs().max()) for name in BODY[1:3]]
    assert 0 < moved[0] < moved[1]
    waiting = train(data, **asked, transfer="full", head_first=0.9, layer_decay=1.0, lr=1e-3, out=tmp_path / "wait")
    shift = {name: float((tensors(waiting)[name] - before[name]).abs().max()) for name in BODY}
    assert max(shift.values()) <= 1.01e-3  # one step of AdamW, at most the rate


def test_a_classifier_of_the_same_classes_goes_on_and_of_others_starts_anew(
    two_of_three: dict[str, Trial], small_films: Path, tmp_path: Path
) -> None:
    start, data = two_of_three[NETWORK], small_films / "annotations.csv"
    for name, edits, sentence in (
        ("same", ClassEdits(leave_out=("still",)), "its classifier"),
        ("other", ClassEdits(leave_out=("up",)), "a fresh classifier"),
    ):
        listener = Listener()
        asked = {"start_from": start.folder, "edits": edits, "epochs": 1, "lr": 1e-10, "workers": 0}
        on = train(data, **asked, out=tmp_path / name, narrator=listener)
        assert any(line.startswith(f"transfer: full; {sentence} and everything") for line in listener.said)
        kept = torch.allclose(tensors(on)["fc.weight"], tensors(start)["fc.weight"], atol=1e-6)
        assert kept == (name == "same")


@pytest.mark.parametrize(
    "asked, sentence",
    [
        ({"transfer": "lora"}, "--transfer is for a network that has learned elsewhere; name it with --from, or drop"),
        ({"head_first": 0.2}, "--head-first is for a network that has learned elsewhere; name it with --from"),
        ({"start_from": FORMER, "transfer": "some"}, "--transfer is 'some'; it can be fixed, full or lora"),
        ({"start_from": NETWORK, "transfer": "lora"}, "early_fusion_stage has no transformer blocks, which --transfer"),
        ({"start_from": FORMER, "transfer": "fixed", "layer_decay": 0.5}, "--layer-decay is for networks that go on"),
        ({"start_from": FORMER, "layer_decay": 2.0}, "--layer-decay is 2.0; give a number from 0.01 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    asked: dict, sentence: str, two_of_three: dict[str, Trial], small_films: Path, tmp_path: Path
) -> None:
    start = {"start_from": two_of_three[asked["start_from"]].folder} if "start_from" in asked else {}
    with pytest.raises(UsageError, match=sentence):
        train(small_films / "annotations.csv", **{**asked, **start}, workers=0, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_frozen_preset_has_nothing_more_to_teach() -> None:
    motion = find_preset("motion")
    with pytest.raises(UsageError, match="motion keeps its encoder as it is, so --transfer full has nothing to teach"):
        refuse_transfer(motion, Wishes(transfer="full"))
    refuse_transfer(motion, Wishes(transfer="fixed"))
    model = motion.mini.build(num_classes=3)
    assert prepare_transfer(motion, model, motion.clip, how="fixed", fresh=()) is None


def test_rules_of_going_on() -> None:
    former, frozen = find_preset(FORMER), find_preset("motion")
    fresh, kept = Start("full", True, True), Start("full", False, False)
    recipe, *_ = choose_recipe(former, Wishes(), clips=100, start=fresh)
    assert (recipe.layer_decay, recipe.head_first, recipe.frozen_statistics) == (LAYER_DECAY, HEAD_FIRST, False)
    recipe, *_ = choose_recipe(former, Wishes(batch_size=8), clips=100, start=kept)
    assert (recipe.layer_decay, recipe.head_first, recipe.frozen_statistics) == (1.0, 0.0, True)
    recipe, *_ = choose_recipe(former, Wishes(layer_decay=0.6, head_first=0.3), clips=100, start=kept)
    assert (recipe.layer_decay, recipe.head_first) == (0.6, 0.3)
    scratch, *_ = choose_recipe(former, Wishes(batch_size=8), clips=100)
    assert (scratch.layer_decay, scratch.head_first, scratch.frozen_statistics) == (1.0, 0.0, False)
    assert choose_recipe(frozen, Wishes(), clips=100)[0].optimizer == "sgd"
