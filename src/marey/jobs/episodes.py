"""How well encoders learn a new task from few examples: trained runs and pretrained presets, on the same episodes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Manifest, Quarantine, Sample, grouped_folds
from ..errors import DataError, UsageError
from ..presets import shared_space
from ..report import counted
from ..training import pick_device
from ..video import DecoderName
from .clip_features import Encoder, encode_middle, open_encoder, vectors_of
from .episode_rows import FewShotRow, clip_groups, few_shot_rows, true_classes, zero_shot_row
from .label_need import LabelNeed, label_need
from .learn import one_thread
from .learned import joined, tell_shown
from .narrate import Narrator, Silent, tell_left_out, timed
from .prepare import ClassEdits, check_range, load_data, pick_decoder, pick_workers
from .zero_shot import PROMPT, check_prompt, similarity_to_names, tell_readers

FOLDS = 4  # of what is needed to reach a score


@dataclass(frozen=True)
class FewShot:
    """Rows encoder by encoder, and what each needs to reach the target, where one was asked for.

    classes   that the episodes were drawn from; `held_out` says that no encoder is known to have learned them
    """

    rows: tuple[FewShotRow, ...]
    needs: dict[str, LabelNeed]
    classes: tuple[str, ...]
    held_out: bool
    protocol: dict[str, Any]
    quarantined: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def few_shot(
    encoders: str | Path | Sequence[str | Path],
    data: str | Path,
    *,
    ways: int = 5,
    shots: str = "1,5",
    queries: int = 15,
    episodes: int = 600,
    classes: Sequence[str] = (),
    prompt: str | None = None,
    target: float | None = None,
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
) -> FewShot:
    """N-way K-shot episodes on what encoders make of clips that they do not learn from.

    encoders  run folders, .safetensors files, or presets that start from pretrained or fixed weights (`hf:` too)
    ways, shots, queries  classes of an episode; numbers of clips a class to learn from, such as "1,5"; clips a class
              to be asked about, at most
    classes   to draw from; none are those that no run was trained on, or all where there are fewer than `ways`
    prompt    what is said of a class to encoders that read text (CLIP, SigLIP and X-CLIP with their tokenizers), its
              name for {}, PROMPT by default; they get a row of 0 shots
    target    accuracy in 0..1: also say how many labelled clips and steps a linear head needs to reach it

    All encoders see the same episodes. No group is on both sides of one. Raises UsageError or DataError for data with
    several heads or classes a clip, for too few classes, clips or groups, and for a preset without weights.
    """
    narrator = narrator or Silent()
    wanted = _checked(ways, shots, queries, episodes, target, max_bad)
    check_prompt(prompt)
    processes, place, reader = pick_workers(workers), pick_device(device), pick_decoder(decoder)
    named = [encoders] if isinstance(encoders, str | Path) else list(encoders)
    manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    head = one_head(manifest)
    opened = [open_encoder(str(name), device=device, decoder=decoder) for name in dict.fromkeys(named)]
    spaces = [shared_space(one.name, device=place) for one in opened]
    tell_readers(opened, spaces, prompt, narrator)
    chosen, held_out = _classes(manifest.heads[head], opened, classes, ways, narrator)
    samples = [s for s in manifest.samples if len(s.labels.get(head, ())) == 1 and s.labels[head][0] in chosen]
    _refuse_few(samples, head, chosen, max(wanted), manifest.source)
    kept, encoded, quarantined = _encoded(
        opened,
        samples,
        max_bad=max_bad,
        use_cache=use_cache,
        device=place,
        decoder=reader,
        workers=processes,
        narrator=narrator,
    )
    read = Manifest(tuple(samples[i] for i in kept), {head: chosen}, False, manifest.source, manifest.kind)
    _refuse_few(read.samples, head, chosen, max(wanted), manifest.source)
    asked = {"ways": ways, "queries": queries, "episodes": episodes, "seed": seed}
    rows, needs = [], {}
    for one, space, of_kept in zip(opened, spaces, encoded, strict=True):
        vectors = vectors_of(one, of_kept, place)
        with timed(narrator, f"episodes of {one.name}"), one_thread():
            if space and space.reads:
                similarity = similarity_to_names(space, of_kept, chosen, prompt or PROMPT)
                rows.append(zero_shot_row(one.name, similarity, read, min(wanted), asked))
            rows += few_shot_rows(one.name, vectors, read, wanted, asked)
            if target is not None:
                needs[one.name] = label_need(vectors, true_classes(read), _folds(read, seed), target=target, seed=seed)
    groups = len(set(clip_groups(read).tolist()))
    said = {"prompt": prompt or PROMPT} if any(row.shots == 0 for row in rows) else {}
    protocol = {**asked, **said, "clips": len(read), "groups": groups, "source": manifest.source}
    return FewShot(tuple(rows), needs, chosen, held_out, protocol, quarantined)


def _encoded(
    encoders: Sequence[Encoder],
    samples: Sequence[Sample],
    *,
    max_bad: int,
    use_cache: bool,
    device: torch.device,
    decoder: DecoderName,
    workers: int,
    narrator: Narrator,
) -> tuple[list[int], list[Tensor], dict[str, str]]:
    """(places of the samples that all encoders could read, what each makes of those, why others could not be read)."""
    quarantine, found = Quarantine(total=len(samples), limit=max_bad), list[tuple[list[int], Tensor]]()
    for one in encoders:
        tell_shown(samples, one.learned, narrator, who=one.name)
        found.append(
            encode_middle(
                one.model,
                samples,
                one.spec,
                quarantine,
                device=device,
                decoder=decoder,
                workers=workers,
                narrator=narrator,
                use_cache=use_cache,
                what=f"encode by {one.name}",
            )
        )
    tell_left_out(narrator, quarantine.reasons)
    kept = sorted(set.intersection(*(set(places) for places, _ in found)))
    of_kept = [of_all[[places.index(index) for index in kept]] for places, of_all in found]
    return kept, of_kept, dict(quarantine.reasons)


def parse_shot_counts(shots: str) -> list[int]:
    """ "1,5" -> [1, 5], in rising order."""
    parts = shots.split(",")
    if not all(part.strip().isdecimal() and 1 <= int(part) <= 1000 for part in parts):
        raise UsageError(f"--shots is {shots!r}; write numbers of clips a class from 1 to 1000, as in 1,5")
    return sorted({int(part) for part in parts})


def _checked(ways: int, shots: str, queries: int, episodes: int, target: float | None, max_bad: int) -> list[int]:
    check_range("--ways", ways, 2, 1000)
    check_range("--queries", queries, 1, 1000)
    check_range("--episodes", episodes, 2, 100_000)
    check_range("--max-bad", max_bad, 0, 10**9)
    if target is not None and not 0 < target < 1:
        raise UsageError(f"--target is {target:g}; give an accuracy above 0 and below 1, such as 0.8")
    return parse_shot_counts(shots)


def one_head(manifest: Manifest) -> str:
    """The one head whose classes episodes are drawn from; UsageError where clips have several classes."""
    if manifest.multi_label:
        raise UsageError(
            f"the clips of {manifest.source} may have several classes, and an episode needs one each; "
            "name data with one class a clip"
        )
    if len(manifest.heads) > 1:
        raise UsageError(
            f"{manifest.source} has the heads {' and '.join(manifest.heads)}, and episodes are of one; "
            "name data with one class a clip"
        )
    return next(iter(manifest.heads))


def _classes(
    labels: Sequence[str], encoders: Sequence[Encoder], asked: Sequence[str], ways: int, narrator: Narrator
) -> tuple[tuple[str, ...], bool]:
    """(the classes to draw from, whether no encoder is known to have learned any of them)."""
    if absent := [label for label in asked if label not in labels]:
        raise UsageError(
            f"--classes names {absent[0]!r}, which is no class of the data; they are {', '.join(labels[:5])}"
            f"{', ...' * (len(labels) > 5)}"
        )
    known = joined([encoder.learned for encoder in encoders]).classes
    new = [label for label in labels if label not in known]
    chosen = tuple(dict.fromkeys(asked)) or tuple(new if len(new) >= ways else labels)
    if len(chosen) < ways:
        what = f"{counted(len(chosen), 'class')} to draw from, and an episode has {ways}"
        raise UsageError(f"there are {what}; give --ways {len(chosen)} or less, or data of more classes")
    held_out = not known & set(chosen)
    if not held_out:
        narrator.say(
            f"warning: {len(known & set(chosen))} of the {len(chosen)} classes are ones that a run was trained on, "
            "so this is no new task to it; name others with --classes"
        )
    for encoder in encoders:
        if not encoder.learned.whole:
            narrator.say(f"not all that {encoder.name} was trained on is known, so that this may be no new task to it")
    return chosen, held_out


def _refuse_few(samples: Sequence[Sample], head: str, classes: Sequence[str], shots: int, source: str) -> None:
    """DataError where a class has fewer clips, or groups, than episodes with so many shots need."""
    clips = Counter(sample.labels[head][0] for sample in samples)
    groups = {
        label: len({s.group or index for index, s in enumerate(samples) if s.labels[head][0] == label})
        for label in classes
    }
    for label in classes:
        if clips[label] < shots + 1:
            raise DataError(
                f"{source}: class {label!r} has {counted(clips[label], 'clip')}, and {counted(shots, 'shot')} need "
                f"{shots + 1}; add clips, leave it out with --leave-out, or ask for fewer --shots"
            )
        if groups[label] < 2:
            raise DataError(
                f"{source}: all clips of class {label!r} are of one group, which cannot be on both sides of an "
                "episode; add clips of another, or leave it out with --leave-out"
            )


def _folds(read: Manifest, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """FOLDS grouped folds, or as many as the class of the fewest groups has."""
    ((head, labels),) = read.heads.items()
    fewest = min(
        len({s.group or index for index, s in enumerate(read.samples) if s.labels[head][0] == label})
        for label in labels
    )
    folds = grouped_folds(read, folds=min(FOLDS, fewest), seed=seed)
    return [(np.asarray(learn), np.asarray(ask)) for learn, ask in folds]
