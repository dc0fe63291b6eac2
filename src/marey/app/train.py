"""The command train: one run, or grouped folds."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import MareyError, UsageError
from . import options as o
from . import show
from .checks import checked, data_exists, fold_count, place_is_free
from .console import Terminal, print_json, print_table, print_text

FOLD_SEEDS = 5
INTERRUPTED = 130
From = Annotated[Path | None, typer.Option("--from", metavar="RUN|FILE", help="fine-tune these weights")]
Transfer = Annotated[
    str | None,
    typer.Option(
        "--transfer",
        callback=checked,
        help="what of --from goes on to learn: fixed (the classifier alone), full (everything) or lora "
        "(the classifier, and low-rank adapters of a transformer) [default: full]",
    ),
]
Folds = Annotated[
    str | None,
    typer.Option(
        "--folds",
        metavar="K|splits",
        callback=fold_count,
        help="grouped cross-validation instead of one split, or the mean over all official splits of the data",
    ),
]
FoldSeeds = Annotated[
    int, typer.Option("--fold-seeds", callback=checked, help="how many assignments to folds are averaged")
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", callback=checked, help="passes over the data [default: by rule]")
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", callback=checked, help="clips a batch [default: by rule]")
]
Rate = Annotated[float | None, typer.Option("--lr", callback=checked, help="peak learning rate [default: by rule]")]
Decay = Annotated[float | None, typer.Option("--weight-decay", callback=checked, help="[default: by rule]")]
Smoothing = Annotated[float, typer.Option("--label-smoothing", callback=checked, help="0 to 0.9")]
Mixup = Annotated[float, typer.Option("--mixup", callback=checked, help="strength of mixing clips; 0 is off")]
Cutmix = Annotated[
    float, typer.Option("--cutmix", callback=checked, help="strength of pasting boxes of clips; 0 is off")
]
Balance = Annotated[
    str | None,
    typer.Option(
        "--balance",
        callback=checked,
        help="rare classes: none, sampling (as often as others), sqrt (half-way), progressive (from as they are to "
        "as often as others) or weights [default: by rule]",
    ),
]
Loss = Annotated[
    str, typer.Option("--loss", callback=checked, help="cross-entropy, focal, class-balanced or logit-adjusted")
]
Ema = Annotated[
    float | None,
    typer.Option("--ema", callback=checked, help="decay of the moving average of the weights, such as 0.999"),
]
Accumulate = Annotated[int, typer.Option("--accumulate", callback=checked, help="batches to an optimizer step")]
ClipNorm = Annotated[float, typer.Option("--clip-norm", callback=checked, help="longest gradient")]
Patience = Annotated[
    int | None,
    typer.Option("--patience", callback=checked, help="stop after so many epochs without a better validation score"),
]
Precision = Annotated[str, typer.Option("--precision", callback=checked, help="fp32 or bf16")]
LayerDecay = Annotated[
    float | None,
    typer.Option(
        "--layer-decay",
        callback=checked,
        help="of --from: how fast each layer learns beside the next [default: by rule]",
    ),
]
HeadFirst = Annotated[
    float | None,
    typer.Option(
        "--head-first", callback=checked, help="of --from: share of steps for the classifier alone [default: by rule]"
    ),
]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="write TensorBoard logs into the run")]


class Interrupted(MareyError):
    """Ctrl-C, and what is left."""

    exit_code = INTERRUPTED


@contextmanager
def resumable(kept: str) -> Iterator[None]:
    """Ctrl-C in a job that has a folder by then tells what is `kept` there and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if not stop.args:  # before there was a folder
            raise
        again = f"--out {shlex.quote(str(stop.args[0]))}"
        raise Interrupted(f"interrupted; {kept} is kept: give the same command with {again} to go on") from None


def train(
    data: o.Data,
    preset: o.PresetName = None,
    start_from: From = None,
    transfer: Transfer = None,
    out: o.Out = None,
    kind: o.Kind = None,
    root: o.Root = None,
    group_by: o.GroupBy = None,
    merge: o.Merge = None,
    rename: o.Rename = None,
    leave_out: o.LeaveOut = None,
    folds: Folds = None,
    fold_seeds: FoldSeeds = FOLD_SEEDS,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    weight_decay: Decay = None,
    smoothing: Smoothing = 0.0,
    mixup: Mixup = 0.0,
    cutmix: Cutmix = 0.0,
    balance: Balance = None,
    loss: Loss = "cross-entropy",
    ema: Ema = None,
    accumulate: Accumulate = 1,
    clip_norm: ClipNorm = 1.0,
    patience: Patience = None,
    precision: Precision = "fp32",
    layer_decay: LayerDecay = None,
    head_first: HeadFirst = None,
    views: o.Views = None,
    max_bad: o.MaxBad = 3,
    no_cache: o.NoCache = False,
    tensorboard: TensorBoard = False,
    device: o.Device = "auto",
    decoder: o.Decoder = "pyav",
    flow: o.Flow = None,
    workers: o.Workers = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Train on your own clips; leaves a run folder with model, figures and report."""
    flags = dict(locals())
    data_exists(data)
    place_is_free(out, folder=True)
    if folds is None and fold_seeds != FOLD_SEEDS:
        raise UsageError("--fold-seeds has no effect without --folds; add it, or drop both")
    if folds == "splits" and fold_seeds != FOLD_SEEDS:
        raise UsageError("--fold-seeds has no effect on --folds splits, which are as they are; drop it")
    kept = "what the run saved" if folds is None else "every fold that is done"
    with Terminal(quiet=quiet, verbose=verbose) as terminal, resumable(kept):
        result, rows = _work({**flags, "edits": o.class_edits(merge, rename, leave_out), "narrator": terminal})
    if not rows:  # not the main process of several
        return
    if json:
        print_json(result.to_dict())
        return
    print_table(show.METRIC_COLUMNS, rows)
    print_text(f"report: {result.folder}/report.html")


def _work(flags: Mapping[str, Any]) -> tuple[Any, list[show.Row]]:
    """Run the job that the flags ask for: its result, and the rows of its table."""
    from ..jobs import cross_validate, flag_of
    from ..jobs import train as job

    given = {**flags, "use_cache": not flags["no_cache"]}
    if flags["folds"] is None:
        trial = job(**_taken(job, given))
        return trial, show.metric_rows(trial.evaluations)
    for name, parameter in signature(job).parameters.items():
        if name not in signature(cross_validate).parameters and flags[name] != parameter.default:
            raise UsageError(f"{flag_of(name)} has no effect with --folds; drop one of the two")
    given["folds"] = "splits" if flags["folds"] == "splits" else int(flags["folds"])
    result = cross_validate(**_taken(cross_validate, given))
    return result, show.fold_rows(result)


def _taken(job: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a job takes of what is given: flags and arguments have the same names."""
    return {name: given[name] for name in signature(job).parameters}
