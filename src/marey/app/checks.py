"""What is refused before anything heavy is imported: numbers, words and places on the command line.

The jobs refuse the same for Python callers; a test holds the two together.
"""

import re
from collections.abc import Callable, Sequence
from glob import iglob
from pathlib import Path
from typing import Any

from typer.core import TyperOption

from ..errors import UsageError, range_text

RANGES: dict[str, tuple[float, float]] = {  # flag -> lowest and highest value that makes sense
    "--accumulate": (1, 100_000),
    "--batch-size": (1, 100_000),
    "--clip-norm": (1e-6, 1e6),
    "--clips": (3, 4000),
    "--confidence": (0.5, 0.9999),
    "--count": (1, 10**9),
    "--crf": (0, 51),
    "--cutmix": (0, 10),
    "--ema": (0.5, 0.999999),
    "--epochs": (1, 100_000),
    "--episodes": (2, 100_000),
    "--fold-seeds": (1, 1000),
    "--folds": (2, 1000),
    "--gop": (0.01, 3600),
    "--head-first": (0, 0.9),
    "--label-smoothing": (0, 0.9),
    "--layer-decay": (0.01, 1),
    "--lr": (1e-10, 100),
    "--max-bad": (0, 10**9),
    "--merge-gap": (0, 1e9),
    "--min-duration": (0, 1e9),
    "--mixup": (0, 10),
    "--patience": (1, 100_000),
    "--queries": (1, 1000),
    "--seed": (0, 2**63 - 1),
    "--short-side": (16, 8192),
    "--threshold": (0, 1),
    "--untrimmed": (0, 10_000),
    "--ways": (2, 1000),
    "--weight-decay": (0, 10),
    "--workers": (0, 256),
}
POSITIVE: dict[str, float] = {"--fps": 1000, "--hop": 1e9, "--within": 1e9}  # flag -> highest value; 0 makes no sense
WORDS: dict[str, tuple[str, ...]] = {
    "--balance": ("none", "sampling", "sqrt", "progressive", "weights"),
    "--clear": ("features", "downloads", "all"),
    "--decoder": ("auto", "pyav", "torchcodec"),
    "--fuse": ("add", "mean", "mean-logits", "svm"),
    "--level": ("studio", "street"),
    "--loss": ("cross-entropy", "focal", "class-balanced", "logit-adjusted"),
    "--method": ("dis", "farneback", "tvl1", "spynet"),
    "--precision": ("fp32", "bf16"),
    "--split": ("train", "val", "test"),
    "--speed": ("ultrafast", "fast", "medium"),
    "--style": ("figure", "point-light"),
    "--transfer": ("fixed", "full", "lora"),
    "--unknown": ("energy", "distance"),
}
FORMS: dict[str, tuple[str, str]] = {  # flag -> what its value looks like, and how to say so
    "--false-alarms": (
        r"(?!0+(\.0+)?/)[0-9]+(\.[0-9]+)?/(minute|hour|day|week)",
        "write a number above 0 and a time, such as 1/hour or 2/day",
    ),
    "--device": (r"auto|cpu|mps|cuda(:[0-9]+)?", "it can be auto, cpu, mps, cuda, or cuda:1 for the second GPU"),
    "--shots": (
        r"[1-9][0-9]{0,8},[1-9][0-9]{0,8}",
        "write the fewest and the most training clips of medium-shot classes, as in 20,100",
    ),
    "--views": (
        r"(?!0+x)([0-9]{1,3}|1000)[xX][13]",
        "write clips x crops such as 10x3: 1 to 1000 clips, 1 or 3 crops",
    ),
}


def checked(param: TyperOption, value: Any) -> Any:
    """The value of an option; UsageError, naming the flag and what it can be, for one that makes no sense."""
    flag = param.opts[0]
    if value is None:
        return value
    if flag in RANGES and not RANGES[flag][0] <= value <= RANGES[flag][1]:
        raise UsageError(f"{flag} is {value}; give {range_text(value, *RANGES[flag])}")
    if flag in POSITIVE and not 0 < value <= POSITIVE[flag]:
        raise UsageError(f"{flag} is {value:g}; give more than 0, and at most {POSITIVE[flag]:g}")
    if flag in WORDS:
        one_of(*WORDS[flag])(param, value)
    if flag in FORMS and not re.fullmatch(FORMS[flag][0], value):
        raise UsageError(f"{flag} is {value!r}; {FORMS[flag][1]}")
    return value


