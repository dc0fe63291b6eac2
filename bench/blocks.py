"""What the lean forms of blocks save: processor time and memory against the plain form, both measured in this run.

    python bench/blocks.py [SECTION ...] [--repeats 5] [--threads 1]

trajectory  one block of trajectory attention at 16 x 224 x 224 (8 frames of 196 tokens, 768 features, 12 heads) against
            the same weights with the whole attention held at once: forward alone, where the goals are a fifth of the
            memory, twice the speed and a difference of 1e-5, then forward and backward
landmarks   attention through 128 landmarks for clips of 16 to 128 frames: how time and memory grow. Trajectories stay
            as many as tokens times frames, so with them landmarks only take away the square in the tokens of a frame
octave      ResNet-50 at alpha .5 against the plain one at batches of 8 and 1: see octave.py; take --threads 2 or more,
            as on one thread torch computes small convolutions another way

Times, but those of octave, are of the process, not of the clock on the wall, so a busy machine does not spoil them;
the two sides take turns and the least of all repeats counts. Memory is the peak of what the allocator hands out above
what was there before (weights and input), the output included. Only the ratios carry over to another machine.
"""

import argparse
import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import torch
from octave import report
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from marey.nn import Nystrom, Orthoformer, SelfAttention, TrajectoryAttention
from marey.nn.transformer import merge_heads, split_heads

DIM, HEADS, SIDE = 768, 12, 14  # ViT-B on 224 px: 14 x 14 patches of 16 px, 2 frames deep
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # of <malloc.h>
WANTED_MEMORY, WANTED_SPEED, WANTED_ERROR = 5.0, 2.0, 1e-5


def plain_trajectory(block: TrajectoryAttention, x: Tensor, frames: int) -> Tensor:
    """Trajectory attention as written, the n x n attention of every head in memory."""
    q, k, v = split_heads(block.qkv(x), block.heads)
    scale = q.shape[-1] ** -0.5
    first = merge_heads((q[:, :, :1] * scale @ k.transpose(2, 3)).softmax(-1) @ v)
    q, k, v = (y[:, :, 1:] for y in (q, k, v))
    attention = (q * scale @ k.transpose(2, 3)).unflatten(3, (frames, -1)).softmax(-1)  # b m n t s
    paths = attention.transpose(2, 3) @ v.unflatten(2, (frames, -1))  # b m t n e
    del attention
    paths = paths.permute(0, 3, 2, 1, 4).flatten(3)  # b n t c
    own = paths.unflatten(1, (frames, -1)).diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).flatten(1, 2)
    heads = (block.heads, -1)
    q2, (k2, v2) = block.proj_q(own).unflatten(2, heads), block.proj_kv(paths).chunk(2, -1)
    values = (v2 if block.project_values else paths).unflatten(3, heads)
    weights = (q2.unsqueeze(3) * scale @ k2.unflatten(3, heads).permute(0, 1, 3, 4, 2)).softmax(-1)  # b n m 1 t
    out = (weights @ values.transpose(2, 3)).flatten(2)
    return block.proj(torch.cat([first, out], 1))


def trajectory(repeats: int) -> None:
    frames = 8
    for project_values, values in ((False, "values as released, v' = y"), (True, "values as in the paper, W_v y")):
        block = TrajectoryAttention(DIM, heads=HEADS, project_values=project_values)
        for weight in block.parameters():
            nn.init.normal_(weight, std=0.05)  # fresh weights are so small that no difference would show
        x = torch.randn(1, 1 + frames * SIDE * SIDE, DIM)
        forms = {"plain": partial(plain_trajectory, block, x, frames), "lean": partial(block, x, frames)}
        with torch.inference_mode():
            plain, lean = (form() for form in forms.values())
        error = ((plain - lean).abs().max() / plain.std()).item()
        print(
            f"\ntrajectory attention, {values}: largest difference {error:.1e} of the outputs' standard deviation",
            end="",
        )
        print(verdict(error <= WANTED_ERROR))
        with torch.inference_mode():
            compare("forward", forms, repeats, goals=True)
        x.requires_grad_()
        compare("forward, backward", {name: learning(block, form) for name, form in forms.items()}, repeats)


def learning(block: nn.Module, form: Callable[[], Tensor]) -> Callable[[], None]:
    """Forward and backward; the gradients of the weights are there already, and are added to."""

    def step() -> None:
        form().square().mean().backward()

    step()
    return step


def compare(what: str, forms: dict[str, Callable[[], object]], repeats: int, *, goals: bool = False) -> None:
    seconds = dict.fromkeys(forms, float("inf"))
    for _ in range(repeats):
        for name, form in forms.items():
            seconds[name] = min(seconds[name], processor_s(form))
    memory = {name: peak_mb(form) for name, form in forms.items()}
    faster, smaller = seconds["plain"] / seconds["lean"], memory["plain"] / memory["lean"]
    print(f"  {what:<18} {seconds['plain']:6.2f} s ->{seconds['lean']:6.2f} s, {faster:4.1f}x faster", end="")
    print(
        f"{verdict(not goals or faster >= WANTED_SPEED)};{memory['plain']:7.0f} MB ->{memory['lean']:5.0f} MB", end=""
    )
    print(f", {smaller:4.1f}x less{verdict(not goals or smaller >= WANTED_MEMORY)}")


def landmarks(repeats: int) -> None:
    keep_pages()
    lengths = (16, 32, 64, 128)
    blocks: dict[str, nn.Module] = {
        "joint, exact": SelfAttention(DIM, heads=HEADS),
        "joint, Orthoformer": SelfAttention(DIM, heads=HEADS, landmarks=Orthoformer()),
        "joint, Nystrom": SelfAttention(DIM, heads=HEADS, landmarks=Nystrom()),
        "trajectory, Orthoformer": TrajectoryAttention(DIM, heads=HEADS, landmarks=Orthoformer()),
    }
    print(f"\nattention over clips of {lengths[0]} frames, then times as much for " + ", ".join(map(str, lengths[1:])))
    for name, block in blocks.items():
        seconds, memory = [], []
        for length in lengths:
            frames = length // 2
            run = partial(block, torch.randn(1, 1 + frames * SIDE * SIDE, DIM), frames)
            with torch.inference_mode():
                run()
                seconds.append(min(processor_s(run) for _ in range(max(repeats // 2, 1))))
                memory.append(peak_mb(run))
        print(f"  {name:<24}{seconds[0]:5.2f} s {growth(seconds)}   {memory[0]:5.0f} MB {growth(memory)}", flush=True)


def growth(values: list[float]) -> str:
    return " ".join(f"x{value / values[0]:5.1f}" for value in values[1:])


def verdict(good: bool) -> str:
    return "" if good else " (SHORT OF THE GOAL)"


def keep_pages() -> None:
    """Ask the C library not to hand big buffers back at once: else their pages, mapped anew for every result above
    some 32 MB, would make long clips look slower than they are."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def processor_s(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def peak_mb(run: Callable[[], object]) -> float:
    """The most memory that was handed out at once during `run`, above what was at its start."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run()
    held = most = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most / 1e6


def octave(repeats: int) -> None:
    keep_pages()
    report(2 * repeats)


SECTIONS: dict[str, Callable[[int], None]] = {"trajectory": trajectory, "landmarks": landmarks, "octave": octave}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all unless given")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if unknown := [name for name in options.sections if name not in SECTIONS]:
        parser.error(f"no section is called {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for name in options.sections or SECTIONS:
        SECTIONS[name](options.repeats)


if __name__ == "__main__":
    main()
