"""Several models under one budget on the same data: performance, generalization and efficiency side by side.

Protocol: grouped folds of all clips that are not declared as test. Every candidate is trained in the first fold; the
better half goes on to the second, the better half of those to all others, the single-frame model always among them,
and with them whoever costs next to nothing; see `halving` and `race`. Scores are of clips whose groups the model never
saw, and differences are paired on the clips that both answered. Which is recommended is decided by the candidates that
were tried in all folds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..data import Manifest, grouped_folds, unit_of
from ..errors import UsageError
from ..presets import Preset, find_preset, imagenet_is_installed
from ..report import counted, duration_text
from ..results import Comparison
from ..training import pick_device
from .choose import preset_of_clips
from .contender import Part
from .halving import Clock
from .line_up import LADDER_FILE, Contest, line_up
from .narrate import Narrator, Silent, tell_left_out, timed
from .prepare import ClassEdits, check_range, duplicates_of, load_data, pick_decoder, pick_workers, refuse_hopeless
from .race import RACE_FILE, Outlook, Race
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
    begun_s = perf_counter()
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
        clock = Clock(run.folder / CLOCK_FILE, 60 * budget, begun_s=begun_s)
        narrator.say(
            f"{manifest.source}: {manifest.kind}, {counted(len(manifest), 'clip')}, {counted(folds, 'fold')}; "
            f"{duration_text(max(clock.left_s, 0))} are left; run: {run.folder}"
        )
        contest = Contest(
            manifest=manifest,
            parts=parts,
            device=place,
            workers=processes,
            decoder=reader,
            seed=seed,
            use_cache=use_cache,
            max_bad=max_bad,
            clock=clock,
            narrator=narrator,
        )
        pooled = Pooled(manifest, parts, unit_of(manifest.samples, duplicates), seed)
        with named_on_interrupt(run), cleared_unless(run, LADDER_FILE, fresh=fresh), clock.kept():
            contenders, left_out = line_up(contest, ladder, run)
            race = Race(contest, contenders, pooled, Outlook(narrator, clock), run.folder / RACE_FILE)
            race.run()
            left_out |= {c.preset.name: race.stopped[c.preset.name] for c in contenders if not c.done(folds)}
            race.ask_further()
            unreadable, less = race.unreadable()
        tell_left_out(narrator, unreadable)
        shared = {name: value for name, value in asked.items() if name not in ("presets", "budget", "folds", "max_bad")}
        with timed(narrator, "report"):
            result = summarize(
                contenders,
                race.stopped,
                pooled,
                title=run.folder.name,
                budget=budget,
                spent=clock.spent_s / 60,
                notes=[
                    *(f"{name} was left out: {why}." for name, why in left_out.items()),
                    *(note for c in contenders for note in c.notes(c.done(folds))),
                    *less,
                ],
                left_out=unreadable,
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
