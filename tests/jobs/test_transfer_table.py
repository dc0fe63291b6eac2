"""Every way to go on is an ordinary run on the same clips, and the table says of them what they say themselves."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from marey.app.cli import main
from marey.data import read_manifest
from marey.errors import DataError, UsageError
from marey.jobs import Silent, Transferred, Trial, evaluate, list_runs, open_model, read_run, train, transfer
from marey.jobs.evaluate import read_evaluations
from marey.jobs.transfer_rows import _reason, summarize
from marey.jobs.transfer_ways import _unlike, cautions, possible_ways
from marey.presets import create_model, find_preset
from marey.results import Estimate, TransferWay
from marey.training import load_checkpoint, save_checkpoint
from marey.video import FlowSource

FORMER, NETWORK = "videomae_stage", "early_fusion_stage"
NO_LORA = "lora is left out: preset early_fusion_stage has no transformer blocks, which --transfer lora adapts."


class Listener(Silent):
    def __init__(self, stop_at: str | None = None) -> None:
        self.said: list[str] = []
        self.done: list[tuple[int, int]] = []
        self.stop_at = stop_at

    def say(self, sentence: str) -> None:
        self.said.append(sentence)
        if self.stop_at and sentence.startswith(self.stop_at):
            raise KeyboardInterrupt

    def progress(self, what: str, done: int, total: int) -> None:
        if what == "ways":
            self.done.append((done, total))


@pytest.fixture(scope="module")
def films(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the films: one source to learn from, one to watch, two to be tested on."""
    rows = (small_films / "annotations.csv").read_text().splitlines()
    side = {"s0": "train", "s1": "val", "s2": "test", "s3": "test"}
    kept = [f"{small_films}/{row},{side[row[-2:]]}" for row in rows[1:] if row[-2:] in side]
    place = tmp_path_factory.mktemp("films") / "data.csv"
    place.write_text("\n".join([f"{rows[0]},split", *kept]) + "\n")
    return place


