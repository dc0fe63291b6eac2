from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from marey.nn import Nystrom, Orthoformer, TrajectoryAttention
from marey.nn.transformer import split_heads

BLOCKS: dict[str, Callable[[bool], TrajectoryAttention]] = {
    "exact": lambda paper: TrajectoryAttention(12, heads=3, project_values=paper),
    "orthoformer": lambda paper: TrajectoryAttention(12, heads=3, project_values=paper, landmarks=Orthoformer(3)),
    "nystrom": lambda paper: TrajectoryAttention(12, heads=3, project_values=paper, landmarks=Nystrom(3)),
}


def randomized(block: TrajectoryAttention) -> TrajectoryAttention:
    for p in block.parameters():
        nn.init.normal_(p, std=0.5)
    return block.double()


def reference(block: TrajectoryAttention, x: Tensor, frames: int) -> Tensor:
    """The paper's equations for the tokens (n + 1, d) of one clip, a token, a frame and a head at a time."""
    d, e = x.shape[1], x.shape[1] // block.heads
    q, k, v = block.qkv(x).split(d, dim=1)
    s = (len(x) - 1) // frames
    heads = [slice(i * e, (i + 1) * e) for i in range(block.heads)]
    first = torch.cat([((k[:, h] @ q[0, h]) / e**0.5).softmax(0) @ v[:, h] for h in heads])
    places = [slice(1 + t * s, 1 + (t + 1) * s) for t in range(frames)]
    rows = [first]
    for n in range(1, len(x)):
        paths = torch.stack(
            [torch.cat([((k[p, h] @ q[n, h]) / e**0.5).softmax(0) @ v[p, h] for h in heads]) for p in places]
        )
        q2 = block.proj_q(paths[(n - 1) // s])
        k2, v2 = block.proj_kv(paths).split(d, dim=1)
        values = v2 if block.project_values else paths
        rows.append(torch.cat([((k2[:, h] @ q2[h]) / e**0.5).softmax(0) @ values[:, h] for h in heads]))
    return block.proj(torch.stack(rows))


@pytest.mark.parametrize("paper", [False, True])
def test_it_is_the_equations_of_the_paper(paper: bool) -> None:
    block, x = randomized(TrajectoryAttention(12, heads=3, project_values=paper)), torch.randn(2, 13, 12).double()
    want = torch.stack([reference(block, one, 4) for one in x])
    torch.testing.assert_close(block(x, 4), want)
    with torch.no_grad():
        torch.testing.assert_close(block(x, 4), want)


@pytest.mark.parametrize("paper", [False, True])
def test_gradients_are_those_of_the_equations(paper: bool) -> None:
    block = randomized(TrajectoryAttention(12, heads=3, project_values=paper))
    x, weights = torch.randn(1, 7, 12).double().requires_grad_(), torch.randn(7, 12).double()
    wanted = [x, *block.parameters()]
    lean = torch.autograd.grad((block(x, 2)[0] * weights).sum(), wanted, allow_unused=True)
    plain = torch.autograd.grad((reference(block, x[0], 2) * weights).sum(), wanted, allow_unused=True)
    for ours, theirs in zip(lean, plain, strict=True):
        assert theirs is not None
        torch.testing.assert_close(torch.zeros_like(theirs) if ours is None else ours, theirs)


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_counted_is_what_is_computed(name: str, paper: bool) -> None:
    """`_as_written` is what runs where costs are counted."""
    block, x = randomized(BLOCKS[name](paper)), torch.randn(2, 13, 12).double()
    q, k, v = (y[:, :, 1:].unflatten(2, (3, 4)) for y in split_heads(block.qkv(x), 3))
    if block.landmarks is not None:
        k, v = block.landmarks(q.flatten(2, 3), k, v)
    torch.testing.assert_close(block.proj(block._as_written(q, k, v)), block(x, 3)[:, 1:])


def test_of_one_frame_the_second_step_changes_nothing() -> None:
    block, x = randomized(TrajectoryAttention(12, heads=3)), torch.randn(1, 6, 12).double()
    before = block(x, 1)
    nn.init.normal_(block.proj_q.weight, std=3.0)
    nn.init.normal_(block.proj_kv.weight, std=3.0)
    torch.testing.assert_close(block(x, 1), before)


def test_equal_frames_are_a_trajectory_that_stands_still() -> None:
    block, frame = randomized(TrajectoryAttention(12, heads=3)), torch.randn(1, 5, 12).double()
    first = torch.randn(1, 1, 12).double()
    one = block(torch.cat([first, frame], 1), 1)
    four = block(torch.cat([first, frame.repeat(1, 4, 1)], 1), 4)
    torch.testing.assert_close(four[:, 1:6], one[:, 1:])


class Largest(TorchDispatchMode):
    """The most values of any tensor that an operation makes."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.numel = max(self.numel, *(x.numel() for x in tree_leaves(out) if isinstance(x, Tensor)), 0)
        return out


@pytest.mark.parametrize("learns", [False, True])
def test_no_tensor_is_as_large_as_a_fifth_of_the_attention(learns: bool) -> None:
    frames, s = 8, 49
    block, x = TrajectoryAttention(24, heads=6), torch.randn(1, 1 + frames * s, 24, requires_grad=learns)
    with Largest() as largest, torch.set_grad_enabled(learns):
        out = block(x, frames)
        if learns:
            out.sum().backward()
    assert largest.numel < 6 * (frames * s) ** 2 / 5


def test_clips_of_a_batch_do_not_meet() -> None:
    block, x = randomized(TrajectoryAttention(12, heads=3)), torch.randn(3, 9, 12).double()
    torch.testing.assert_close(block(x, 2), torch.cat([block(one, 2) for one in x.split(1)]))


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="there are 8 tokens besides the class token; 3 frames must divide them"):
        TrajectoryAttention(12, heads=3)(torch.randn(1, 9, 12), 3)
    with pytest.raises(ValueError, match="attention has 12 features and 5 heads; the features must divide"):
        TrajectoryAttention(12, heads=5)
    with pytest.raises(ValueError, match="Nystrom has 5 landmarks for 4 tokens; give it 1 at least and 4 at most"):
        TrajectoryAttention(12, heads=3, landmarks=Nystrom(5))(torch.randn(1, 9, 12), 2)
