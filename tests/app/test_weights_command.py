"""`marey weights`: the path from an official file to a prediction, and what it says on the way."""

import json
import os
from pathlib import Path

import pytest
import torch

from marey.app.cli import main
from marey.presets import create_model
from marey.weights import renamed
from official_files import write_torch

NAME = "resnet50_stage"
OFFICIAL = (
    (r"encoder\.stem\.conv\.", "conv1."),
    (r"encoder\.stem\.norm\.", "bn1."),
    (r"encoder\.stages\.stage(\d)\.(\d+)\.body\.conv(\d)\.conv\.", r"layer\1.\2.conv\3."),
    (r"encoder\.stages\.stage(\d)\.(\d+)\.body\.conv(\d)\.norm\.", r"layer\1.\2.bn\3."),
    (r"encoder\.stages\.stage(\d)\.(\d+)\.shortcut\.conv\.", r"layer\1.\2.downsample.0."),
    (r"encoder\.stages\.stage(\d)\.(\d+)\.shortcut\.norm\.", r"layer\1.\2.downsample.1."),
    (r"head\.fc\.", "fc."),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A network of three classes under torchvision's names."""
    state = renamed(create_model(NAME, num_classes=3).state_dict(), rules=OFFICIAL)
    return write_torch(tmp_path / "small.pth", state, wrapper="state_dict")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "weights", command, "--help")
    assert code == 0 and f"Usage: marey weights {command}" in out and "--json" in out


def test_nothing_given_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "weights")
    assert code == 0 and "convert" in out and "inspect" in out


def test_from_an_official_file_to_a_prediction(
    file: Path, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, out = tmp_path / "names.txt", tmp_path / "model.safetensors"
    names.write_text("up\ndown\nstill\n")
    code, said, _ = run(capsys, "weights", "convert", file, out, "--preset", NAME, "--labels", names)
    assert code == 0 and "PyTorch, names of torchvision, 176 tensors" in said
    assert f"written to {out}: {NAME}, 3 classes, names: given" in said and f"next: marey predict {out} VIDEO" in said
    film = small_films / "up" / "up0.mp4"
    code, said, _ = run(capsys, "predict", out, film, "--no-overlay", "--out", tmp_path / "p", "--json")
    assert code == 0
    timeline = json.loads((tmp_path / "p" / "up0.json").read_text())
    assert timeline["video_scores"].keys() == {"up", "down", "still"}


def test_json(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.safetensors"
    code, said, _ = run(capsys, "weights", "convert", file, out, "--num-classes", "7", "--new-head", "--preset", NAME,
                        "--json")  # fmt: skip
    made = json.loads(said)
    assert code == 0 and (made["preset"], made["classes"], made["release"]) == (NAME, 7, "torchvision")
    assert made["fresh"] == ["head.fc.weight", "head.fc.bias"] and made["out"] == str(out)
    code, said, _ = run(capsys, "weights", "inspect", file, "--json")
    found = json.loads(said)
    assert code == 0 and found["presets"] == [NAME] and found["classes"] == 3 and found["tensors"] == 176
    assert found["facts"]["wrapper"] == ["state_dict"] and found["facts"]["ignored"] == ["epoch", "optimizer"]


def test_inspection_for_a_person(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "weights", "inspect", file)
    words = {line.split()[0]: line.split()[-1] for line in said.splitlines() if line.split()}
    assert code == 0 and (words["format"], words["names"], words["fits"]) == ("PyTorch", "torchvision", NAME)
    assert (words["tensors"], words["classes"], words["wrapped"]) == ("176", "3", "state_dict")
    assert "nearest" not in words and "prefix" not in words


def test_the_difference_comes_before_the_sentence(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code, said, err = run(capsys, "weights", "convert", file, out, "--preset", "r3d_stage")
    assert code == 2 and not out.exists()
    assert err.startswith(f"marey: {file}: does not fit r3d_stage, read by the names of") and err.count("\n") == 1
    lines = said.splitlines()
    assert "missing     stem.conv.weight" in lines
    assert lines.count("") == 0 and sum(line.startswith("missing") for line in lines) == 13
    assert any(line.startswith("unexpected  ... and 162 more; --json lists them all") for line in lines)
    code, said, err = run(capsys, "weights", "convert", file, out, "--preset", "r3d_stage", "--json")
    diff = json.loads(said)
    assert code == 2 and len(diff["unexpected"]) == 174 and "stem.conv.weight" in diff["missing"]


def test_shapes_are_shown_on_both_sides(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "weights", "convert", file, tmp_path / "out", "--preset", "resnet50")
    assert code == 2
    shapes = "(8, 3, 7, 7) in the file as conv1.weight, (64, 3, 7, 7) in the network"
    assert f"misshapen   encoder.stem.conv.weight: {shapes}" in said


class Call:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["convert", "{file}", "out", "--preset", NAME, "--num-classes", "0"], "--num-classes is 0; it must be 1"),
        (["convert", "{file}", "out", "--preset", NAME, "--num-classes", "5"], "has a head of 3 classes and 5 are"),
        (["convert", "{file}", "out", "--preset", NAME, "--labels", "zoo"], "--labels is 'zoo', neither a file nor"),
        (["convert", "{file}", "out", "--preset", NAME, "--labels", "ucf101"], "and 101 are asked for"),
        (["convert", "{file}", "out", "--preset", "resnet5_stage"], "did you mean resnet50_stage"),
        (["convert", "{file}", "out", "--preset", NAME, "--variant", "x"], "resnet50_stage has no variant 'x'; it has"),
        (["convert", "{file}", "out", "--variant", "x"], "variant 'x' is of a preset that is not named; name the"),
        (["convert", "nowhere", "out", "--preset", NAME], "nowhere: no such file; check the path"),
        (["convert", "{file}"], "Missing argument 'OUT'; `marey weights convert --help` explains"),
        (["inspect", "evil"], "evil: asks Python for posix.system as it is opened"),
        (["inspect", "nowhere"], "nowhere: no such file; check the path"),
        (["transform", "{file}"], "No such command 'transform'"),
    ],
)
def test_one_sentence_for_what_is_wrong(
    arguments: list[str],
    sentence: str,
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(Call(), "evil")
    code, _, err = run(capsys, "weights", *(argument.format(file=file) for argument in arguments))
    assert code == 2 and sentence in err and err.startswith("marey: ") and err.count("\n") == 1
    assert not Path("out").exists() and not Path("ran").exists()