@pytest.fixture(scope="module")
def start(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned from the same training clips."""
    return train(films, preset=NETWORK, epochs=1, workers=0, out=tmp_path_factory.mktemp("starts") / "run").folder


@pytest.fixture(scope="module")
def heard() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def table(films: Path, start: Path, heard: Listener, tmp_path_factory: pytest.TempPathFactory) -> Transferred:
    out = tmp_path_factory.mktemp("tables") / "t"
    return transfer(films, start_from=start, epochs=1, workers=0, out=out, narrator=heard)


def test_every_way_is_an_ordinary_run_on_the_same_clips(table: Transferred, start: Path) -> None:
    found = table.table
    assert [way.way for way in found.ways] == ["original", "fixed", "full"] and found.tested == "6 test clips"
    asked = {way.way: read_run(table.folder / way.way).info for way in found.ways}
    assert len({info["data"]["hash"] for info in asked.values()}) == 1
    for name, info in asked.items():
        began = (None, None) if name == "original" else (str(start), name)
        assert (info["arguments"]["start_from"], info["arguments"]["transfer"]) == began
        assert info["preset"] == NETWORK and info["command"].startswith("marey train ")
        assert (table.folder / name / "report.html").exists()
    for way in found.ways:
        told = read_evaluations(table.folder / way.way)["label"]
        assert (way.score, way.balanced) == (told.metrics["top1"], told.metrics["mean_per_class"])
        assert way.epochs == len(way.history) == 1 and way.train_minutes > 0
    again = evaluate(table.folder / "full", workers=0)["label"]
    assert again.metrics == read_evaluations(table.folder / "full")["label"].metrics


def test_weights_that_learn_are_counted(table: Transferred) -> None:
    counts = {way.way: way.params for way in table.table.ways}
    model = open_model(table.folder / "fixed").model
    assert counts["original"] == counts["full"] == sum(p.numel() for p in model.parameters())
    assert counts["fixed"] == sum(p.numel() for name, p in model.named_parameters() if name.startswith("fc."))


def test_the_first_way_is_what_the_others_are_compared_with(table: Transferred) -> None:
    found = table.table
    first, *others = found.ways
    assert first.gain is None and first.p_value is None
    for way in others:
        assert way.gain is not None and way.gain.value == pytest.approx(way.score.value - first.score.value)
        assert way.gain.n == 2 and way.p_value == 1.0  # two sources settle nothing, and there are three pairs
    assert found.best.score.value == max(way.score.value for way in found.ways)
    assert found.command == f"marey predict {table.folder / found.recommended} VIDEO"


def test_what_went_wrong_in_a_way_is_told_of_it(table: Transferred) -> None:
    wrong = {"full": ("Training has not learned.",)}
    trials = {
        way: Trial(table.folder / way, read_evaluations(table.folder / way), wrong.get(way, ()))
        for way in ("fixed", "full", "original")
    }
    found = summarize(read_run(table.folder), trials, notes=["Mind."])
    assert found.notes == ("Mind.", "full: Training has not learned.")
    assert [way.way for way in found.ways] == ["fixed", "full", "original"]
    assert found.ways[0].gain is None and found.ways[2].p_value == table.table.ways[1].p_value


def test_what_was_said(table: Transferred, heard: Listener) -> None:
    assert [line for line in heard.said if line.startswith("way ")] == [
        f"way {number} of 3: {way.way}" for number, way in enumerate(table.table.ways, 1)
    ]
    assert heard.done == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sum("12 clips, 3 classes" in line for line in heard.said) == 1, "what all ways would say is said once"
    few = (
        "No difference between 3 ways can be beyond chance on test clips of 2 groups: test on more, or read the table "
        "as a hint."
    )
    assert table.table.notes == (NO_LORA, few) and {NO_LORA, few} <= set(heard.said)


def test_a_finished_table_is_read_and_listed_and_is_no_model(table: Transferred, films: Path, start: Path) -> None:
    listener = Listener()
    asked = {"start_from": start, "workers": 0, "out": table.folder}
    assert transfer(films, epochs=1, **asked, narrator=listener).table == table.table
    assert listener.said == [f"{table.folder} is finished already; nothing is left to do"]
    (row,) = list_runs(table.folder.parent)
    assert (row["state"], row["preset"], row["score"]) == ("finished", NETWORK, table.table.best.score.value)
    assert json.loads((table.folder / "transfer.json").read_text()) == {
        key: value for key, value in json.loads(json.dumps(table.to_dict())).items() if key != "folder"
    }
    with pytest.raises(UsageError, match=f"it holds a run for each way and is none .*, such as {table.folder}/full"):
        open_model(table.folder)
    with pytest.raises(UsageError, match="holds a run with epochs 1, and this one has 2; give the same command to res"):
        transfer(films, epochs=2, **asked)
    with pytest.raises(UsageError, match="holds a table of transfer; give another --out"):
        train(films, preset=NETWORK, epochs=1, workers=0, out=table.folder)


def test_an_interrupted_table_goes_on_and_keeps_what_is_finished(
    films: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, out = shutil.copytree(start, tmp_path / "start"), tmp_path / "tables" / "t"
    asked = {"start_from": begun, "ways": ["full", "fixed"], "epochs": 1, "workers": 0, "out": out}
    with pytest.raises(KeyboardInterrupt) as stop:
        transfer(films, **asked, narrator=Listener(stop_at="way 2"))
    assert stop.value.args == (str(out),) and list_runs(out.parent)[0]["state"] == "resumable"
    kept = (out / "fixed" / "model.safetensors").stat().st_mtime_ns
    words = ["transfer", str(films), "--from", str(begun), "--ways", "full,fixed", "--epochs", "1", "--workers", "0"]
    assert main([*words, "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (out / "fixed" / "model.safetensors").stat().st_mtime_ns == kept
    assert [way["way"] for way in found["ways"]] == ["fixed", "full"] and found["ways"][0]["gain"] is None
    assert found["top1"] == max(way["score"]["value"] for way in found["ways"]) and found["folder"] == str(out)
    assert main([*words, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Against fixed" in said and f"next: marey predict {out}/" in said and f"report: {out}/report.html" in said
    header, tensors = load_checkpoint(begun / "model.safetensors")
    save_checkpoint(begun / "model.safetensors", {name: 2 * t for name, t in tensors.items()}, header)
    with pytest.raises(UsageError, match=r"start holds other weights than when .* was begun with it; give another --o"):
        transfer(films, **asked)


def test_what_fails_or_is_stopped_at_once_says_so_and_leaves_nothing_half_written(
    films: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(error: BaseException) -> tuple[int, str]:
        def ended(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("marey.jobs.transfer_table.train", ended)
        code = main(["transfer", str(films), "--from", str(start), "--workers", "0", "--out", str(out), "--quiet"])
        return code, capsys.readouterr().err

    out = tmp_path / "t"
    assert ends(DataError("no clip can be read")) == (2, "marey: no clip can be read\n") and not out.exists()
    told = f"marey: interrupted; what the ways saved is kept: give the same command with --out {out} to go on\n"
    assert ends(KeyboardInterrupt()) == (130, told)


@pytest.mark.parametrize(
    "asked, sentence",
    [
        ({"ways": ["full", "some"]}, "--ways has 'some'; it can have original, fixed, full and lora"),
        ({"ways": ["full", "full"]}, "--ways names full alone, which is nothing to compare; name another beside it"),
        (
            {"ways": ["full", "lora"]},
            "early_fusion_stage has no transformer blocks, which --transfer lora adapts; take fixed or full",
        ),
        ({"epochs": 0}, "--epochs is 0; give a number from 1"),
        ({"max_bad": -1}, "--max-bad is -1; give 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    asked: dict, sentence: str, films: Path, start: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        transfer(films, start_from=start, **asked, workers=0, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_refused(films: Path, start: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is no run; give another --out"):
        transfer(films, start_from=start, workers=0, out=tmp_path)
    with pytest.raises(UsageError, match="holds a run that is no table of transfer; give another --out"):
        transfer(films, start_from=start, workers=0, out=start)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_a_network_cannot_take_is_left_out_and_told(films: Path, start: Path, tmp_path: Path) -> None:
    manifest, all_ways = read_manifest(films), ("original", "full", "lora")

    def possible(file: Path, *, given: bool = False, multi_label: bool = False) -> tuple[Sequence[str], list[str]]:
        preset = find_preset(load_checkpoint(file)[0]["preset"])
        data = replace(manifest, multi_label=multi_label)
        return possible_ways(all_ways, preset, file, data, given=given, flow=None)

    network, former = start / "model.safetensors", tmp_path / "former.safetensors"
    preset = find_preset(FORMER)
    own = {"preset": FORMER, "arguments": {"num_classes": 3}, "clip": preset.clip.to_dict()}
    save_checkpoint(former, create_model(FORMER, num_classes=3), load_checkpoint(network)[0] | own)
    assert possible(former) == (all_ways, []) and possible(network) == (("original", "full"), [NO_LORA])
    with pytest.raises(UsageError, match="has no transformer blocks"):
        possible(network, given=True)
    with pytest.raises(UsageError, match="transfer takes data with one class a clip; for several, train runs and eval"):
        possible(network, multi_label=True)
    with pytest.raises(UsageError, match="preset motion keeps its encoder as it is, so that its ways are all the same"):
        possible_ways(all_ways, find_preset("motion"), network, manifest, given=False, flow=None)


def test_in_what_the_original_is_unlike_the_others_is_told() -> None:
    flow = find_preset("two_stream_flow_stage")
    other = replace(flow.clip, flow=FlowSource("farneback", None))
    file = Path("run/model.safetensors")
    with pytest.raises(UsageError, match=r"on flow by .*arneb.*, and original would be on flow by .*; say with --flow"):
        _unlike(flow, None, other, None, file)
    assert _unlike(flow, None, other, "farneback", file) == _unlike(flow, None, flow.clip, None, file) == []
    brings = find_preset("efficientnet_lite0_lstm")
    assert brings.pretrained is not None
    assert _unlike(brings, "other", brings.clip, None, file) == [
        "original is not from scratch: efficientnet_lite0_lstm begins with weights that it brings.",
        "original is efficientnet_lite0_lstm itself, and what the others start from is its variant other.",
    ]


def test_test_clips_that_were_learned_from_are_told(films: Path, start: Path) -> None:
    manifest = read_manifest(films)
    groups = tuple(replace(sample, group=str(n)) for n, sample in enumerate(manifest.samples))
    asked = (2, start / "model.safetensors", start)
    assert cautions(replace(manifest, samples=groups), *asked) == []  # six groups can have p = 1 / 32
    turned = tuple(replace(s, split={"train": "test", "test": "train"}.get(str(s.split), s.split)) for s in groups)
    assert cautions(replace(manifest, samples=turned), *asked) == [
        f"{start} was trained on 3 of the 3 clips that the ways are tested on, so that all but original are told too "
        "good.",
        "No difference between 2 ways can be beyond chance on test clips of 3 groups: test on more, or read the table "
        "as a hint.",
    ]


def way(name: str, right: int, minutes: float, *, first: bool = False) -> TransferWay:
    score = Estimate(right / 10, right / 10 - 0.1, right / 10 + 0.1, 10)
    return TransferWay(name, score, score, None if first else Estimate(0.2, 0.1, 0.3, 10), None, 1, minutes, 1)


def test_the_reason_says_what_is_beyond_chance() -> None:
    ways = [way("original", 5, 4.0, first=True), way("fixed", 7, 0.5), way("full", 8, 4.0)]

    def said(best: int, p: float, q: float) -> str:
        names = [one.way for one in ways]
        own = names.pop(best)
        return _reason(ways[best], ways, dict(zip([(own, other) for other in names], (p, q), strict=True)))

    assert said(2, 0.01, 0.3) == (
        "full is right most often: 80.0 % (70.0 to 90.0); that is +20.0 points (+10.0 to +30.0) against original, "
        "beyond chance. Its lead over fixed is not beyond chance; fixed learns in 30 seconds instead of 4 minutes."
    )
    assert said(2, 0.06, 0.01).endswith(
        "against original, which chance may explain; its lead over fixed is beyond chance."
    )
    assert said(0, 0.5, 0.01) == (
        "original is right most often: 50.0 % (40.0 to 60.0). Its lead over fixed is not beyond chance; fixed learns "
        "in 30 seconds instead of 4 minutes."
    )
    assert said(0, 0.01, 0.01).endswith("; its lead over fixed and full is beyond chance.")
    assert _reason(ways[2], [ways[0], ways[2]], {("full", "original"): 0.01}).endswith(
        "against original, beyond chance."
    )
    ways[1] = way("fixed", 8, 0.5)
    assert said(1, 0.01, 1) == (
        "fixed is right most often, as often as full: 80.0 % (70.0 to 90.0); that is +20.0 points (+10.0 to +30.0) "
        "against original, beyond chance."
    )
    ways[0] = way("original", 8, 4.0, first=True)
    assert said(1, 1, 1) == "fixed is right most often, as often as original and full: 80.0 % (70.0 to 90.0)."
