import itertools
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.nn import NonLocal, non_local_means

SIZES = {"line": (9,), "image": (5, 6), "clip": (3, 4, 5)}


def reference(x: np.ndarray, *, h: float, patch: int, window: int | None, weights: str) -> np.ndarray:
    """Pixel by pixel, of one (c, ...)."""
    sizes, out = x.shape[1:], np.zeros_like(x)
    places = list(itertools.product(*map(range, sizes)))

    def around(p: tuple[int, ...]) -> np.ndarray:
        for_axis = [
            [min(max(i + d, 0), n - 1) for d in range(-(patch // 2), patch // 2 + 1)]
            for i, n in zip(p, sizes, strict=True)
        ]
        return x[np.ix_(range(len(x)), *for_axis)].reshape(len(x), -1)

    for p in places:
        total = 0.0
        for q in places:
            if window is not None and any(abs(i - j) > window // 2 for i, j in zip(p, q, strict=True)):
                continue
            a, b = around(p), around(q)
            if weights == "mean":
                a, b = a.mean(1), b.mean(1)
            weight = math.exp(-np.sum((a - b) ** 2) / (1 if weights == "mean" else patch ** len(sizes)) / h**2)
            out[(slice(None), *p)] += weight * x[(slice(None), *q)]
            total += weight
        out[(slice(None), *p)] /= total
    return out


@pytest.mark.parametrize("weights", ["patch", "mean"])
@pytest.mark.parametrize("window", [None, 3, 5])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_pixel_by_pixel(sizes: tuple[int, ...], window: int | None, weights: str) -> None:
    x = torch.randn(2, 3, *sizes, dtype=torch.float64)
    got = non_local_means(x, h=0.7, patch=3, window=window, weights=weights)
    for one, filtered in zip(x, got, strict=True):
        expected = reference(one.numpy(), h=0.7, patch=3, window=window, weights=weights)
        np.testing.assert_allclose(filtered, expected, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    patch=st.sampled_from([1, 3, 5]),
    weights=st.sampled_from(["patch", "mean"]),
    h=st.floats(0.05, 3),
)
def test_a_window_over_everything_is_exact(sizes: list[int], patch: int, weights: str, h: float) -> None:
    x = torch.randn(1, 2, *sizes, dtype=torch.float64)
    everywhere = tuple(2 * n + 1 for n in sizes)
    windowed = non_local_means(x, h=h, patch=patch, window=everywhere, weights=weights)
    torch.testing.assert_close(windowed, non_local_means(x, h=h, patch=patch, weights=weights), atol=1e-8, rtol=1e-8)
    assert windowed.amin() >= x.amin() - 1e-9 and windowed.amax() <= x.amax() + 1e-9


def test_more_pixels_than_are_held_at_a_time() -> None:
    x = torch.rand(1, 1, 40, 41)
    windowed = non_local_means(x, h=0.2, patch=(3, 1), window=(79, 81))
    torch.testing.assert_close(non_local_means(x, h=0.2, patch=(3, 1)), windowed, atol=1e-5, rtol=0)


def test_small_h_keeps_the_image_and_large_h_takes_its_mean() -> None:
    x = torch.rand(1, 3, 6, 7, dtype=torch.float64)
    torch.testing.assert_close(non_local_means(x, h=1e-4), x)
    torch.testing.assert_close(non_local_means(x, h=1e4), x.mean((2, 3), keepdim=True).expand_as(x))
    assert torch.equal(non_local_means(x, h=0.1, window=1), x)


def test_a_clip_borrows_from_its_other_frames() -> None:
    """The same picture in every frame with other noise: the more frames, the less noise is left."""
    picture = torch.kron(torch.rand(1, 1, 1, 3, 3), torch.ones(1, 1, 1, 4, 4))
    noisy = picture + 0.1 * torch.randn(1, 1, 6, 12, 12)
    left = [
        (non_local_means(noisy[:, :, :n], h=0.1, patch=(1, 3, 3))[:, :, 0] - picture[:, :, 0]).square().mean().item()
        for n in (1, 6)
    ]
    assert left[1] < 0.8 * left[0] < 0.8 * 0.01


def test_the_two_weights_differ_where_patches_share_a_mean() -> None:
    """Inside a fine chequerboard, 3 x 3 means are all near a half: only patches tell its black from its white."""
    board = (torch.arange(12)[:, None] + torch.arange(12)).remainder(2).double()[None, None]
    by_patch, by_mean = (non_local_means(board, h=0.3, weights=weights) for weights in ("patch", "mean"))
    inner = (..., slice(1, -1), slice(1, -1))
    assert (by_patch - board)[inner].abs().max() < 0.01
    assert (by_mean - board)[inner].abs().min() > 0.4


def test_the_exact_filter_is_softmax_attention() -> None:
    """exp(-|a - b|^2 / h^2) is exp(2 a.b / h^2) exp(-|b|^2 / h^2), times what a query has in common for all keys."""
    x, h = torch.rand(1, 3, 5, 4, dtype=torch.float64), 0.4
    values = x[0].flatten(1).T
    logits = (2 * values @ values.T - values.square().sum(1)) / h**2
    attended = (logits.softmax(1) @ values).T.reshape(x.shape)
    torch.testing.assert_close(non_local_means(x, h=h, patch=1, weights="mean"), attended)
    torch.testing.assert_close(non_local_means(x, h=h, patch=1, weights="patch"), attended)


def test_the_non_local_block_is_this_filter_with_learned_words() -> None:
    """Vectors of length 1, g and W the identity: the block's Gaussian affinity adds the filtered image to the image."""
    x = torch.nn.functional.normalize(torch.randn(2, 4, 6, 5), dim=1)
    block = NonLocal(4, inner=4, dims=2, affinity="gaussian", pool=False, scaled=False).eval()
    with torch.no_grad():
        for conv in (block.g, block.out):
            torch.nn.init.dirac_(conv.weight)
            torch.nn.init.zeros_(conv.bias)
        torch.nn.init.constant_(block.norm.weight, math.sqrt(1 + block.norm.eps))
        filtered = block(x) - x
    # |a - b|^2 = 2 - 2 a.b, so that the logits are a.b where h^2 is 2, but for what all keys have in common.
    torch.testing.assert_close(non_local_means(x, h=math.sqrt(2), patch=1), filtered, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"h": 0}, "h is 0; the distance at which a weight is 1/e is more than 0"),
        ({"h": math.nan}, "h is nan; the distance at which a weight is 1/e is more than 0"),
        ({"h": 1, "patch": 4}, "patch is 4; it is an odd number, or one for each of the 2 axes"),
        ({"h": 1, "patch": (3, 3, 3)}, "patch is (3, 3, 3); it is an odd number, or one for each of the 2 axes"),
        ({"h": 1, "window": 0}, "window is 0; it is an odd number, or one for each of the 2 axes"),
        ({"h": 1, "weights": "median"}, "weights is 'median'; non-local means knows patch and mean"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        non_local_means(torch.zeros(1, 1, 4, 4), **arguments)  # pyright: ignore[reportArgumentType]


def test_too_few_axes_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("x has 2 axes (4, 4); non-local means takes 3 to 5")):
        non_local_means(torch.zeros(4, 4), h=1.0)
