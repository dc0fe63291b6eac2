"""What the ways of a transfer have come to, side by side, and which of them to take."""

import json
import shlex
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import listed
from ..metrics import paired_difference, sign_flip_tests
from ..report import beyond_chance, counted, difference_text, duration_text, estimate_text
from ..results import Evaluation, TransferTable, TransferWay
from ..training import read_history
from .run import Run, read_run
from .train import Trial

Pair = tuple[str, str]


def summarize(run: Run, trials: Mapping[str, Trial], *, notes: Sequence[str]) -> TransferTable:
    """The table of the ways, in the order given; the first is what the others are compared with.

    The way that is right most often is recommended, of equal ones the one that learns in less time. Notes of a way's
    training are added to `notes`.
    """
    evaluations = {way: next(iter(trial.evaluations.values())) for way, trial in trials.items()}
    p_values = _p_values(evaluations)
    first, *_ = trials
    ways = [_way(way, trial, evaluations, first, p_values) for way, trial in trials.items()]
    best = max(ways, key=lambda way: (way.score.value, -way.train_minutes))
    tested = evaluations[first]
    kind = "validation" if tested.protocol["split"] == "val" else tested.protocol["split"]
    same = {
        name: value
        for name, value in tested.protocol.items()
        if name not in ("checkpoint", "clips", "clips_trained_on", "split")
    }
    return TransferTable(
        title=run.folder.name,
        protocol={
            "data": run.info["data"]["source"],
            "from": run.info["arguments"]["start_from"],
            **same,
            "seed": run.info["arguments"]["seed"],
            "split": run.info["split"],
            "versions": run.info["versions"],
        },
        tested=counted(len(tested.clips), f"{kind} clip"),
        ways=tuple(ways),
        recommended=best.way,
        reason=_reason(best, ways, p_values),
        command=shlex.join(["marey", "predict", str(trials[best.way].folder), "VIDEO"]),
        notes=(*notes, *(f"{way}: {note}" for way, trial in trials.items() for note in trial.notes)),
    )


def _way(
    way: str, trial: Trial, evaluations: Mapping[str, Evaluation], first: str, p_values: Mapping[Pair, float]
) -> TransferWay:
    metrics, history = evaluations[way].metrics, read_history(trial.folder)
    efficiency = json.loads((trial.folder / "evaluation.json").read_text(encoding="utf-8"))["efficiency"]
    mine, theirs, groups = _right(evaluations[way], evaluations[first])
    return TransferWay(
        way=way,
        score=metrics["top1"],
        balanced=metrics["mean_per_class"],
        gain=None if way == first else paired_difference(mine, theirs, groups=groups),
        p_value=None if way == first else p_values[way, first],
        params=read_run(trial.folder).info["params_that_learn"],
        train_minutes=efficiency["train_minutes"],
        epochs=len(history),
        history=history,
    )


def _p_values(evaluations: Mapping[str, Evaluation]) -> dict[Pair, float]:
    """Both orders of each two ways -> p that they are right equally often, corrected for the number of pairs."""
    found = sign_flip_tests(
        {(one, other): _right(evaluations[one], evaluations[other]) for one, other in combinations(evaluations, 2)}
    )
    return found | {(other, one): p for (one, other), p in found.items()}


def _right(one: Evaluation, other: Evaluation) -> tuple[np.ndarray, np.ndarray, list[str | None] | None]:
    """Right (1) or wrong (0) of one and of the other, and the groups, of the clips that both could read."""
    answers = [{(clip.path, clip.start_s, clip.end_s): clip for clip in some.clips} for some in (one, other)]
    both = [(clip, answers[1][key]) for key, clip in answers[0].items() if key in answers[1]]
    groups = [clip.group for clip, _ in both]  # as the evaluation has drawn them together
    right = np.array([[clip.right for clip in pair] for pair in both], np.float64)
    return right[:, 0], right[:, 1], groups if any(groups) else None


def _reason(best: TransferWay, ways: Sequence[TransferWay], p_values: Mapping[Pair, float]) -> str:
    """Why the best is recommended, in a sentence or two."""
    first, *_ = ways
    equal = [way for way in ways if way is not best and way.score.value == best.score.value]
    often = f"most often, as often as {listed([way.way for way in equal])}" if equal else "most often"
    said = f"{best.way} is right {often}: {estimate_text(best.score)}"
    if best.gain is not None and first not in equal:
        real = "beyond chance" if beyond_chance(p_values[best.way, first.way]) else "which chance may explain"
        said += f"; that is {difference_text(best.gain)} against {first.way}, {real}"
    others = [way for way in ways if way not in (best, first, *equal)]
    close = [way for way in others if not beyond_chance(p_values[best.way, way.way])]
    if not others:
        return f"{said}."
    if not close:
        return f"{said}; its lead over {listed([way.way for way in others])} is beyond chance."
    said += f". Its lead over {listed([way.way for way in close])} is not beyond chance"
    quick = min(close, key=lambda way: way.train_minutes)
    if quick.train_minutes < 0.8 * best.train_minutes:
        mine, theirs = (duration_text(60 * way.train_minutes) for way in (best, quick))
        said += f"; {quick.way} learns in {theirs} instead of {mine}"
    return f"{said}."


def table_dict(table: TransferTable) -> dict[str, Any]:
    """JSON with `top1` of the recommended way at the top."""
    return {"top1": table.best.score.value, **table.to_dict()}


def read_table(folder: Path) -> TransferTable:
    """What a finished table's file holds."""
    return TransferTable.from_dict(json.loads((folder / "transfer.json").read_text(encoding="utf-8")))
