"""From a finished run to one whose classifier is balanced: every method, frozen and whole networks, refusals."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from film_tables import table
from torch.nn import functional

from marey.app.cli import main
from marey.data import read_manifest, write_manifest
from marey.errors import DataError, UsageError
from marey.jobs import Rebalanced, Trial, evaluate, open_model, predict, read_run, rebalance, train
from marey.jobs.decouple import METHODS, balance
from marey.models import VideoModel, last_layers
from marey.presets import find_preset, start_from_checkpoint
from marey.training import load_checkpoint, save_checkpoint

CLASSES = 3


SIDES = {"up": "ttttveet", "down": "ttt-vee-", "still": "t---vee-"}


@pytest.fixture(scope="module")
def trial(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Of five, three and one training clips."""
    place = tmp_path_factory.mktemp("tail")
    data = table(small_films, place / "tail.csv", sides=SIDES)
    return train(data, preset="motion", balance="none", epochs=5, workers=0, out=place / "run")


@pytest.fixture(scope="module")
def whole(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    place = tmp_path_factory.mktemp("whole")
    data = table(small_films, place / "tail.csv", sides=SIDES)
    return train(data, preset="single_frame_stage", epochs=1, workers=0, out=place / "run")


@pytest.fixture(scope="module")
def means(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Rebalanced:
    out = tmp_path_factory.mktemp("means") / "out"
    return rebalance(trial.folder, method="ncm", shots="2,4", out=out, workers=0)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.jobs.decouple.LWS_STEPS", 10)


def edited(trial: Trial, out: Path, *, sides: dict[str, str] | None = None, **header: object) -> Path:
    """A copy of a run whose splits have other names, or whose model's header says something else."""
    shutil.copytree(trial.folder, out)
    if sides:
        manifest = read_manifest(out / "manifest.parquet")
        samples = tuple(replace(s, split=sides.get(s.split or "", s.split)) for s in manifest.samples)
        (out / "manifest.parquet").unlink()
        write_manifest(replace(manifest, samples=samples), out / "manifest.parquet", "parquet")
    if header:
        old, tensors = load_checkpoint(out / "model.safetensors")
        save_checkpoint(out / "model.safetensors", tensors, old | header)
    return out


def small(classes: int = CLASSES) -> tuple[VideoModel, tuple[torch.Tensor, torch.Tensor]]:
    """(a whole network, what its classifier reads of thirty clips and what they show)."""
    model = find_preset("late_fusion_pool").mini.build(num_classes=classes).eval()
    encoded = torch.randn(30, model.encode(torch.zeros(1, 3, 3, 16, 16)).shape[1])
    return model, (encoded, functional.one_hot(torch.arange(30) % classes, classes).float())


def balanced(method: str, model: VideoModel, clips: tuple[torch.Tensor, torch.Tensor]) -> dict[str, object]:
    return balance(model, method, clips, clips, seed=0, device=torch.device("cpu"))[0]


def test_tau_keeps_the_directions_and_drops_the_bias() -> None:
    model, clips = small()
    (layer,) = last_layers(model, clips[0]).values()
    before = layer.weight.detach().clone()
    chosen = balanced("tau", model, clips)
    length = before.norm(dim=1, keepdim=True)
    assert layer.bias is not None and not layer.bias.any()
    torch.testing.assert_close(layer.weight.detach(), before / length ** chosen["tau"])  # type: ignore[operator] - a number
    scores = chosen["mean per class on validation by tau"]
    assert isinstance(scores, dict) and len(scores) == 21 and scores[f"{chosen['tau']:g}"] == max(scores.values())


def test_factors_scale_weight_and_bias_of_a_class_alike() -> None:
    model, clips = small()
    (layer,) = last_layers(model, clips[0]).values()
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    balanced("lws", model, clips)
    factors = (layer.weight / weight).mean(1).detach()
    torch.testing.assert_close(layer.weight.detach(), factors[:, None] * weight)
    torch.testing.assert_close(layer.bias.detach(), factors * bias)
    assert (factors - 1).abs().max() > 0.01  # it has learned


def test_a_fresh_classifier_learns_what_the_features_say() -> None:
    model, (encoded, targets) = small()
    encoded = encoded + 3 * targets @ torch.randn(CLASSES, encoded.shape[1])
    before = model.classify(encoded).argmax(1)
    balanced("crt", model, (encoded, targets))
    after = model.classify(encoded).argmax(1)
    assert (after == targets.argmax(1)).float().mean() > 0.9 > (before == targets.argmax(1)).float().mean()


def test_an_unknown_method_and_a_network_that_ends_otherwise() -> None:
    model, clips = small()
    with pytest.raises(ValueError, match="method is 'magic'; it can be crt, ncm, tau, lws"):
        balanced("magic", model, clips)
    with pytest.raises(ValueError, match="RCN does not end in linear layers"):
        rcn = find_preset("gru_rcn_stage").mini.build(num_classes=CLASSES).eval()
        width = sum(rcn.sizes)  # type: ignore[arg-type, union-attr, operator] - of an RCN
        balanced("crt", rcn, (torch.randn(6, width), clips[1][:6]))


@pytest.mark.parametrize("method", [pytest.param(m, marks=[pytest.mark.slow] * (m != "ncm")) for m in METHODS])
def test_a_balanced_run_is_a_run_like_any_other(
    method: str, trial: Trial, means: Rebalanced, tmp_path: Path, small_films: Path
) -> None:
    result = means
    if method != "ncm":
        result = rebalance(trial.folder, method=method, shots="2,4", out=tmp_path / "out", workers=0)
    out = result.folder
    assert [row.part for row in result.shots] == ["many (over 4)", "medium (2 to 4)", "few (under 2)", "all"]
    assert [row.classes for row in result.shots] == [1, 1, 1, 3]
    for row in result.shots:
        assert row.difference.value == pytest.approx(row.after.value - row.before.value)
    again = evaluate(out, workers=0, shots="2,4")["label"]
    assert again.metrics == result.after.metrics and again.breakdowns == result.after.breakdowns
    assert result.before.metrics == trial.evaluations["label"].metrics
    timelines, _ = predict(out, [small_films / "up" / "up0.mp4"])
    assert sum(next(iter(timelines.values())).video_scores.values()) == pytest.approx(1)
    page = (out / "report.html").read_text()
    assert "training clips of the class" in page and "few (under 2)" in page and f"was balanced by {method}" in page
    finished = rebalance(trial.folder, method=method, shots="2,4", out=out, workers=0)
    assert finished == replace(result, chosen=json.loads(json.dumps(result.chosen)))
    with pytest.raises(UsageError, match=r"holds a run with shots '2,4', and this one has None"):
        rebalance(trial.folder, method=method, out=out, workers=0)
    info = read_run(out).info
    assert info["command"] == f"marey rebalance {trial.folder} --method {method} --shots 2,4 --out {out}"


@pytest.mark.parametrize("method", [pytest.param(m, marks=[pytest.mark.slow] * (m != "tau")) for m in METHODS])
def test_whole_networks_are_balanced_behind_their_representation(method: str, whole: Trial, tmp_path: Path) -> None:
    result = rebalance(whole.folder, method=method, out=tmp_path / "out", workers=0)
    own, now = (open_model(folder).model.state_dict() for folder in (whole.folder, result.folder))
    changed = {name for name in now if name not in own or not torch.equal(own[name], now[name])}
    assert changed and all(name.startswith("net.fc.") for name in changed)
    assert [row.part for row in result.shots] == ["few (under 20)", "all"]


def test_means_of_classes_are_no_start_for_other_classes(means: Rebalanced) -> None:
    folder = means.folder
    header, tensors = load_checkpoint(folder / "model.safetensors")
    assert header["nearest_means"] == ["heads.0.fc"] and "heads.0.fc.centre" in tensors
    assert header["rebalanced"]["method"] == "ncm"
    model = find_preset("motion").build(num_classes=7)
    fresh = start_from_checkpoint(model, folder / "model.safetensors")
    assert fresh == ["heads.0.fc.weight", "heads.0.fc.bias"]
    with pytest.raises(UsageError, match="was rebalanced by ncm and has no weights to balance; name the run that it"):
        rebalance(folder, method="tau", workers=0)


@pytest.mark.slow
def test_other_clips_may_be_named(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    data = table(small_films, tmp_path / "more.csv", sides={"up": "ttve----", "down": "tt-ve---", "still": "tttve---"})
    result = rebalance(trial.folder, method="crt", data=data, out=tmp_path / "out", workers=0)
    assert len(result.after.clips) == 3 and read_run(result.folder).info["split"] == {"train": 7, "val": 3, "test": 3}


def test_a_class_without_training_clips(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    table(small_films, tmp_path / "less.csv", sides={"up": "ttve----", "down": "tt-ve---"})
    with pytest.raises(
        DataError, match=r"less.csv: class 'still' has no training clips, so that it cannot be balanced"
    ):
        rebalance(trial.folder, method="crt", data=tmp_path / "less.csv", out=tmp_path / "other", workers=0)
    assert not (tmp_path / "other").exists()


def test_tau_needs_clips_to_choose_on_and_others_to_tell(trial: Trial, tmp_path: Path) -> None:
    for sides, missing in (({"val": "train"}, "validation"), ({"test": "train"}, "test")):
        run = edited(trial, tmp_path / missing, sides=sides)
        with pytest.raises(UsageError, match=f"has no {missing} clips, and tau is chosen on validation clips and told"):
            rebalance(run, method="tau", workers=0)
    found = rebalance(run, method="ncm", workers=0, out=tmp_path / "out")  # told on the validation clips
    assert "on the validation clips" in (found.folder / "model_card.md").read_text()
    run = edited(trial, tmp_path / "all", sides={"val": "train", "test": "train"})
    with pytest.raises(UsageError, match="has no clips that were held out, so that nothing can be told; name others"):
        rebalance(run, method="crt", workers=0)


def test_what_cannot_be_rebalanced(trial: Trial, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--method is 'magic'; it can be crt, ncm, tau or lws"):
        rebalance(trial.folder, method="magic")
    with pytest.raises(UsageError, match="the run itself; give another folder, so that both can be compared"):
        rebalance(trial.folder, method="crt", out=trial.folder)
    several = edited(trial, tmp_path / "several", multi_label=True)
    with pytest.raises(UsageError, match="gives a clip several classes, and rebalancing is for one class a clip"):
        rebalance(several, method="crt", workers=0)
    heads = edited(trial, tmp_path / "heads", labels={"verb": ["up"], "noun": ["down", "still"]})
    with pytest.raises(UsageError, match="has the heads verb and noun, and rebalancing is for one; train one run for"):
        rebalance(heads, method="crt", workers=0)


def test_bounds_of_an_evaluation(trial: Trial, tmp_path: Path) -> None:
    assert "shots" not in evaluate(trial.folder, workers=0)["label"].breakdowns  # all few-shot by the paper's bounds
    shots = evaluate(trial.folder, workers=0, shots="2,3")["label"].breakdowns["shots"]
    assert list(shots) == ["many (over 3)", "medium (2 to 3)", "few (under 2)", "all"]
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((trial.folder / "model.safetensors").read_bytes())
    with pytest.raises(UsageError, match="--shots counts training clips, and those of this model are not known; name"):
        evaluate(alone, trial.folder / "manifest.parquet", workers=0, shots="2,3")


def test_the_command(trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["rebalance", str(trial.folder), "--method", "tau", "--shots", "2,4", "--workers", "0", "-q"]
    words += ["--out", str(tmp_path / "out")]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["top1"] == Rebalanced.from_dict(found, tmp_path).after.metrics["top1"].value
    assert [row["part"] for row in found["shots"]][-1] == "all" and 0 <= found["chosen"]["tau"] <= 2
    assert main(words) == 0  # finished: the same once more
    out = capsys.readouterr().out
    assert "tau: tau " in out and "few (under 2)" in out and "after less before" in out and "report: " in out
    assert main(["evaluate", str(tmp_path / "out"), "--shots", "2,4", "--workers", "0", "-q"]) == 0
    assert "training clips of the class" in capsys.readouterr().out
