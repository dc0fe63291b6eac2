"""Encoders of transformers through the whole job: learned on, kept, opened again where the checkpoint is gone."""

from pathlib import Path
from shutil import rmtree

import pytest
import torch
from safetensors.torch import load_file

from hub_checkpoints import save
from marey.app.cli import main
from marey.jobs import evaluate, open_model, train
from marey.jobs.choose import Wishes, choose_recipe
from marey.presets import create_model, find_preset


def test_a_frozen_encoder_learns_and_needs_its_checkpoint_no_more(small_films: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "videomae", "videomae_classifier")
    start = create_model(f"hf:{folder}", num_classes=3).encoder.state_dict()
    trial = train(small_films / "annotations.csv", preset=f"hf:{folder}", epochs=3, workers=0, out=tmp_path / "run")
    rmtree(folder)
    trained = open_model(trial.folder)
    assert trained.model.frozen and trained.spec.frames == 4 and trained.spec.side_px == 16
    assert all(torch.equal(tensor, start[name]) for name, tensor in trained.model.encoder.state_dict().items())
    again = evaluate(trial.folder, small_films / "annotations.csv", workers=0)
    assert trial.evaluations["label"].metrics["top1"].n <= again["label"].metrics["top1"].n
    on = train(small_films / "annotations.csv", start_from=trial.folder, epochs=1, workers=0, out=tmp_path / "on")
    further = open_model(on.folder)
    assert further.header["preset"] == f"hf:{folder}" and further.spec == trained.spec
    assert all(torch.equal(tensor, start[name]) for name, tensor in further.model.encoder.state_dict().items())


def test_a_whole_encoder_is_fine_tuned(small_films: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", "clip")
    name = f"hf:{folder}:attention:finetune"
    start = create_model(name, num_classes=3).encoder.state_dict()
    trial = train(small_films / "annotations.csv", preset=name, epochs=1, batch_size=8, workers=0, out=tmp_path / "run")
    held = load_file(trial.folder / "model.safetensors")
    moved = [name for name, tensor in start.items() if not torch.equal(held[f"encoder.{name}"], tensor)]
    assert "net.embeddings.patch_embedding.weight" in moved
    assert not open_model(trial.folder).model.frozen


def test_fine_tuning_goes_on_at_a_small_rate(tmp_path: Path) -> None:
    folder = save(tmp_path / "clip", "clip_vision")
    recipe, *_ = choose_recipe(find_preset(f"hf:{folder}:finetune"), Wishes(), clips=100)
    assert recipe.lr == 5e-5
    assert choose_recipe(find_preset(f"hf:{folder}:finetune"), Wishes(lr=1e-3), clips=100)[0].lr == 1e-3
    assert choose_recipe(find_preset(f"hf:{folder}"), Wishes(), clips=100)[0].optimizer == "sgd"
    assert choose_recipe(find_preset(f"hf:{folder}:attention"), Wishes(), clips=100)[0].optimizer == "adamw"


def test_the_command_shows_and_refuses_names(
    small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path / "siglip", "siglip")
    assert main(["models", f"hf:{folder}", "--json"]) == 0
    assert '"family": "SigLIP"' in capsys.readouterr().out
    assert main(["models", f"hf:{folder}", "--layers"]) == 0
    assert "block2 16 x 8 x 2 x 2" in " ".join(capsys.readouterr().out.split())
    assert main(["train", str(small_films / "annotations.csv"), "--preset", "hf:nobody/nothing"]) == 2
    assert "nobody/nothing is not in the cache" in capsys.readouterr().err
