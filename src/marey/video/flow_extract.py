"""The flow of a whole video into a file, in pieces, so that an interrupted run loses seconds of work.

Pieces are flow files of their own; they are joined without being coded again.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from ..errors import VideoError
from .container import Source, open_container
from .flow import stream_of
from .flow_file import HEADER, SECONDS, FlowHeader, field_times, flow_header, member, whole_header
from .flow_hash import ROOM, seal, seal_video, source_hash
from .flow_source import DIS_FAST, FlowSource
from .flow_writer import BASE, FlowWriter, check_place
from .probe import probe
from .transform import short_side

_PIECE_S = 20.0  # of work after which what is done is safe


class Extracted(NamedTuple):
    """A flow file of a video: what it says of itself, how many fields were computed for it now, and how many it has
    (None where it was there already)."""

    header: FlowHeader
    computed: int
    fields: int | None


def extract_flow(
    path: Source,
    out: str | PathLike[str],
    source: FlowSource = DIS_FAST,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Extracted:
    """Compute the flow of a whole video into a file, .mkv or .npz, in bounded memory: see `flow_stream`.

    source    how, and at which size; its files do not count
    progress  is told how many fields are done, and how many there are as far as the video's header says

    A file that is there already, undamaged, of the same bytes and computed in the same way, is left as it is; any
    other flow file is replaced. What a killed run has done, but for the last 20 seconds of it, is kept beside the file,
    in a hidden folder, and not computed again.
    """
    out, info, short_px = Path(out), probe(path), source.short_px
    width, height = (info.width, info.height) if short_px is None else short_side(info.width, info.height, short_px)
    check_place(out)
    way = replace(source, short_px=min(width, height))
    wanted = FlowHeader(Path(info.path).name, source_hash(path), way, width, height)
    if (there := _header_of(out)) and _same(there, wanted):
        return Extracted(there, 0, None)
    folder = out.with_name(f".{out.name}.parts")
    pieces, done, last_s = _kept(folder, out.suffix, wanted)
    total = max(1, (info.frame_count or round(info.duration_s * info.fps)) - 1)
    folder.mkdir(exist_ok=True)
    computed = 0
    stream = stream_of(path, source, threads=threads, start_s=max(0.0, last_s))
    try:
        with closing(stream):
            news = ((second, flow) for second, flow in stream if second > last_s + float(BASE) / 2)
            for computed, piece in _pieces(news, folder, len(pieces), wanted, out.suffix):
                if piece:
                    pieces.append(piece)
                elif progress:
                    progress(min(done + computed, total), total)
        _join(pieces, out)
    except BaseException:
        if not pieces:
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    return Extracted(flow_header(out), computed, done + computed)


def _pieces(
    fields: Iterator[tuple[float, np.ndarray]], folder: Path, first: int, header: FlowHeader, suffix: str
) -> Iterator[tuple[int, Path | None]]:
    """Write fields to numbered files; after each field how many there are, and the file that is now complete."""
    count = 0
    for number, start in enumerate(fields, first):
        path, until = folder / f"{number:06}{suffix}", monotonic() + _PIECE_S
        with FlowWriter(path, header) as writer:
            for second, flow in chain([start], fields):
                writer.write(second, flow)
                count += 1
                yield count, None
                if monotonic() >= until:
                    break
        yield count, path


def _join(pieces: list[Path], out: Path) -> None:
    """One file of the pieces, whose fields are moved as they are coded."""
    if len(pieces) == 1:
        pieces[0].replace(out)
        return
    part = out.with_name(f".{out.name}.part")
    try:
        (_join_compact if out.suffix == ".mkv" else _join_exact)(pieces, part)
        part.replace(out)
    except (FFmpegError, OSError) as error:
        raise VideoError(out, f"cannot be written ({error.strerror})") from None
    finally:
        part.unlink(missing_ok=True)


def _join_compact(pieces: list[Path], part: Path) -> None:
    first_s = flow_header(pieces[0]).start_s
    with av.open(f"file:{part}", "w", format="matroska", options={"fflags": "+bitexact"}) as joined:
        stream = None
        for piece in pieces:
            later = round((flow_header(piece).start_s - first_s) / BASE)
            with open_container(piece) as held:
                if stream is None:
                    stream = joined.add_stream_from_template(held.streams.video[0])
                    joined.metadata["comment"] = held.metadata["COMMENT"]
                for packet in held.demux(video=0):
                    if packet.pts is not None:  # the last one is empty
                        packet.pts, packet.dts, packet.stream = packet.pts + later, packet.pts + later, stream
                        joined.mux(packet)
    seal_video(part)


def _join_exact(pieces: list[Path], part: Path) -> None:
    seconds: list[float] = []
    with zipfile.ZipFile(part, "w") as joined:
        for piece in pieces:
            times = field_times(piece)
            with zipfile.ZipFile(piece) as held:
                for k in range(len(times)):
                    with joined.open(member(len(seconds) + k), "w", force_zip64=True) as file:
                        file.write(held.read(member(k)))
            seconds += times
        with joined.open(SECONDS, "w") as file:
            np.lib.format.write_array(file, np.array(seconds))
        with zipfile.ZipFile(pieces[0]) as held:
            joined.writestr(HEADER, held.read(HEADER))
        joined.comment = ROOM
    seal(part)


def _same(header: FlowHeader, wanted: FlowHeader) -> bool:
    return replace(header, source=wanted.source, start_s=wanted.start_s) == wanted


def _header_of(path: Path) -> FlowHeader | None:
    """The header of a flow file, None where there is none that is whole."""
    try:
        return whole_header(path)
    except VideoError:
        return None


def _kept(folder: Path, suffix: str, wanted: FlowHeader) -> tuple[list[Path], int, float]:
    """Pieces of an interrupted run, how many fields they have, and the time of the last one; -1 without any."""
    pieces = sorted(folder.glob(f"[0-9]*{suffix}"))
    if not pieces or not all((header := _header_of(each)) and _same(header, wanted) for each in pieces):
        shutil.rmtree(folder, ignore_errors=True)
        return [], 0, -1.0
    times = [second for each in pieces for second in field_times(each)]
    return pieces, len(times), times[-1]
