"""The command line as a person meets it: help, one sentence for what is wrong, exit codes, nothing half-written."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from marey.app import checks
from marey.app.cli import app, main
from marey.app.rebalance import METHODS
from marey.app.transfer import WAYS as TRANSFER_WAYS
from marey.data.stage import LEVELS, STYLES
from marey.errors import UsageError
from marey.jobs import flag_of
from marey.jobs.cache import PARTS
from marey.jobs.choose import BALANCES, LOSSES, WISH_RANGES
from marey.jobs.decouple import METHODS as HOW
from marey.jobs.scores import parse_views
from marey.jobs.thresholds import CONFIDENCES
from marey.jobs.transfer_ways import WAYS as HOW_TO_GO_ON
from marey.tasks import WAYS, parse_rate
from marey.video import DecoderName

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
        (["doctr"], "No such command 'doctr'. Did you mean 'doctor'?"),
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
        (["train", "{films}", "--max-bad", "-1"], "--max-bad is -1; give 0 or more"),
        (["train", "{films}", "--folds", "3", "--max-bad", "-1"], "--max-bad is -1"),
        (["train", "{films}", "--folds", "3", "--lr", "-1"], "--lr is -1.0"),
        (["train", "{films}", "--batch-size", "0"], "--batch-size is 0"),
        (["train", "{films}", "--mixup", "-1"], "--mixup is -1"),
        (["train", "{films}", "--label-smoothing", "2"], "--label-smoothing is 2"),
        (["train", "{films}", "--balance", "magic"], "--balance is 'magic'; it can be none, sampling, sqrt, progress"),
        (
            ["train", "{films}", "--loss", "hinge"],
            "--loss is 'hinge'; it can be cross-entropy, focal, class-balanced or",
        ),
        (
            ["train", "{films}", "--loss", "logit-adjusted", "--balance", "sampling"],
            "--loss logit-adjusted counts rare classes up already, and --balance sampling would do so twice; drop one",
        ),
        (["train", "{films}", "--precision", "fp7"], "--precision is 'fp7'; it can be fp32 or bf16"),
        (["train", "{films}", "--preset", "r3d_81"], "no preset is called 'r3d_81'; did you mean r3d_18"),
        (["train", "{films}", "--device", "cuda:99"], "device 'cuda:99' is not on this machine"),
        (["train", "{films}", "--workers", "-1"], "--workers is -1"),
        (["train", "{films}", "--views", "3by10"], "--views is '3by10'; write clips x crops such as 10x3"),
        (["train", "{films}", "--folds", "1"], "--folds is 1; give a number from 2"),
        (["train", "{films}", "--folds", "3", "--fold-seeds", "0"], "--fold-seeds is 0"),
        (["train", "{films}", "--folds", "3", "--mixup", "0.2"], "--mixup has no effect with --folds; drop one"),
        (["train", "{films}", "--seed", "-1"], "--seed is -1; give 0 or more"),
        (["train", ""], "DATA is an empty name; give the path of your data"),
        (["train", "{films}", "--device", "tpu"], "--device is 'tpu'; it can be auto, cpu, mps, cuda, or cuda:1"),
        (["train", "{films}", "--decoder", "ffmpeg"], "--decoder is 'ffmpeg'; it can be auto, pyav or torchcodec"),
        (
            ["train", "{films}", "--views", "1000000x3"],
            "--views is '1000000x3'; write clips x crops such as 10x3: 1 to",
        ),
        (["train", "{films}", "--out", "{film}"], "--out is {film}, and {film} is a file; name a folder"),
        (["train", "{films}", "--folds", "3", "--transfer", "fixed"], "--transfer is for a network that has learned"),
        (["train", "{films}", "--folds", "3", "--patience", "3"], "--patience has no effect with --folds"),
        (["train", "{films}", "--fold-seeds", "3"], "--fold-seeds has no effect without --folds; add it"),
        (["train", "{films}", "--folds", "many"], "--folds is 'many'; give a number of folds, or splits"),
        (
            ["train", "{films}", "--folds", "splits", "--fold-seeds", "3"],
            "--fold-seeds has no effect on --folds splits",
        ),
        (["train", "{films}", "--folds", "splits"], "has no several official splits, which the lists of UCF-101"),
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
        (["evaluate", "{empty}", "--split", "dev"], "--split is 'dev'; it can be train, val or test"),
        (["evaluate", "{empty}", "--out", "{empty}"], "--out is {empty}, which is a folder; name a file to write"),
        (["evaluate", "{corrupt}", "{films}"], "{corrupt}"),
        (["calibrate", "nowhere"], "nowhere does not exist"),
        (["calibrate", "{empty}"], "is no run"),
        (["calibrate", "{corrupt}"], "{corrupt} is no run folder, and what is fitted is kept in one"),
        (["calibrate", "{empty}", "--data", "gone.csv"], "gone.csv does not exist"),
        (["calibrate", "{empty}", "--precision", "1"], "--precision is 1; give a number above 0 and below 1"),
        (["calibrate", "{empty}", "--recall", "nan"], "--recall is nan; give a number above 0 and below 1"),
        (["calibrate", "{empty}", "--recall", "0.9", "--precision", "0.9"], "--precision and --recall are both given"),
        (["calibrate", "{empty}", "--confidence", "0.1"], "--confidence is 0.1; give a number from 0.5 to 0.9999"),
        (["calibrate", "{empty}", "--false-alarms", "0.0/day"], "--false-alarms is '0.0/day'; write a number above 0"),
        (["calibrate", "{empty}", "--unknown", "magic"], "--unknown is 'magic'; it can be energy or distance"),
        (["calibrate", "{empty}", "--accept", "0.9"], "--accept has no effect without --unknown; add it"),
        (["predict", "{corrupt}", "{film}"], "{corrupt}"),
        (["predict", "{empty}", "nothing.mp4"], "nothing.mp4 does not exist"),
        (["predict", "{empty}", "nothing*.mp4"], "nothing*.mp4 does not exist; check the path"),
        (["predict", "{empty}", ""], "one of the videos has an empty name; give files, folders or globs"),
        (["predict", "{empty}", "{film}", "--out", "{film}"], "--out is {film}, and {film} is a file; name a folder"),
        (["predict", "{empty}", "{film}", "--out", "{film}/p"], "--out is {film}/p, and {film} is a file"),
        (["predict", "{empty}", "{film}", "--hop", "0"], "--hop is 0; give more than 0, and at most 1e+09"),
        (["predict", "{empty}", "{film}", "--threshold", "2"], "--threshold is 2.0; give a number from 0 to 1"),
        (["plan", "nowhere"], "nowhere does not exist"),
        (["plan", "{films}", "--preset", "r3d_81"], "did you mean r3d_18"),
        (["transfer", "{films}"], "Missing option '--from'"),
        (["transfer", "nowhere", "--from", "{empty}"], "nowhere does not exist; check the path of your data"),
        (["transfer", "{films}", "--from", "nothing"], "nothing does not exist; give a run folder"),
        (["transfer", "{films}", "--from", "{empty}"], "{empty} is no run (it has no run.json)"),
        (["transfer", "{films}", "--from", "{corrupt}"], "{corrupt}"),
        (["transfer", "{films}", "--from", "{empty}", "--out", "{film}"], "--out is {film}, and {film} is a file"),
        (
            ["transfer", "{films}", "--from", "{empty}", "--ways", "full,half"],
            "--ways is 'half'; it can be original, fixed, full or lora",
        ),
        (
            ["transfer", "{films}", "--from", "{empty}", "--ways", "full"],
            "--ways names full alone, which is nothing to compare; name another beside it",
        ),
        (["rebalance", "nowhere", "--method", "tau"], "nowhere does not exist"),
        (["rebalance", "{empty}"], "Missing option '--method'"),
        (["rebalance", "{empty}", "--method", "dis"], "--method is 'dis'; it can be crt, ncm, tau or lws"),
        (["rebalance", "{empty}", "--method", "tau"], "{empty} is no run (it has no run.json)"),
        (["rebalance", "{corrupt}", "--method", "tau"], "{corrupt} is no run"),
        (
            ["rebalance", "{empty}", "--method", "tau", "--shots", "20"],
            "--shots is '20'; write the fewest and the most",
        ),
        (["rebalance", "{empty}", "--method", "tau", "--data", "nowhere"], "nowhere does not exist"),
        (["rebalance", "{empty}", "--method", "tau", "--out", "{film}"], "--out is {film}, and {film} is a file"),
        (["evaluate", "{corrupt}", "{films}", "--shots", "9,3"], "--shots is '9,3'; write the fewest and the most"),
        (
            ["evaluate", "{corrupt}", "{corrupt}", "{films}", "--fuse", "add", "--shots", "3,9"],
            "--shots is about the training clips of one model, and --fuse merges several; drop one",
        ),
        (["few-shot", "motion"], "few-shot needs an encoder and data; name a run or preset first, and the data last"),
        (["few-shot", "motion", "nowhere"], "nowhere does not exist"),
        (["few-shot", "runs/gone", "{films}"], "runs/gone does not exist; give a run folder, a .safetensors file or"),
        (["few-shot", "motion", "{films}", "--ways", "1"], "--ways is 1; give a number from 2"),
        (["few-shot", "motion", "{films}", "--target", "1"], "--target is 1; give a number above 0 and below 1"),
        (["few-shot", "motion", "{films}", "--shots", "0"], "--shots is '0'; write numbers of clips a class from 1"),
        (["few-shot", "motion", "{films}"], "there are 3 classes to draw from, and an episode has 5; give --ways 3 or"),
        (["rank", "{film}"], "Missing option '--run'"),
        (["rank", "{film}", "--run", "nowhere"], "nowhere does not exist"),
        (["rank", "gone.mp4", "--run", "{empty}"], "gone.mp4 does not exist; check the path"),
        (["rank", "{film}", "--run", "{empty}", "--count", "0"], "--count is 0; give 1 or more"),
        (
            ["rank", "{film}", "--run", "{empty}", "--out", "{empty}"],
            "--out is {empty}, which is a folder; name a file",
        ),
        (["rank", "{film}", "--run", "{empty}"], "{empty} is no run"),
        (["validate", "nowhere"], "nowhere does not exist"),
        (["stage", "{films}"], "holds no stage data set"),
        (["stage", "{new}", "--clips", "0"], "--clips is 0; give a number from 3 to 4000"),
        (["stage", "{new}", "--clips", "100000000"], "--clips is 100000000; give a number from 3 to 4000"),
        (["stage", "{new}", "--untrimmed", "2"], "--untrimmed is 2; give 3 or more, one for every split, or none"),
        (["stage", "{new}", "--workers", "0"], "--workers is 0; give a number from 1 to 256"),
        (["stage", "{new}", "--level", "opera"], "--level is 'opera'; it can be studio or street"),
        (["stage", "{new}", "--style", "opera"], "--style is 'opera'; it can be figure or point-light"),
        (["cache", "--clear", "all of it"], "--clear is 'all of it'; it can be features, downloads or all"),
        (["runs", "nowhere"], "nowhere does not exist; name the folder of your runs"),
        (["runs", "{film}"], "{film} is no folder; name the folder of your runs"),
        (["models", "c4d"], "no preset is called 'c4d'; did you mean c3d"),
        (["models", "--layers"], "--layers needs the name of a model"),
        (["models", "--fps", "0"], "--fps is 0; give more than 0, and at most 1000"),
        (["models", "--fps", "1e9"], "--fps is 1e+09; give more than 0, and at most 1000"),
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


def test_what_can_be_seen_at_once_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"")
    commands = [
        ["train", ".", "--epochs", "-1"],
        ["train", ".", "--device", "tpu"],
        ["train", ".", "--merge", "all"],
        ["train", ".", "--fold-seeds", "3"],
        ["evaluate", ".", "--views", "bad"],
        ["calibrate", ".", "--false-alarms", "1"],
        ["calibrate", ".", "--precision", "2"],
        ["predict", ".", "nothing.mp4"],
        ["predict", ".", "film.mp4", "--out", "film.mp4"],
        ["plan", ".", "--within", "0"],
        ["stage", "new", "--clips", "0"],
        ["runs", "nowhere"],
        ["cache", "--clear", "nothing"],
        ["few-shot", "motion", ".", "--episodes", "1"],
        ["rank", "film.mp4", "--run", ".", "--count", "0"],
        ["transfer", ".", "--from", ".", "--ways", "full"],
        ["transfer", ".", "--from", ".", "--ways", "full,some"],
        ["rebalance", ".", "--method", "dis"],
        ["rebalance", ".", "--method", "tau", "--shots", "few"],
    ]
    program = (
        "import json, sys; from marey.app.cli import main\n"
        "codes = [main(words) for words in json.loads(sys.argv[1])]\n"
        "print(set(codes), 'torch' in sys.modules)"
    )
    words = [sys.executable, "-c", program, json.dumps(commands)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "{2} False\n", done.stderr
    assert done.stderr.count("marey: ") == len(commands)


def test_the_jobs_refuse_what_the_commands_refuse() -> None:
    commands = {flag_of(name): bounds for name, bounds in WISH_RANGES.items()}
    assert {flag: checks.RANGES[flag] for flag in commands} == commands
    assert checks.WORDS["--balance"] == BALANCES and checks.WORDS["--loss"] == LOSSES
    assert METHODS == HOW and TRANSFER_WAYS == HOW_TO_GO_ON
    assert checks.WORDS["--decoder"] == get_args(DecoderName)
    assert checks.WORDS["--clear"] == (*PARTS, "all")
    assert checks.WORDS["--level"] == tuple(LEVELS) and checks.WORDS["--style"] == STYLES
    assert checks.WORDS["--unknown"] == WAYS and checks.RANGES["--confidence"] == CONFIDENCES
    form, sentence = checks.FORMS["--false-alarms"]
    for rate in (
        "1/hour",
        "0.5/day",
        "20/week",
        "3/minute",
        "0/hour",
        "0.0/day",
        "00.1/day",
        "1",
        "1/h",
        "-1/hour",
        "",
    ):
        if re.fullmatch(form, rate):
            assert parse_rate(rate) > 0
        else:
            with pytest.raises(UsageError, match=re.escape(f"--false-alarms is {rate!r}; {sentence}")):
                parse_rate(rate)
    form, sentence = checks.FORMS["--views"]
    for views in ("1x1", "10x3", "1000X1", "0x1", "1001x3", "01x1", "3", "x", "-1x1", "1x2", "1x1x1", ""):
        if re.fullmatch(form, views):
            assert parse_views(views) == (int(views.lower().partition("x")[0]), int(views[-1]))
        else:
            with pytest.raises(UsageError, match=re.escape(f"--views is {views!r}; {sentence}")):
                parse_views(views)


def test_the_default_folder_of_runs_may_be_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "runs") == (0, "no runs in runs; `marey train DATA` makes one\n", "")


def test_workers_of_the_stage_render(capsys: pytest.CaptureFixture[str]) -> None:
    assert "processes that render" in run(capsys, "stage", "--help")[1]


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
