"""Samples to batches of uint8 clips, deterministic per epoch; what cannot be read is set aside, named and counted."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import DataError, VideoError, counted
from ..video import ClipSpec, DecoderName
from .manifest import Sample
from .reading import canvas_frames, cut, read_canvas, read_grid, read_views, square

Progress = Callable[[int, int], None]
Shot = tuple[int, np.ndarray | VideoError]


@dataclass
class Quarantine:
    """Videos that could not be read. Beyond the larger of `limit` files and 1 % of all, the run refuses."""

    total: int
    limit: int = 3
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, error: VideoError) -> None:
        self.reasons[error.path] = error.reason
        allowed = max(self.limit, self.total // 100)
        if len(self.reasons) > allowed:
            some = "; ".join(f"{path}: {reason}" for path, reason in list(self.reasons.items())[:3])
            raise DataError(
                f"{len(self.reasons)} of {counted(self.total, 'video')} cannot be read, more than the {allowed} "
                f"allowed ({some}); repair or remove them (`marey validate` lists all), or raise --max-bad"
            )


def keep_good(shots: Iterator[Shot], quarantine: Quarantine) -> Iterator[tuple[int, np.ndarray]]:
    """The shots that were read; the others go to the quarantine."""
    for index, shot in shots:
        if isinstance(shot, VideoError):
            quarantine.add(shot)
        else:
            yield index, shot


class _Shots(Dataset[Shot]):
    """One read a request, in whichever process asks."""

    def __init__(self, samples: Sequence[Sample], read: Callable[[int, Sample], np.ndarray]) -> None:
        self.samples, self.read = samples, read

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Shot:
        try:
            return index, self.read(index, self.samples[index])
        except VideoError as error:
            return index, error


def _as_is(shots: list[Shot]) -> list[Shot]:
    return shots


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)  # workers decode; threads of their own would only fight


def shots_in_order(
    samples: Sequence[Sample], order: Sequence[int], read: Callable[[int, Sample], np.ndarray], *, workers: int
) -> Iterator[Shot]:
    """(index, frames or the error) for every index of `order`, read ahead by worker processes."""
    shots = _Shots(samples, read)
    if workers == 0:
        yield from (shots[index] for index in order)
        return
    loader = DataLoader(
        shots, batch_size=1, sampler=list(order), num_workers=workers, collate_fn=_as_is, worker_init_fn=_one_thread
    )
    for (shot,) in loader:
        yield shot


class ReadViews:
    """`read_views` with its arguments bound; picklable, so that workers can carry it."""

    def __init__(self, *, spec: ClipSpec, views: int, crop_count: int, decoder: DecoderName = "pyav") -> None:
        self.spec, self.views, self.crop_count = spec, views, crop_count
        self.decoder: DecoderName = decoder

    def __call__(self, index: int, sample: Sample) -> np.ndarray:
        return read_views(sample, self.spec, views=self.views, crop_count=self.crop_count, decoder=self.decoder)


class ReadCanvas:
    """A square training canvas placed in time and along the long side by (seed, epoch, index) alone."""

    def __init__(
        self, *, spec: ClipSpec, seed: int, epoch: int, store: "FrameStore | None" = None, decoder: DecoderName = "pyav"
    ) -> None:
        self.spec, self.seed, self.epoch, self.store = spec, seed, epoch, store
        self.decoder: DecoderName = decoder

    def __call__(self, index: int, sample: Sample) -> np.ndarray:
        in_time, in_space = np.random.default_rng((self.seed, self.epoch, index)).random(2)
        if self.store is not None:
            grid = self.store.grids[index]
            return square(grid, in_space)[cut(len(grid), canvas_frames(self.spec), in_time)]
        canvas = read_canvas(sample, self.spec, offset=in_time, decoder=self.decoder)
        return np.ascontiguousarray(square(canvas, in_space))


class FrameStore:
    """All frames of a small data set, decoded once and held in memory on their sampling grid."""

    def __init__(self, *, samples: Sequence[Sample], spec: ClipSpec, decoder: DecoderName = "pyav") -> None:
        self.samples, self.spec = samples, spec
        self.decoder: DecoderName = decoder
        self.grids: dict[int, np.ndarray] = {}

    @property
    def bytes(self) -> int:
        return sum(grid.nbytes for grid in self.grids.values())

    def fill(
        self, quarantine: Quarantine, *, budget_bytes: int, workers: int, progress: Progress | None = None
    ) -> bool:
        """Decode everything; False (and nothing is kept) as soon as it is plain that it exceeds `budget_bytes`."""
        shots = _Shots(self.samples, lambda _, sample: read_grid(sample, self.spec, decoder=self.decoder))
        with ThreadPoolExecutor(max(1, workers)) as pool:  # decoders release the interpreter while they work
            pending = (pool.map(shots.__getitem__, range(a, min(a + 64, len(shots)))) for a in range(0, len(shots), 64))
            done = 0
            for index, grid in keep_good((shot for some in pending for shot in some), quarantine):
                self.grids[index] = grid
                done = index + 1
                if self.bytes / done * len(shots) > budget_bytes and (done >= 16 or self.bytes > budget_bytes):
                    self.grids.clear()
                    return False
                if progress:
                    progress(done, len(shots))
        return True


@dataclass(frozen=True)
class TrainingBatches:
    """Batches of one epoch of training canvases: `batches(epoch)` yields {"video", "index"}.

    order   epoch -> indices into samples
    store   frames in memory; None decodes in `workers` processes
    """

    samples: Sequence[Sample]
    spec: ClipSpec
    batch_size: int
    order: Callable[[int], Sequence[int]]
    quarantine: Quarantine
    seed: int = 0
    workers: int = 0
    store: FrameStore | None = None
    decoder: DecoderName = "pyav"

    def __call__(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        read = ReadCanvas(spec=self.spec, seed=self.seed, epoch=epoch, store=self.store, decoder=self.decoder)
        held = self.order(epoch) if self.store is None else [i for i in self.order(epoch) if i in self.store.grids]
        shots = shots_in_order(self.samples, held, read, workers=0 if self.store is not None else self.workers)
        yield from stack_batches(keep_good(shots, self.quarantine), self.batch_size)


def stack_batches(shots: Iterator[tuple[int, np.ndarray]], batch_size: int) -> Iterator[dict[str, Tensor]]:
    """{"video": uint8 (b, ...), "index": int64 (b,)}; smaller at the end, and where the shape of the frames changes."""
    held: list[tuple[int, np.ndarray]] = []
    for shot in shots:
        if held and held[0][1].shape != shot[1].shape:
            yield _stack(held)
            held = []
        held.append(shot)
        if len(held) == batch_size:
            yield _stack(held)
            held = []
    if held:
        yield _stack(held)


def _stack(held: list[tuple[int, np.ndarray]]) -> dict[str, Tensor]:
    frames = torch.from_numpy(np.stack([frames for _, frames in held]))
    return {"video": frames, "index": torch.tensor([index for index, _ in held])}


def view_batches(
    samples: Sequence[Sample],
    spec: ClipSpec,
    quarantine: Quarantine,
    *,
    views: int,
    crop_count: int,
    clips_per_batch: int,
    workers: int,
    decoder: DecoderName = "pyav",
) -> Iterator[dict[str, Tensor]]:
    """Batches of test clips in the order of the samples: {"video": uint8 (b, v, t, h, w, 3), "index": (b,)}."""
    read = ReadViews(spec=spec, views=views, crop_count=crop_count, decoder=decoder)
    shots = shots_in_order(samples, range(len(samples)), read, workers=workers)
    yield from stack_batches(keep_good(shots, quarantine), max(1, clips_per_batch // (views * crop_count)))
