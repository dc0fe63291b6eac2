"""What is taught to which network: only what answers clips, and the variant that the weights were saved with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from marey.data import Quarantine, read_manifest
from marey.errors import DataError, UsageError
from marey.jobs import Silent, open_model, plan, train
from marey.jobs.choose import Wishes
from marey.jobs.learn import learn
from marey.jobs.lesson import make_lesson, room_when_begun
from marey.jobs.scores import keep_model
from marey.presets import create_model, find_preset
from marey.training import save_checkpoint


def test_networks_that_do_not_classify_clips_are_refused(small_films: Path) -> None:
    name = "fcn_glore_r50"
    for job in (lambda data: train(data, preset=name), lambda data: plan(data, presets=[name])):
        with pytest.raises(UsageError, match=f"preset {name} answers every pixel of an image, not a clip; take one"):
            job(small_films / "annotations.csv")


def test_fine_tuning_keeps_the_variant_of_the_weights(small_films: Path, tmp_path: Path) -> None:
    start, preset = tmp_path / "start.safetensors", find_preset("x3d_xs")
    header = {
        "preset": "x3d_xs",
        "arguments": {"num_classes": 2, "variant": "pytorchvideo"},
        "clip": preset.clip.to_dict(),
        "labels": {"label": ["a", "b"]},
        "metrics": {},
    }
    begun = create_model("x3d_xs", num_classes=2, variant="pytorchvideo")
    save_checkpoint(start, begun, header)
    manifest = read_manifest(small_films / "annotations.csv")
    lesson = make_lesson(
        preset,
        manifest,
        Wishes(),
        clips=len(manifest),
        start_from=start,
        device=torch.device("cpu"),
        workers=0,
        decoder="pyav",
        use_cache=False,
    )
    own, given = lesson.model.state_dict(), begun.state_dict()
    differ = {name for name in own if own[name].shape != given[name].shape or not torch.equal(own[name], given[name])}
    assert own.keys() == given.keys() and len(differ) == 2  # weight and bias of the classifier of three classes
    kept = keep_model(tmp_path / "kept.safetensors", lesson, preset, manifest.samples)
    assert kept.header["arguments"] == {"num_classes": 3, "variant": "pytorchvideo"}
    assert open_model(tmp_path / "kept.safetensors").model.state_dict().keys() == own.keys()


def test_a_run_goes_on_with_the_batch_that_it_was_begun_with(small_films: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "batch_size": 4}')
    assert room_when_begun(None) is None and room_when_begun(tmp_path / "none") is None
    lesson = make_lesson(
        find_preset("single_frame_stage"),
        manifest := read_manifest(small_films / "annotations.csv"),
        Wishes(),
        clips=len(manifest),
        device=torch.device("cpu"),
        workers=0,
        decoder="pyav",
        room=room_when_begun(tmp_path),
        use_cache=False,
    )
    assert lesson.batch_size == 4 and "batch 4 (memory has no room for the usual 16)" in lesson.rules


@pytest.mark.parametrize("preset", ["motion", "single_frame_stage"])  # a frozen encoder, and a whole network
def test_nothing_can_be_learned_from_clips_that_cannot_be_read(small_films: Path, tmp_path: Path, preset: str) -> None:
    manifest = read_manifest(small_films / "annotations.csv")
    lost = [replace(sample, path=str(tmp_path / "lost.mp4")) for sample in manifest.samples[:2]]
    lesson = make_lesson(
        find_preset(preset),
        manifest,
        Wishes(),
        clips=len(lost),
        device=torch.device("cpu"),
        workers=0,
        decoder="pyav",
        use_cache=False,
    )
    with pytest.raises(DataError, match="none of the 2 clips to learn from can be read"):
        learn(lesson, manifest, lost, [], out=None, quarantine=Quarantine(total=9), narrator=Silent())
