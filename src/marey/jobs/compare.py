"""Several models under one budget on the same data: performance, generalization and efficiency side by side.

Protocol: grouped folds of all clips that are not declared as test. Every candidate is trained in the first fold; the
better half goes on to the second, the better half of those to all others, the single-frame model always; see
`halving`. Scores are of clips whose groups the model never saw, and differences are paired on the clips that both
answered. Which is recommended is decided by the candidates that were tried in all folds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Manifest, Quarantine, grouped_folds
from ..errors import UsageError
from ..presets import Preset, find_preset, imagenet_is_installed
from ..report import counted
from ..results import Comparison
from ..training import pick_device
from .choose import preset_of_clips
from .contender import CHANGED, SHARES, Contender, Part, ask_orders, ask_with_fewer, has_order, try_fold
from .halving import Clock, go_on, minutes, rungs, trainings
from .line_up import HEAD_S, LADDER_FILE, Contest, line_up
from .narrate import Narrator, Silent, progress_of, tell_left_out, timed
from .prepare import ClassEdits, check_range, duplicates_of, load_data, pick_decoder, pick_workers, refuse_hopeless
from .run import (
    arguments_of,
    begin_run,
    cleared_unless,
    command_line,
    default_folder,
    defaults_of,
    named_on_interrupt,
    resume_run,
)
from .verdict import Pooled, comparison_dict, publish_comparison, read_comparison, summarize

CLOCK_FILE = "clock.json"
SINGLE_FRAMES = ("efficientnet_lite0_frame", "single_frame_stage")  # with ImageNet weights, and without
LADDER = (
    "motion",
    "efficientnet_lite0_difference",
    "motion_appearance",
    "vectors_stage",
    "r2plus1d_stage",
    "slowfast_stage",
    "r2plus1d_18",
)
MOST_KNOWN, KNOWN_OF_GROUP = 0.1, 3  # share of the training clips that is held out; one in so many of a group at most


@dataclass(frozen=True)
class Compared:
    """A finished comparison and its folder."""

    folder: Path
    comparison: Comparison

    def to_dict(self) -> dict[str, Any]:
        """JSON with `top1` of the recommended model at the top."""
        return {"folder": str(self.folder), **comparison_dict(self.comparison)}


def compare(
    data: str | Path,
    *,
    presets: Sequence[str] = (),
    budget: float = 30.0,
    folds: int = 4,
    out: str | Path | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> Compared:
    """Compare presets (by default a ladder of them) on DATA; writes `comparison.json` and `report.html` into the run.

    budget  minutes in all; the single-frame model is always tried first

    Where `out` holds an unfinished comparison of the same arguments and data it goes on, and what was spent before
    counts; a finished one is returned as it is. Raises UsageError and its kinds before any work, among them for a
    budget that is too small for the single-frame model and for classes in fewer groups than folds.
    """
    asked = arguments_of(locals(), but=("out", "device", "workers", "use_cache", "narrator"))
    asked["presets"] = list(presets)
    narrator = narrator or Silent()
    for flag, value, least, most in (
        ("--budget", budget, 1e-3, 1e6),
        ("--folds", folds, 2, 1000),
        ("--max-bad", max_bad, 0, 10**9),
    ):
        check_range(flag, value, least, most)
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    ladder = _ladder(presets)
    manifest = _to_compare_on(load_data(data, kind=kind, root=root, group_by=group_by, edits=edits), narrator)
    folder = Path(out) if out else default_folder(f"{Path(data).stem}-compare")
    defaults = defaults_of(compare)
    before = resume_run(folder, asked, manifest, defaults=defaults)
    if before and before.finished:
        narrator.say(f"{folder} is finished already; nothing is left to do")
        return Compared(folder, read_comparison(folder))
    duplicates = duplicates_of(manifest, workers=processes, narrator=narrator)
    parts = [
        part_of(manifest, train, test, seed=seed)
        for train, test in grouped_folds(manifest, folds=folds, seed=seed, near_duplicate_groups=duplicates)
    ]
    fresh = not folder.exists()
    named = ",".join(presets) or None
    details = {"command": command_line("compare", {**asked, "presets": named, "out": str(folder)}, defaults)}
    with begin_run(folder, asked, manifest, details, defaults=defaults) as run:
        clock = Clock(run.folder / CLOCK_FILE, 60 * budget)
        narrator.say(
            f"{manifest.source}: {manifest.kind}, {counted(len(manifest), 'clip')}, {counted(folds, 'fold')}; "
            f"{minutes(clock.left_s)} are left; run: {run.folder}"
        )
        contest = Contest(
            manifest=manifest,
            parts=parts,
            device=place,
            workers=processes,
            decoder=reader,
            seed=seed,
            use_cache=use_cache,
            quarantine=Quarantine(total=len(manifest), limit=max_bad),
            clock=clock,
            narrator=narrator,
        )
        pooled = Pooled(manifest, parts, seed)
        with named_on_interrupt(run), cleared_unless(run, LADDER_FILE, fresh=fresh), clock.kept():
            contenders, left_out = line_up(contest, ladder, run)
            stopped = _race(contest, contenders, pooled)
            left_out |= {c.preset.name: stopped[c.preset.name] for c in contenders if not c.done(folds)}
            _ask_further(contest, contenders, stopped, pooled)
        tell_left_out(narrator, contest.quarantine.reasons)
        shared = {name: value for name, value in asked.items() if name not in ("presets", "budget", "folds", "max_bad")}
        with timed(narrator, "report"):
            result = summarize(
                contenders,
                stopped,
                pooled,
                title=run.folder.name,
                budget=budget,
                spent=clock.spent_s / 60,
                notes=[f"{name} was left out: {why}." for name, why in left_out.items()],
                left_out=contest.quarantine.reasons,
                command=lambda preset: command_line("train", {**shared, "preset": preset}, defaults),
            )
            clock.keep()
            publish_comparison(run, result)
        return Compared(run.folder, result)


def _ladder(names: Sequence[str]) -> list[Preset]:
    """The single-frame model, then the others; presets that do not answer clips as wholes are refused."""
    given = [preset_of_clips(name) for name in dict.fromkeys(names or LADDER)]
    usual = SINGLE_FRAMES[0 if imagenet_is_installed() else 1]
    first = next((preset for preset in given if preset.name in SINGLE_FRAMES), None) or find_preset(usual)
    others = [preset for preset in given if preset is not first]
    if not others:
        raise UsageError(f"--presets names {first.name} alone, which is nothing to compare; name another beside it")
    return [first, *others]


def _to_compare_on(manifest: Manifest, narrator: Narrator) -> Manifest:
    """All clips but those that are declared as test, which stay unseen; of one class each."""
    if len(manifest.heads) > 1 or manifest.multi_label:
        raise UsageError("compare takes data with one class a clip; for several, train runs and evaluate each")
    kept = tuple(replace(sample, split=None) for sample in manifest.samples if sample.split != "test")
    if len(kept) < len(manifest):
        narrator.say(f"{counted(len(manifest) - len(kept), 'test clip')} stay unseen, for the model that is taken")
    manifest = replace(manifest, samples=kept)
    refuse_hopeless(manifest)
    return manifest


def part_of(manifest: Manifest, train: np.ndarray, test: np.ndarray, *, seed: int) -> Part:
    """A fold, with a few clips held out of the groups that are trained on, where there are groups of several clips."""
    rng = np.random.default_rng((seed, len(train)))
    groups = [manifest.samples[i].group for i in train]
    size, taken, known = Counter(groups), Counter[str | None](), []
    for place in rng.permutation(len(train)):
        group = groups[place]
        if group is not None and taken[group] < size[group] // KNOWN_OF_GROUP and len(known) < MOST_KNOWN * len(train):
            taken[group] += 1
            known.append(place)
    held = np.zeros(len(train), bool)
    held[known] = True
    return Part(train[~held], train[held], test)


def _race(contest: Contest, contenders: Sequence[Contender], pooled: Pooled) -> dict[str, str]:
    """Train rung by rung; preset -> why it was stopped, for those that were."""
    by_name = {contender.preset.name: contender for contender in contenders}
    racing, stopped, first = list(by_name), {}, contenders[0].preset.name
    tell, done = progress_of(contest.narrator, "compare"), 0
    total = round(trainings(len(contenders), len(contest.parts)) * len(contenders))
    for number, rung in enumerate(rungs(len(contest.parts))):
        if number:
            scores = {name: _accuracy(pooled, by_name[name], range(rung[0])) for name in racing}
            on = go_on(scores, number, always=first, of=len(by_name))
            stopped |= {
                name: f"{score:.0%} right after {counted(rung[0], 'fold')}: too few to go on"
                for name, score in scores.items()
                if name not in on
            }
            racing = on
        for name in racing:
            if not _try_folds(contest, by_name[name], rung, whatever=name == first):
                folds = counted(len(by_name[name].done(len(contest.parts))), "fold")
                stopped[name] = f"the budget was over after {folds}"
            done += len(rung)
            tell(min(done, total), total)
        racing = [name for name in racing if name not in stopped]
    tell(total, total)
    for name, why in stopped.items():
        contest.narrator.detail(f"{name} was stopped: {why}")
    return stopped


def _try_folds(contest: Contest, contender: Contender, folds: Sequence[int], *, whatever: bool) -> bool:
    """Train in these folds, but for those that are done; False where the time is too short, unless `whatever`."""
    for fold in folds:
        if contender.file(fold).exists():
            continue
        if not whatever and contest.clock.left_s < _expected_s(contender, fold):
            return False
        with timed(contest.narrator, f"{contender.preset.name}, fold {fold + 1}"):
            try_fold(contender, contest.manifest, fold, contest.parts[fold], contest.quarantine, contest.narrator)
        contest.clock.keep()
    return True


def _expected_s(contender: Contender, fold: int) -> float:
    """What the next fold takes: what the last one did, or what was measured."""
    if fold and contender.file(fold - 1).exists():
        seconds = contender.facts(fold - 1)["seconds"]
        return float(seconds) if contender.needs_training else HEAD_S
    return contender.share.within_s if contender.needs_training else 60 * contender.cost.minutes


def _accuracy(pooled: Pooled, contender: Contender, folds: Sequence[int]) -> float:
    """Of its answers so far, on clips whose groups it did not see."""
    return float(pooled.of(contender, folds).right(pooled.truth).mean())


def _ask_further(contest: Contest, contenders: Sequence[Contender], stopped: Mapping[str, str], pooled: Pooled) -> None:
    """What the finalists say of other orders of frames, and with fewer labels, as far as there is time."""
    folds, clock = range(len(contest.parts)), contest.clock
    finalists = [c for c in contenders if c.preset.name not in stopped]
    finalists.sort(key=lambda c: -_accuracy(pooled, c, folds))
    shared = (contest.quarantine, contest.narrator)
    for contender in finalists:
        if contender.needs_training or not has_order(contender):  # whole networks were asked when they were trained
            continue
        if len(CHANGED) * 60 * contender.cost.minutes + len(folds) * HEAD_S < clock.left_s:
            ask_orders(contender, contest.manifest, contest.parts, *shared)
            clock.keep()
    for contender in dict.fromkeys((finalists[0], contenders[0])):
        for fold in folds:
            one = sum(SHARES) * _expected_s(contender, fold + 1) if contender.needs_training else len(SHARES) * HEAD_S
            if one < clock.left_s:
                ask_with_fewer(contender, contest.manifest, fold, contest.parts[fold], *shared, seed=contest.seed)
                clock.keep()
