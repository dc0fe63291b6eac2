"""Which ways a network can go on, in what they are unlike, and whether the clips can tell them apart."""

from collections.abc import Sequence
from math import comb
from pathlib import Path

from ..data import Manifest, drawn_together
from ..errors import UsageError
from ..metrics import too_few_to_tell
from ..presets import Preset
from ..report import counted
from ..tasks import Recognition
from ..video import ClipSpec
from .choose import TRANSFERS
from .clips_of_run import count_shown
from .learned import learned_by
from .transfer import prepare_transfer, started

ORIGINAL = "original"
WAYS = (ORIGINAL, *TRANSFERS)


def named_ways(ways: Sequence[str]) -> tuple[str, ...]:
    """The ways that are named, or all, in the order of WAYS; UsageError for others and for a single one."""
    other = next((way for way in ways if way not in WAYS), None)
    if other is not None:
        raise UsageError(f"--ways has {other!r}; it can have {', '.join(WAYS[:-1])} and {WAYS[-1]}")
    if len(set(ways)) == 1:
        raise UsageError(f"--ways names {ways[0]} alone, which is nothing to compare; name another beside it")
    return tuple(way for way in WAYS if way in ways or not ways)


def possible_ways(
    named: Sequence[str],
    preset: Preset,
    checkpoint: Path,
    manifest: Manifest,
    *,
    given: bool,
    flow: str | Path | None,
) -> tuple[tuple[str, ...], list[str]]:
    """(the ways that the network can take, a sentence for each that it cannot and on how it begins).

    given  whether they were asked for by name: then one that cannot be is a UsageError
    """
    if len(manifest.heads) > 1 or manifest.multi_label:
        raise UsageError("transfer takes data with one class a clip; for several, train runs and evaluate each")
    if preset.frozen:
        raise UsageError(
            f"preset {preset.name} keeps its encoder as it is, so that its ways are all the same; name with --from a "
            "network that learned as a whole"
        )
    variant, fed, model, fresh = started(preset, Recognition.of(manifest), checkpoint)
    notes = _unlike(preset, variant, fed, flow, checkpoint) if ORIGINAL in named else []
    if "lora" in named:
        try:
            prepare_transfer(preset, model, fed, how="lora", fresh=fresh)
        except UsageError as error:
            if given:
                raise
            notes.append(f"lora is left out: {str(error).partition(';')[0]}.")
            named = [way for way in named if way != "lora"]
    return tuple(named), notes


def _unlike(preset: Preset, variant: str | None, fed: ClipSpec, flow: str | Path | None, checkpoint: Path) -> list[str]:
    """In what the original begins otherwise than from scratch, or than the others; UsageError for other flow."""
    if fed.fed_flow and flow is None and fed.flow != preset.clip.flow:
        raise UsageError(
            f"{checkpoint} was trained on flow by {fed.flow}, and original would be on flow by {preset.clip.flow}; "
            "say with --flow which all ways are to have"
        )
    found = []
    if preset.pretrained is not None:
        found.append(f"original is not from scratch: {preset.name} begins with weights that it brings.")
    if variant is not None:
        found.append(f"original is {preset.name} itself, and what the others start from is its variant {variant}.")
    return found


def cautions(manifest: Manifest, ways: int, checkpoint: Path, start_from: str | Path) -> list[str]:
    """Sentences on test clips that the network has seen already, and on so few that nothing can be told of them."""
    tested, found = manifest.part("test") or manifest.part("val"), []
    shown = count_shown(tested, learned_by(checkpoint).clips)
    if shown:
        found.append(
            f"{start_from} was trained on {shown} of the {counted(len(tested), 'clip')} that the ways are tested on, "
            "so that all but original are told too good."
        )
    groups = drawn_together(tested)
    units = len(set(groups)) if groups else len(tested)
    if too_few_to_tell(units, comb(ways, 2)):
        found.append(
            f"No difference between {ways} ways can be beyond chance on test clips of "
            f"{counted(units, 'group' if groups else 'clip')}: test on more, or read the table as a hint."
        )
    return found
