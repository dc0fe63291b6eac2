"""The command line as a person meets it: help, one sentence for what is wrong, exit codes, nothing half-written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from marey.app.cli import app, main

COMMANDS = sorted(command.name or "" for command in app.registered_commands)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of one command."""
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence with which a command is refused."""
    code, out, err = run(capsys, *arguments)
    lines = [line for line in err.splitlines() if line.strip()]
    assert code == 2 and not out, (code, out, err)
    assert lines and lines[-1].startswith("marey: "), err
    assert "Traceback" not in err
    return lines[-1].removeprefix("marey: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0 and "Usage: marey" in out and "--json" in out


def test_nothing_given_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 0 and all(command in out for command in COMMANDS)


def test_help_imports_no_torch() -> None:
    program = "import sys; from marey.app.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def test_importing_marey_imports_no_torch() -> None:
    program = "import sys, marey; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["train"], "Missing argument 'DATA'"),
        (["train", "nowhere"], "nowhere does not exist"),
        (["train", "{films}", "--epochs", "-3"], "--epochs is -3; give a number from 1"),
        (["train", "{films}", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["train", "{films}", "--lr", "-1"], "--lr is -1.0; give a number from 1e-10 to 100"),
        (["train", "{films}", "--lr", "nan"], "--lr is nan"),
        (["train", "{films}", "--weight-decay", "-1"], "--weight-decay is -1.0; give a number from 0 to 10"),
        (["train", "{films}", "--ema", "2"], "--ema is 2.0; give a number from 0.5"),
        (["train", "{films}", "--accumulate", "0"], "--accumulate is 0"),
        (["train", "{films}", "--clip-norm", "0"], "--clip-norm is 0.0"),
        (["train", "{films}", "--patience", "0"], "--patience is 0"),
        (["train", "{films}", "--max-bad", "-1"], "--max-bad is -1; give a number from 0"),
        (["train", "{films}", "--folds", "3", "--max-bad", "-1"], "--max-bad is -1"),
        (["train", "{films}", "--folds", "3", "--lr", "-1"], "--lr is -1.0"),
        (["train", "{films}", "--batch-size", "0"], "--batch-size is 0"),
        (["train", "{films}", "--mixup", "-1"], "--mixup is -1"),
        (["train", "{films}", "--label-smoothing", "2"], "--label-smoothing is 2"),
        (["train", "{films}", "--balance", "magic"], "--balance is 'magic'; it can be none, sampling or weights"),
        (["train", "{films}", "--precision", "fp7"], "--precision is 'fp7'; it can be fp32 or bf16"),
        (["train", "{films}", "--preset", "r3d_81"], "no preset is called 'r3d_81'; did you mean r3d_18"),
        (["train", "{films}", "--device", "cuda:99"], "device 'cuda:99' is not on this machine"),
        (["train", "{films}", "--workers", "-1"], "--workers is -1"),
        (["train", "{films}", "--views", "3by10"], "--views is '3by10'; write clips x crops such as 10x3"),
        (["train", "{films}", "--folds", "1"], "--folds is 1; give a number from 2"),
        (["train", "{films}", "--folds", "3", "--fold-seeds", "0"], "--fold-seeds is 0"),
        (["train", "{films}", "--folds", "3", "--mixup", "0.2"], "--mixup has no effect with --folds; drop one"),
        (["train", "{films}", "--seed", "-1"], "Invalid value for '--seed'"),
        (["train", "{films}", "--folds", "3", "--from", "x"], "--from has no effect with --folds; drop one of the two"),
        (["train", "{films}", "--folds", "3", "--patience", "3"], "--patience has no effect with --folds"),
        (["train", "{films}", "--fold-seeds", "3"], "--fold-seeds has no effect without --folds; add it"),
        (["train", "{films}", "--from", "nothing.safetensors"], "nothing.safetensors"),
        (["train", "{films}", "--merge", "all"], "--merge is 'all'; write NEW=A,B"),
        (["train", "{films}", "--leave-out", "sideways"], "sideways"),
        (["train", "{films}", "--group-by", "camera"], "camera"),
        (["train", "{films}", "--kind", "videotape"], "videotape"),
        (["train", "{empty}"], "{empty}"),
        (
            ["train", "{one_class}"],
            "{one_class}: there is one class in label, 'up', and nothing can be told apart; add clips of another",
        ),
        (["train", "{lonely}"], "{lonely}: class 'still' has one clip, too few to learn and to test; add clips of it"),
        (["evaluate", "nowhere"], "nowhere does not exist"),
        (["evaluate", "{empty}"], "is no run"),
        (["evaluate", "{corrupt}", "{films}"], "{corrupt}"),
        (["predict", "{corrupt}", "{film}"], "{corrupt}"),
        (["predict", "{empty}", "nothing.mp4"], "nothing.mp4 does not exist"),
        (["plan", "nowhere"], "nowhere does not exist"),
        (["plan", "{films}", "--preset", "r3d_81"], "did you mean r3d_18"),
        (["validate", "nowhere"], "nowhere does not exist"),
        (["stage", "{films}"], "holds no stage data set"),
        (["stage", "{new}", "--clips", "0"], "--clips is 0; it must be 3 or more"),
        (["stage", "{new}", "--level", "opera"], "opera"),
        (["models", "c4d"], "no preset is called 'c4d'; did you mean c3d"),
        (["models", "--layers"], "--layers needs the name of a model"),
        (["models", "--fps", "0"], "--fps is 0; it must be more than 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_one_sentence_and_leaves_nothing_behind(
    arguments: list[str],
    sentence: str,
    small_films: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (tmp_path / "empty").mkdir()
    (tmp_path / "corrupt.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{broken")
    rows = (small_films / "annotations.csv").read_text().splitlines()
    absolute = [rows[0], *(f"{small_films}/{row}" for row in rows[1:])]
    only_up = [row for row in absolute if ",up," in row]
    (tmp_path / "one_class.csv").write_text("\n".join([rows[0], *only_up]))
    (tmp_path / "lonely.csv").write_text("\n".join([rows[0], *only_up, absolute[-1]]))
    places = {
        "films": small_films / "annotations.csv" if arguments[0] != "stage" else small_films,
        "film": small_films / "up" / "up0.mp4",
        "empty": tmp_path / "empty",
        "corrupt": tmp_path / "corrupt.safetensors",
        "one_class": tmp_path / "one_class.csv",
        "lonely": tmp_path / "lonely.csv",
        "new": tmp_path / "new",
    }
    said = refused(capsys, *[a.format(**places) for a in arguments])
    assert sentence.format(**places) in said
    assert not list(work.iterdir())
    assert not (tmp_path / "new").exists()


def test_models_speak_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "models", "c3d", "--json")
    (row,) = json.loads(out)
    assert code == 0 and row["params"] == 78_409_573
    assert set(row) >= {"name", "family", "params", "gmacs", "classes", "input", "paper"}
    assert set(row["input"]) == {"frames", "stride", "side"}


def test_layers_print_the_costs_of_c3d(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "models", "c3d", "--layers", "--json")
    costs = [round(row["gmacs"], 2) for row in json.loads(out) if row["gmacs"] and "conv" in row["name"]]
    assert code == 0 and costs == [1.04, 11.10, 5.55, 11.10, 2.77, 5.55, 0.69, 0.69]


def test_doctor_tries_things_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "doctor", "--json")
    findings = {row["what"]: row for row in json.loads(out)}
    assert code == 0 and findings["video"]["works"] and findings["PyTorch"]["works"]
    assert all(row["cure"] for row in findings.values() if not row["works"] and row["what"] != "GPU")


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m marey models | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141) and "Traceback" not in done.stderr


def test_the_stage_names_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "stage", tmp_path / "set", "--clips", "3", "--style", "point-light", "--workers", "1", "-q"
    )
    assert code == 0
    for part in ("README.md", "annotations.csv"):
        assert f"{tmp_path / 'set' / part}" in out and (tmp_path / "set" / part).is_file()
    code, out, _ = run(capsys, "stage", tmp_path / "set", "--clips", "3", "--style", "point-light", "--json")
    assert code == 0 and all(Path(place).exists() for place in json.loads(out).values())