def fold_count(param: TyperOption, value: Any) -> Any:
    """How many folds, in digits, or the word for official splits; UsageError for what is neither."""
    if value is not None and value != "splits":
        if not value.removeprefix("-").isdecimal():
            raise UsageError(f"{param.opts[0]} is {value!r}; give a number of folds, or splits")
        checked(param, int(value))
    return value


def share(param: TyperOption, value: Any) -> Any:
    """A share between 0 and 1; UsageError for what is none."""
    if value is not None and not 0 < value < 1:
        raise UsageError(f"{param.opts[0]} is {value:g}; give a number above 0 and below 1, such as 0.9")
    return value


def one_of(*words: str) -> Callable[[TyperOption, Any], Any]:
    """What refuses other values of an option whose words are those of its command."""

    def check(param: TyperOption, value: Any) -> Any:
        if value is not None and value not in words:
            raise UsageError(f"{param.opts[0]} is {value!r}; it can be {', '.join(words[:-1])} or {words[-1]}")
        return value

    return check


def paired(param: TyperOption, values: Any) -> Any:
    """The values of --merge or --rename; UsageError for one that names no two sides."""
    pairs(param.opts[0], values)
    return values


def pairs(flag: str, values: Sequence[str] | None) -> dict[str, str]:
    """ "LEFT=RIGHT" options as a dict."""
    found = {}
    for value in values or ():
        left, sign, right = value.partition("=")
        if not (sign and left.strip() and right.strip()):
            raise UsageError(f"{flag} is {value!r}; write {'NEW=A,B' if flag == '--merge' else 'OLD=NEW'}")
        found[left.strip()] = right.strip()
    return found


def data_exists(data: str) -> None:
    """Refuse a path that is not there; patterns of shards are looked at later."""
    if not data.strip():
        raise UsageError("DATA is an empty name; give the path of your data")
    if not any(sign in data for sign in "*?[{") and not Path(data).exists():
        raise UsageError(f"{data} does not exist; check the path of your data")


def model_exists(path: Path) -> None:
    """Refuse a run or file that is not there."""
    if not path.exists():
        raise UsageError(f"{path} does not exist; give a run folder (`marey runs` lists them) or a .safetensors file")


def models_and_data(given: Sequence[str], *, fuse: bool) -> tuple[list[Path], str | None]:
    """Runs and files of models, and the data where the last name is neither; UsageError for several unless fused."""
    models = [Path(name) for name in given if is_model(Path(name))]
    rest = [name for name in given[1:] if not is_model(Path(name))]
    if not models or not is_model(Path(given[0])):
        model_exists(Path(given[0]))
        models = [Path(given[0]), *models]
    if len(rest) > 1 or (rest and given[-1] != rest[0]):
        raise UsageError(f"{' and '.join(rest)} are not runs or .safetensors files; name models first, and data last")
    if fuse and len(models) < 2:
        raise UsageError("--fuse needs two models or more; name their run folders or .safetensors files")
    if not fuse and len(models) > 1:
        ways = ", ".join(WORDS["--fuse"])
        raise UsageError(f"{len(models)} models are named; say with --fuse how to merge what they say: {ways}")
    if rest:
        data_exists(rest[0])
    return models, rest[0] if rest else None


def is_model(path: Path) -> bool:
    """Whether a name is that of a run folder or of weights, by its look."""
    return (path / "run.json").is_file() or (path.suffix == ".safetensors" and path.is_file())


def videos_exist(videos: Sequence[str]) -> None:
    """Refuse a name that is no file, folder, member of a shard or pattern of any."""
    for given in videos:
        if not given.strip():
            raise UsageError("one of the videos has an empty name; give files, folders or globs")
        if not Path(given).exists() and "::" not in given and next(iglob(given, recursive=True), None) is None:  # noqa: PTH207 - patterns may be absolute
            raise UsageError(f"{given} does not exist; check the path")


def place_is_free(out: Path | None, *, folder: bool) -> None:
    """Refuse a file where a folder is to be written, or on the way to it, and a folder in the place of a file."""
    if out is None:
        return
    if not folder and out.is_dir():
        raise UsageError(f"--out is {out}, which is a folder; name a file to write")
    above = (out, *out.parents) if folder else out.parents
    file = next((path for path in above if path.exists() and not path.is_dir()), None)
    if file is not None:
        raise UsageError(f"--out is {out}, and {file} is a file; name a folder")
