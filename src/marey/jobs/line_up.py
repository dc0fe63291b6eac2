"""Who takes part in a comparison: what each candidate costs, and its share of the budget."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil

import torch

from ..data import Manifest
from ..errors import DataError, MissingExtra, UsageError, VideoError
from ..presets import Preset
from ..report import duration_text
from ..tasks import Recognition
from ..video import DecoderName
from .choose import Wishes
from .contender import Contender, Part
from .features import share_kept
from .fold_answers import trained_of
from .halving import FEWEST_EPOCHS, Clock, Need, Share, share_of, share_out
from .lesson import Lesson, make_lesson
from .narrate import Narrator, progress_of
from .plan import Plan, measure
from .publish import measure_efficiency
from .run import Run, write_json

KEPT_ANSWERS, LADDER_FILE = "folds", "ladder.json"
FOR_TRAINING = 0.7  # of the budget; the rest is for what the best are asked afterwards
FOR_MEASURING = 0.1  # of the budget, after which no more candidates are looked at
HEAD_S = 1.0  # a fold of a frozen preset: training its head


@dataclass(frozen=True)
class Contest:
    """What all candidates have in common: data, folds, machine and time."""

    manifest: Manifest
    parts: Sequence[Part]
    device: torch.device
    workers: int
    decoder: DecoderName
    seed: int
    use_cache: bool
    max_bad: int
    clock: Clock
    narrator: Narrator


def line_up(contest: Contest, ladder: Sequence[Preset], run: Run) -> tuple[list[Contender], dict[str, str]]:
    """The candidates that can be tried within the budget, and why the others cannot; kept for a run that goes on."""
    file = run.folder / LADDER_FILE
    if file.exists():
        held = json.loads(file.read_text(encoding="utf-8"))
        if held["shares"].keys() != {preset.name for preset in ladder}:
            raise UsageError(
                f"{run.folder} was begun with {', '.join(held['shares'])}, and the usual candidates are others now, as "
                "weights were installed or removed, or Marey is another; give another --out"
            )
        costs = {name: Plan(**cost) for name, cost in held["costs"].items()}
        shares: dict[str, Share | str] = {
            name: share if isinstance(share, str) else Share(**share) for name, share in held["shares"].items()
        }
        answering = held["answering"]
    else:
        costs, shares, answering = _look_at(contest, ladder)
        write_json(
            file,
            {
                "costs": {name: asdict(cost) for name, cost in costs.items()},
                "shares": {name: s if isinstance(s, str) else asdict(s) for name, s in shares.items()},
                "answering": answering,
            },
        )
    contenders = [
        Contender(
            preset=preset,
            lesson=lesson_of(contest, preset),
            cost=costs[preset.name],
            share=share,
            answering=answering[preset.name],
            kept=run.folder / KEPT_ANSWERS / preset.name,
        )
        for preset in ladder
        if isinstance(share := shares[preset.name], Share)
    ]
    left_out = {name: share for name, share in shares.items() if isinstance(share, str)}
    for name, why in left_out.items():
        contest.narrator.say(f"{name} is left out: {why}")
    return contenders, left_out


def _look_at(
    contest: Contest, ladder: Sequence[Preset]
) -> tuple[dict[str, Plan], dict[str, Share | str], dict[str, dict[str, float]]]:
    """Measure the candidates: cost, share of the budget (or why none), and what answering a clip costs."""
    costs: dict[str, Plan] = {}
    answering: dict[str, dict[str, float]] = {}
    unfit: dict[str, str] = {}
    clock, samples, folds = contest.clock, contest.manifest.samples, len(contest.parts)
    train = [samples[i] for i in contest.parts[0].train]
    tell = progress_of(contest.narrator, "measure")
    until = clock.left_s * (1 - FOR_MEASURING)
    for number, preset in enumerate(ladder):
        if len(costs) > 1 and clock.left_s < until:
            unfit[preset.name] = "measuring the others took the time for it"
            continue
        try:
            costs[preset.name] = measure(
                preset,
                train,
                Recognition.of(contest.manifest),
                contest.device,
                workers=contest.workers,
                decoder=contest.decoder,
                seed=contest.seed,
            )
            answering[preset.name] = measure_efficiency(trained_of(lesson_of(contest, preset)), samples)
        except (MissingExtra, DataError, VideoError) as error:
            if not number:
                raise
            unfit[preset.name] = str(error)
        tell(number + 1, len(ladder))
    unfit |= {name: cost.obstacle(float("inf")) for name, cost in costs.items() if not cost.fits}
    costs = {name: cost for name, cost in costs.items() if cost.fits}
    if ladder[0].name not in costs:
        raise UsageError(f"{ladder[0].name}, with which all others are compared, {unfit[ladder[0].name]}")
    needs = {preset.name: _need(contest, preset, costs[preset.name]) for preset in ladder if preset.name in costs}
    first, for_training = ladder[0].name, FOR_TRAINING * clock.left_s
    own = share_of(needs[first], for_training / len(needs), folds=folds)  # all folds: it is never stopped
    alone = needs[first].seconds(folds, own.epochs)
    others = {name: need for name, need in needs.items() if name != first}
    shares = share_out(others, for_training - alone, folds=folds) if others else {}
    if not any(isinstance(share, Share) for share in shares.values()):
        raise UsageError(_too_little(clock, needs, unfit, first, alone))
    return costs, {first: own, **shares, **unfit}, answering


def _too_little(clock: Clock, needs: Mapping[str, Need], unfit: Mapping[str, str], first: str, alone: float) -> str:
    """Why there is nothing to compare the single-frame model with, and what to do about it."""
    if len(needs) < 2:
        reasons = "; ".join(f"{name}: {why}" for name, why in unfit.items())
        return f"only {first} can be tried, which is nothing to compare ({reasons}); name other --presets"
    least = {name: need.seconds(1, min(FEWEST_EPOCHS, need.epochs)) for name, need in needs.items() if name != first}
    cheapest = min(least, key=least.__getitem__)
    enough = ceil((clock.spent_s + (alone + len(needs) * least[cheapest]) / FOR_TRAINING) / 60)
    return (
        f"--budget is {duration_text(clock.spent_s + clock.left_s)}: after the single-frame model "
        f"({duration_text(alone)}) too little is left for any other, of which {cheapest} takes least "
        f"({duration_text(least[cheapest])}); give --budget {enough}m"
    )


def _need(contest: Contest, preset: Preset, cost: Plan) -> Need:
    """Seconds, from what was measured on the training clips of one fold; clips that were encoded before cost none."""
    samples, train = contest.manifest.samples, len(contest.parts[0].train)
    if not preset.frozen:
        return Need(0.0, cost.decode_s * len(samples) / train, cost.clip_s * train, cost.epochs)
    lesson = lesson_of(contest, preset)
    kept = share_kept(lesson.model, samples, lesson.spec, decoder=lesson.decoder) if lesson.use_cache else 0.0
    every = (cost.decode_s + cost.clip_s * train) * len(samples) / train
    return Need((1 - kept) * every, HEAD_S, 0.0, cost.epochs)


def lesson_of(contest: Contest, preset: Preset) -> Lesson:
    return make_lesson(
        preset,
        contest.manifest,
        Wishes(seed=contest.seed),
        clips=len(contest.parts[0].train),
        device=contest.device,
        workers=contest.workers,
        decoder=contest.decoder,
        use_cache=contest.use_cache,
    )
