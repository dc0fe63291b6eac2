"""Copies of videos that have motion vectors: H.264 of one size, with keyframes close by, each made once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..data import Quarantine, write_manifest
from ..errors import UsageError, VideoError
from ..video import prepare_video
from .flow import places
from .narrate import Narrator, Silent, progress_of
from .predict import refuse_file
from .prepare import check_range, videos_of

MANIFEST = "manifest.parquet"


@dataclass(frozen=True)
class PreparedFile:
    """One video and its copy; `made` is "encoded", "copied" (it was fit already) or "kept" (it was there already)."""

    video: str
    file: str
    made: str
    width: int
    height: int
    fps: float
    megabytes: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def prepare_videos(
    videos: str | Path | Sequence[str | Path],
    *,
    out: str | Path = "prepared",
    short_px: int = 256,
    fps: float | None = None,
    gop_s: float = 1.0,
    b_frames: bool = True,
    crf: int = 20,
    kind: str | None = None,
    root: str | Path | None = None,
    max_bad: int = 3,
    narrator: Narrator | None = None,
) -> tuple[list[PreparedFile], dict[str, str]]:
    """Prepared copies of the videos that could be read, and path -> reason of the others.

    videos  files, folders or globs, or one annotation file (`kind` and `root` as for training), of which a copy that
            names the prepared videos is written too: MANIFEST in `out`
    out     folder; below it, copies lie as the videos do below the folder that they have in common

    The other arguments are those of `marey.video.prepare_video`. What was made of the same bytes in the same way is
    kept.
    """
    narrator = narrator or Silent()
    for flag, value, least, most in (
        ("--short-side", short_px, 16, 8192),
        ("--fps", fps, 0.1, 1000),
        ("--gop", gop_s, 0.01, 3600),
        ("--crf", crf, 0, 51),
    ):
        check_range(flag, value, least, most)
    refuse_file(Path(out))
    paths, manifest = videos_of(videos, kind=kind, root=root)
    targets = dict(zip(paths, _copies(paths, Path(out)), strict=True))
    same = next((path for path, file in targets.items() if file.absolute() == Path(path).absolute()), None)
    if same is not None:
        raise UsageError(f"--out is {out}, where {same} itself lies; name another folder")
    quarantine, made = Quarantine(total=len(paths), limit=max_bad), {}
    for path, file in targets.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        tell = progress_of(narrator, f"prepare {Path(path).name}")
        try:
            done = prepare_video(
                path, file, short_px=short_px, fps=fps, gop_s=gop_s, b_frames=b_frames, crf=crf, progress=tell
            )
        except VideoError as error:
            quarantine.add(error)
            narrator.say(f"left out: {error}")
            continue
        size = (done.width, done.height, float(done.fps), done.bytes / 1e6)
        made[path] = PreparedFile(path, str(file), done.made, *size)
    if manifest is not None and made:
        kept = tuple(replace(s, path=str(targets[s.path].absolute())) for s in manifest.samples if s.path in made)
        (Path(out) / MANIFEST).unlink(missing_ok=True)
        write_manifest(replace(manifest, samples=kept), Path(out) / MANIFEST, "parquet")
    return list(made.values()), quarantine.reasons


def _copies(paths: Sequence[str], out: Path) -> list[Path]:
    """A file each, named after the video's stem, and after all of its name where another has the same stem."""
    named = places(paths, out, ".mp4")
    stems = [file.with_name(Path(file.stem).stem + ".mp4") for file in named]
    seen = Counter(stems)
    return [stem if seen[stem] == 1 else file for stem, file in zip(stems, named, strict=True)]
