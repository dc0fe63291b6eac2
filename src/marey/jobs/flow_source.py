"""What `--flow` asks for: a method, or a folder with the flow of videos; and whether a model may be fed that."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from ..errors import UsageError, VideoError
from ..models import spynet_flow
from ..presets import load_spynet
from ..report import counted
from ..training import file_hash
from ..video import (
    FLOW_METHODS,
    FLOW_SPEEDS,
    SPYNET,
    ClipSpec,
    FlowHeader,
    FlowSource,
    Speed,
    flow_file_of,
    flow_header,
    probe,
    refuse_absent,
)
from .narrate import Narrator, progress_of

WAYS = f"dis, {', '.join(f'dis:{speed}' for speed in FLOW_SPEEDS)}, {', '.join(FLOW_METHODS[1:])}, {SPYNET}:FILE"


def with_flow(spec: ClipSpec, asked: str | Path | None, *, who: str) -> ClipSpec:
    """The specification of a network, `who`, with the flow that was asked for; without a wish, its own made ready.

    asked  a method as `--flow` takes it, or a folder that `marey flow` wrote
    """
    if asked is None:
        return replace(spec, flow=ready(spec.flow)) if spec.fed_flow else spec
    if not spec.fed_flow:
        raise UsageError(
            f"--flow is for networks that are fed optical flow, and {who} is fed {spec.modality}; drop it, or take a "
            "preset such as two_stream_flow_stage"
        )
    return replace(spec, flow=_source(str(asked), spec))


def with_same_flow(spec: ClipSpec, asked: str | Path | None, *, who: str) -> ClipSpec:
    """`with_flow` for a network that was trained: UsageError where that flow is another than it learned from."""
    found, taught = with_flow(spec, asked, who=who), spec.flow
    if asked is not None and not found.flow.files:  # a method says nothing of sizes
        found = replace(found, flow=replace(found.flow, short_px=taught.short_px, resample=taught.resample))
    if found.flow != taught:
        raise UsageError(
            f"{who} was trained on flow by {taught}, and --flow {asked} is flow by {found.flow}; drop --flow, and flow "
            "is computed as the model learned it"
        )
    return found


def ready(source: FlowSource) -> FlowSource:
    """The source with what computes it; UsageError where that is not there."""
    refuse_absent(source.method)
    if source.method != SPYNET or source.network is not None:
        return source
    weights = Path(source.weights or "")
    if not weights.is_file() or file_hash(weights) != source.weights_hash:
        raise UsageError(
            f"flow by {source} needs the weights {weights}, which are not there or have changed; put them there, or "
            f"name them with --flow {SPYNET}:FILE"
        )
    return replace(source, network=partial(spynet_flow, load_spynet(weights)))


def spynet_source(weights: str | Path) -> FlowSource:
    """Flow by a converted SPyNet; CheckpointError for a file that holds none."""
    file = Path(weights).absolute()
    if not file.is_file():
        raise UsageError(
            f"the weights {weights} do not exist; `marey weights convert` makes them of a release of SPyNet"
        )
    source = FlowSource(SPYNET, None, weights_hash=file_hash(file), weights=str(file))
    return ready(source)


def tell_stored(source: FlowSource, paths: Iterable[str], narrator: Narrator) -> None:
    """Say how many videos have no stored flow, so that theirs is computed; UsageError where none has, or it cannot be
    computed."""
    if not source.files:
        return
    once, tell = list(dict.fromkeys(paths)), progress_of(narrator, "look for stored flow")
    stored, absent = [], []
    for number, path in enumerate(once, 1):
        tell(number, len(once))
        with suppress(VideoError):  # whoever reads it says so
            (stored if flow_file_of(probe(path), source) else absent).append(path)
    some = counted(len(stored) + len(absent), "video")
    if absent and not stored:
        raise UsageError(
            f"--flow holds the flow of none of {some}, as they are now: an undamaged file counts for a video of the "
            "same bytes, whose frame rate is constant; `marey flow` makes them"
        )
    if absent:
        ready(source)
        narrator.say(
            f"{len(absent)} of {some} have no stored flow of the bytes that they have now, or a damaged file of it, or "
            f"no constant frame rate (first {absent[0]}): theirs is computed by {source} as they are read"
        )


def _source(asked: str, spec: ClipSpec) -> FlowSource:
    method, _, rest = asked.partition(":")
    if method == "dis" and rest in ("", *FLOW_SPEEDS):
        return FlowSource("dis", cast(Speed, rest or "fast"))
    if asked in FLOW_METHODS:
        refuse_absent(asked)
        return FlowSource(asked, None)
    if method == SPYNET and rest:
        return spynet_source(rest)
    if not Path(asked).is_dir():
        raise UsageError(f"--flow is {asked!r}, which is no folder and no method; methods are {WAYS}")
    return _stored(Path(asked), spec)


def _stored(folder: Path, spec: ClipSpec) -> FlowSource:
    """The one way in which all flow of a folder was made, and its files."""
    headers = dict(_headers(folder))
    if not headers:
        raise UsageError(f"{folder} holds no flow; `marey flow DATA --out {folder}` writes it there")
    ways = {header.way: path for path, header in headers.items()}
    if len(ways) > 1:
        (one, first), (other, second), *_ = ways.items()
        raise UsageError(
            f"{folder} holds flow by {one} ({first}) and by {other} ({second}), and a network learns from one; "
            "name a folder of one: `marey flow` with another --out, and with --preset NAME or --short-side PX where "
            "videos differ in size, makes one"
        )
    way = next(iter(ways))
    if (way.short_px, way.resample) == (spec.short_px, spec.resample) and not spec.squash:
        way = replace(way, short_px=None)  # between the very frames that are fed
    with suppress(UsageError):  # what computed it is needed for videos alone that have none: see `tell_stored`
        way = ready(way)
    return replace(way, files={header.source_hash: str(path) for path, header in headers.items()})


def _headers(folder: Path) -> Iterable[tuple[Path, FlowHeader]]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        with suppress(VideoError):  # other files
            if path.is_file() and not hidden:
                yield path, flow_header(path)
