"""A run is a folder: what was asked (run.json), on which clips (manifest.parquet), and everything that came of it."""

import hashlib
import json
import platform
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from pathlib import Path
from shutil import rmtree
from time import monotonic, sleep
from typing import Any

from safetensors import SafetensorError, safe_open

from .. import __version__
from ..data import Manifest, write_manifest
from ..errors import MareyError, UsageError
from ..report import duration_text, write_text
from ..training import code_version
from ..video import DecoderName
from .prepare import ClassEdits
from .run_lock import LOCK, sole_writer

RUN_FORMAT = 1
STATE = "state.safetensors"  # where training stands
# What is asked that names a place, however it is spelt.
PLACES = ("data", "source", "root", "start_from", "run", "flow")


@dataclass(frozen=True)
class Run:
    """A run folder that exists. `info` is run.json."""

    folder: Path
    info: Mapping[str, Any]

    @property
    def model(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def of_folds(self) -> bool:
        """Whether it was made with --folds, and so has the answers of folds and no single model."""
        return "folds" in self.info.get("arguments", {})

    @property
    def of_comparison(self) -> bool:
        """Whether it was made by `marey compare`, and so has the answers of several presets."""
        return "budget" in self.info.get("arguments", {})

    @property
    def of_transfer(self) -> bool:
        """Whether it was made by `marey transfer`, and so has a run in it for each way."""
        return "ways" in self.info.get("arguments", {})

    @property
    def answers(self) -> Path:
        """The file that is written last."""
        several = "comparison" if self.of_comparison else "transfer" if self.of_transfer else None
        return self.folder / f"{several or ('folds' if self.of_folds else 'evaluation')}.json"

    @property
    def finished(self) -> bool:
        """Whether the figures are there, and the model that they are of."""
        return self.answers.exists() and (self.of_folds or self.of_transfer or is_whole(self.model))


def is_whole(path: Path) -> bool:
    """Whether a safetensors file is there and as long as its header says; no tensor is read."""
    try:
        with safe_open(path, framework="pt"):
            return True
    except (OSError, SafetensorError):
        return False


@cache
def versions() -> dict[str, str]:
    """What a figure depends on besides the data: packages, Python, machine."""
    found = {"marey": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in ("torch", "av", "torchcodec", "numpy", "opencv-python-headless"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def decoder_version(decoder: DecoderName) -> str:
    """What turns files into frames, for protocol stamps and the keys of kept features; see `pick_decoder`."""
    pyav, torchcodec = f"PyAV {versions()['av']}", f"torchcodec {versions()['torchcodec']}"
    return {"pyav": pyav, "torchcodec": torchcodec, "auto": f"{torchcodec}, {pyav} for what it cannot read"}[decoder]


def manifest_hash(manifest: Manifest) -> str:
    """Twelve hex digits over every sample with its labels, span, split and group."""
    lines = [
        json.dumps([s.path, {h: list(v) for h, v in s.labels.items()}, s.start_s, s.end_s, s.split, s.group])
        for s in manifest.samples
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def write_json(path: Path, data: Any) -> None:
    """Whole or not at all: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", path)


def default_folder(name: str) -> Path:
    """runs/NAME-DATE, with a number behind it when that second is taken."""
    stem = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    candidate, number = stem, 1
    while candidate.exists():
        number += 1
        candidate = stem.with_name(f"{stem.name}-{number}")
    return candidate


def arguments_of(given: Mapping[str, Any], *, but: Collection[str]) -> dict[str, Any]:
    """What a job was given, but for some names, as JSON keeps it."""
    return {k: _plain(v) for k, v in given.items() if k not in but}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if value == ClassEdits():  # what a command makes of no flag
        return None
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def defaults_of(job: Callable[..., Any]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in signature(job).parameters.items()}


def command_line(
    job: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, *, subject: str = "data"
) -> str:
    """The command that does what these arguments say: what differs from the defaults, as flags; None is no flag.

    subject  the argument that is no flag
    """
    words = ["marey", job, str(arguments[subject])]
    for name, value in arguments.items():
        if name == subject or value is None or (defaults and value == defaults.get(name)):
            continue
        if name == "edits":
            words += [w for new, old in value["merge"].items() for w in ("--merge", f"{new}={','.join(old)}")]
            words += [w for old, new in value["rename"].items() for w in ("--rename", f"{old}={new}")]
            words += [w for label in value["leave_out"] for w in ("--leave-out", label)]
        elif value is True:
            words.append(flag_of(name))
        else:
            words += [flag_of(name), str(value)]
    return shlex.join(words)


def flag_of(name: str) -> str:
    """The flag of an argument of a job."""
    return "--" + {"start_from": "from", "smoothing": "label-smoothing"}.get(name, name.replace("_", "-"))


@contextmanager
def begin_run(
    folder: Path,
    arguments: Mapping[str, Any],
    manifest: Manifest,
    details: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any],
) -> Iterator[Run]:
    """Make the folder, or take up one that the same arguments and data left, as its sole writer; others are refused.

    defaults  of the arguments: what a run had that began before there was one of them
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} exists and is no run; give another --out")
    with sole_writer(folder):
        yield _made_or_resumed(folder, arguments, manifest, details, defaults=defaults)


def _made_or_resumed(
    folder: Path,
    arguments: Mapping[str, Any],
    manifest: Manifest,
    details: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any],
) -> Run:
    if before := resume_run(folder, arguments, manifest, defaults=defaults):
        held, now = before.info.get("flow"), details.get("flow")
        if held is not None and held != now:
            raise UsageError(
                f"{folder} holds a run on flow by {held}, and this one has flow by {now}; give another --out"
            )
        return before
    if any(path.name != LOCK for path in folder.iterdir()):
        raise UsageError(f"{folder} exists and is no run; give another --out")
    info = {"format": RUN_FORMAT, **_asked(arguments, manifest), "versions": versions()}
    info = _as_json({**info, "commit": code_version()["commit"], **details})
    write_manifest(manifest, folder / "manifest.parquet", "parquet")
    write_json(folder / "run.json", info)
    return Run(folder, info)


def resume_run(
    folder: Path, arguments: Mapping[str, Any], manifest: Manifest, *, defaults: Mapping[str, Any]
) -> Run | None:
    """The run that the same arguments and data left there; None where there is none, UsageError for one of others."""
    if not (folder / "run.json").exists():
        return None
    before, asked = read_run(folder), _as_json(_asked(arguments, manifest))
    for what, is_one, wanted in (
        ("comparison", before.of_comparison, "budget" in arguments),
        ("table of transfer", before.of_transfer, "ways" in arguments),
    ):
        if is_one != wanted:
            other = f"a {what}" if is_one else f"a run that is no {what}"
            raise UsageError(f"{folder} holds {other}; give another --out")
    if before.of_folds != ("folds" in arguments):
        raise UsageError(f"{folder} holds a run {'with' if before.of_folds else 'without'} --folds; give another --out")
    for what in ("arguments", "data"):
        old, new = {**defaults, **before.info[what]}, asked[what]
        other = [key for key in {**before.info[what], **new} if _meant(key, old.get(key)) != _meant(key, new.get(key))]
        if "hash" in other and len(other) == 1:
            raise UsageError(
                f"{folder} holds a run on {new['source']} as it was before its paths, labels, spans, splits or groups "
                "were changed; give another --out"
            )
        if other:
            key = sorted(other)[0]
            raise UsageError(
                f"{folder} holds a run with {key} {_told(key, old.get(key))}, and this one has "
                f"{_told(key, new.get(key))}; "
                "give the same command to resume it, or another --out"
            )
    return before


def _told(key: str, value: Any) -> str:
    if isinstance(value, list):  # as the flag takes it
        return ",".join(map(str, value)) or "none"
    return duration_text(60 * value) if key == "budget" else repr(value)


def _meant(key: str, value: Any) -> Any:
    if key == "edits" and value is not None and not any(value.values()):  # as runs of commands kept them once
        return None
    return str(Path(value).resolve()) if key in PLACES and value is not None else value


@contextmanager
def cleared_unless(run: Run, kept: str, *, fresh: bool) -> Iterator[None]:
    """Where work fails in a `fresh` folder before there is a `kept` file to go on from, nothing half-written stays."""
    try:
        yield
    except MareyError:
        if fresh and not (run.folder / kept).exists():
            rmtree(run.folder, ignore_errors=True)  # an open lock file may stay on a network file system, until it ends
        raise


def refuse_damaged_state(run: Run) -> None:
    """UsageError for a run that cannot go on, since where its training stood is damaged."""
    state = run.folder / STATE
    if state.exists() and not is_whole(state):
        raise UsageError(
            f"{state} is truncated or damaged, so that the run cannot go on; delete it and give the same command "
            "again, which trains anew"
        )


@contextmanager
def named_on_interrupt(run: Run) -> Iterator[None]:
    """A Ctrl-C carries the folder of the run, so that whoever tells of it can say where to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(str(run.folder)) from None


def _asked(arguments: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    data = {"source": manifest.source, "kind": manifest.kind, "hash": manifest_hash(manifest), "clips": len(manifest)}
    return {"arguments": dict(arguments), "data": data}


def _as_json(info: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(info))


def await_run(folder: Path, *, most_s: float = 60.0) -> Run:
    """The run that the main process of several is about to begin; UsageError when it does not."""
    until = monotonic() + most_s
    while not (folder / "run.json").exists():
        if monotonic() > until:
            raise UsageError(f"the main process began no run in {folder} within {most_s:g} s; its output says why")
        sleep(0.05)
    return read_run(folder)


def read_run(folder: Path) -> Run:
    """UsageError where it is no run, or one of a newer Marey."""
    path = folder / "run.json"
    if not folder.exists():
        raise UsageError(f"{folder} does not exist; `marey runs` lists the runs that do")
    if not path.is_file():
        raise UsageError(f"{folder} is no run (it has no run.json); `marey runs` lists the runs")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        newer = info["format"] > RUN_FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); train again with another --out") from None
    if newer:
        raise UsageError(f"{path} has format {info['format']}, newer than {RUN_FORMAT}; upgrade Marey")
    return Run(folder, info)


def list_runs(root: Path) -> list[dict[str, Any]]:
    """One row a run below `root`, newest first: folder, preset, data, state, score (top-1)."""
    paths = sorted(root.glob("*/run.json"), key=lambda p: p.stat().st_mtime, reverse=True)
    return [_run_row(path.parent) for path in paths]


def _run_row(folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"folder": str(folder), "preset": None, "data": None, "state": "damaged", "score": None}
    try:
        run = read_run(folder)
    except UsageError:
        return row
    row |= {"preset": run.info.get("preset"), "data": run.info["data"]["source"], "state": "resumable"}
    if run.finished:
        row |= {"state": "finished", "score": json.loads(run.answers.read_text(encoding="utf-8")).get("top1")}
    return row
