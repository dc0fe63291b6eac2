"""Cross-validation in rounds: seeds, each of which has every clip tested by a model that never saw its source, or the
official splits of a data set, each of which tests its own clips.

Protocol of seeds: folds keep each group on one side, are stratified by class and assigned anew by each of the seeds.
For every seed the out-of-fold answers of all clips are pooled. The figures are means over the seeds; their intervals
resample sources, with each clip's correctness averaged over the seeds. The same folds, clips and seeds serve the
single-frame model, and the difference is paired clip by clip. Official splits are taken as they are: the figure is the
mean of theirs, and a source is resampled for all of them at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from ..data import Manifest, Quarantine, grouped_folds
from ..errors import UsageError
from ..presets import Preset, find_preset, imagenet_is_installed
from ..report import counted
from ..training import pick_device
from .choose import Choice, Wishes, choose_preset
from .clips_of_run import count_shown
from .flow_source import tell_stored
from .fold_answers import Fold, out_of_fold
from .fold_figures import CrossValidation, publish_folds, read_folds, summarize_folds
from .learned import learned_by
from .lesson import Lesson, make_lesson, room_when_begun
from .narrate import Narrator, Silent, tell_left_out
from .official import load_official
from .prepare import ClassEdits, check_range, duplicates_of, load_data, pick_decoder, pick_workers, refuse_hopeless
from .run import (
    Run,
    arguments_of,
    begin_run,
    cleared_unless,
    command_line,
    default_folder,
    defaults_of,
    named_on_interrupt,
    resume_run,
)
from .scores import spec_stamp
from .train import starting_point
from .transfer import refuse_transfer, told
from .without_vectors import refuse_without_vectors

KEPT_FOLDS = "folds"  # folder in the run with the answers of every fold that is done
SINGLE_FRAME = "efficientnet_lite0_frame"
SPLITS = "splits"  # in the place of a number of folds


def cross_validate(
    data: str | Path,
    *,
    folds: int | str = 5,
    fold_seeds: int = 5,
    preset: str | None = None,
    out: str | Path | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    start_from: str | Path | None = None,
    transfer: str | None = None,
    layer_decay: float | None = None,
    head_first: float | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    device: str = "auto",
    decoder: str = "pyav",
    flow: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> CrossValidation:
    """Cross-validate a preset (by rule when None) and the single-frame model on DATA; writes `folds.json` into the run.

    Folds are assigned by the seeds 0 to fold_seeds - 1; `folds` "splits" takes the official splits of the data instead,
    UCF-101's and HMDB-51's three. Every fold of the preset goes on from `start_from`, as in `train`; the single-frame
    model does not. Where `out` holds an unfinished run of the same arguments and data, the folds that
    are done are kept; a finished one is returned as it is. Raises UsageError and its kinds before any work.
    """
    asked = arguments_of(locals(), but=("out", "device", "workers", "use_cache", "narrator"))
    narrator, wishes = narrator or Silent(), Wishes.of(asked)
    _refuse_counts(folds, fold_seeds, max_bad)
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    weights, held = starting_point(start_from, preset)
    refuse_transfer(held, wishes)
    source = {"kind": kind, "root": root, "group_by": group_by, "edits": edits}
    manifest, official = load_official(data, **source) if folds == SPLITS else (load_data(data, **source), None)
    manifest = _for_folds(manifest)
    choice = Choice(held, "") if held else choose_preset(manifest, name=preset, device=place)
    refuse_without_vectors(manifest, choice.preset.clip, workers=processes, kind=kind, root=root)
    folder = Path(out) if out else default_folder(f"{Path(data).stem}-folds")
    defaults = {name: value for name, value in defaults_of(cross_validate).items() if name != "folds"}
    before = resume_run(folder, asked, manifest, defaults=defaults)
    if before and before.finished:
        narrator.say(f"{folder} is finished already; nothing is left to do")
        return read_folds(folder)
    fresh = not folder.exists()
    clips = len(official[0][0][0]) if official else len(manifest) * (int(folds) - 1) // int(folds)
    lessons = {}
    for contender in _contenders(choice.preset):
        own = contender is choice.preset
        lessons[contender] = make_lesson(
            contender,
            manifest,
            wishes if own else replace(wishes, transfer=None, layer_decay=None, head_first=None),
            clips=clips,
            start_from=weights if own else None,
            device=place,
            workers=processes,
            decoder=reader,
            flow=flow if own else None,
            room=room_when_begun(out) if own else None,
            use_cache=use_cache,
        )
    lesson = lessons[choice.preset]
    tell_stored(lesson.spec.flow, [sample.path for sample in manifest.samples], narrator)
    assignments = official or _assigned(manifest, int(folds), fold_seeds, workers=processes, narrator=narrator)
    details = {
        "preset": choice.preset.name,
        "batch_size": lesson.batch_size,
        "command": command_line("train", {**asked, "out": str(folder)}, defaults),
        **({"flow": str(lesson.spec.flow)} if lesson.spec.fed_flow else {}),
    }
    with begin_run(folder, asked, manifest, details, defaults=defaults) as run:
        rounds = f"{len(official)} official splits" if official else f"{folds} folds x {counted(fold_seeds, 'seed')}"
        narrator.say(f"{manifest.source}: {manifest.kind}, {counted(len(manifest), 'clip')}, {rounds}")
        narrator.say(f"preset: {choice.preset.name}" + (f" ({choice.why})" if choice.why else "") + f"; run: {folder}")
        if lesson.transfer:
            narrator.say(told(lesson.transfer, lesson.recipe))
        with named_on_interrupt(run), cleared_unless(run, KEPT_FOLDS, fresh=fresh):
            return _cross_validated(
                run,
                lessons,
                manifest,
                assignments,
                official=bool(official),
                max_bad=max_bad,
                seed=seed,
                notes=_shown_before(manifest, weights, narrator),
                narrator=narrator,
            )


def _cross_validated(
    run: Run,
    lessons: Mapping[Preset, Lesson],
    manifest: Manifest,
    assignments: Sequence[Sequence[Fold]],
    *,
    official: bool,
    max_bad: int,
    seed: int,
    notes: Sequence[str],
    narrator: Narrator,
) -> CrossValidation:
    """Teach every lesson in every fold, and publish what the models say of the clips of the others."""
    quarantine, begun = Quarantine(total=len(manifest), limit=max_bad), perf_counter()
    answers, stamps, notes = {}, {}, list(notes)
    for preset, lesson in lessons.items():
        kept = run.folder / KEPT_FOLDS / preset.name
        answers[preset.name], noted = out_of_fold(lesson, preset, manifest, assignments, quarantine, kept, narrator)
        notes += noted
        stamps[preset.name] = spec_stamp(lesson.spec, preset.name, views="1x1", decoder=lesson.decoder)
    tell_left_out(narrator, quarantine.reasons)
    minutes = (perf_counter() - begun) / 60
    result = summarize_folds(
        answers,
        manifest,
        assignments,
        quarantine,
        stamps,
        run=run,
        official=official,
        seed=seed,
        minutes=minutes,
        notes=notes,
    )
    publish_folds(run, result, manifest, next(iter(lessons.values())).spec)
    return result


def _refuse_counts(folds: int | str, fold_seeds: int, max_bad: int) -> None:
    check_range("--folds", None if folds == SPLITS else int(folds), 2, 1000)
    check_range("--fold-seeds", fold_seeds, 1, 1000)
    check_range("--max-bad", max_bad, 0, 10**9)


def _shown_before(manifest: Manifest, weights: Path | None, narrator: Narrator) -> list[str]:
    """A note where the weights that every fold starts from have learned from clips that folds ask about."""
    shown = count_shown(manifest.samples, learned_by(weights).clips) if weights else 0
    if not shown:
        return []
    note = (
        f"{weights} was trained on {shown} of the {counted(len(manifest), 'clip')}, so that models that start from it "
        "have seen clips that they are asked about; these figures are too good"
    )
    narrator.say(f"warning: {note}")
    return [note]


def _assigned(manifest: Manifest, folds: int, fold_seeds: int, *, workers: int, narrator: Narrator) -> list[list[Fold]]:
    """Grouped folds by each of the seeds."""
    duplicates = duplicates_of(manifest, workers=workers, narrator=narrator)
    return [grouped_folds(manifest, folds=folds, seed=s, near_duplicate_groups=duplicates) for s in range(fold_seeds)]


def _for_folds(manifest: Manifest) -> Manifest:
    """The data as folds take them: one class a clip; declared splits are set aside."""
    manifest = replace(manifest, samples=tuple(replace(sample, split=None) for sample in manifest.samples))
    refuse_hopeless(manifest)
    if len(manifest.heads) > 1 or manifest.multi_label:
        raise UsageError(
            "--folds takes data with one class a clip; train without it for several heads or classes a clip"
        )
    return manifest


def _contenders(preset: Preset) -> list[Preset]:
    """The preset, and the single-frame model beside it where its weights are installed."""
    others = [SINGLE_FRAME] if imagenet_is_installed() and preset.name != SINGLE_FRAME else []
    return [preset, *map(find_preset, others)]
