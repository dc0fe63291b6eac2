"""Many, medium and few; weights of like length."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import UsageError
from marey.tasks.long_tail import SHOTS, TAUS, parse_shots, shot_classes, tau_normalized


def test_the_bounds_are_those_of_the_paper() -> None:
    counts = {"a": 101, "b": 100, "c": 20, "d": 19, "e": 0}
    assert shot_classes(counts, ["d", "c", "a", "b", "e"]) == {
        "a": "many (over 100)",
        "b": "medium (20 to 100)",
        "c": "medium (20 to 100)",
        "d": "few (under 20)",
        "e": "few (under 20)",
    }
    assert list(shot_classes(counts, ["d", "c", "a"])) == ["a", "c", "d"]  # many first
    assert shot_classes({"a": 9}, ["a"], (3, 8)) == {"a": "many (over 8)"}
    assert SHOTS == (20, 100)
    assert list(TAUS) == pytest.approx(torch.linspace(0, 2, 21).tolist())


@pytest.mark.parametrize("bounds", ["20", "20,", "a,b", "5,3", "0,3", "-1,3", "1.5,2", ""])
def test_bounds_that_make_no_sense(bounds: str) -> None:
    with pytest.raises(UsageError, match=r"--shots is .*; write the fewest and the most training clips of medium-shot"):
        parse_shots(bounds)


def test_bounds_as_written() -> None:
    assert parse_shots("20,100") == (20, 100) and parse_shots("3,3") == (3, 3)


@given(st.floats(0, 2), st.integers(1, 3))
def test_lengths_after_tau(tau: float, layers: int) -> None:
    weights = [torch.randn(4, 6) for _ in range(layers)]
    before = torch.cat(weights, 1).norm(dim=1)
    after = torch.cat(tau_normalized(weights, tau), 1).norm(dim=1)
    torch.testing.assert_close(after, before ** (1 - tau))


def test_tau_0_leaves_weights_and_tau_1_makes_all_as_long() -> None:
    weight = torch.randn(4, 6) * torch.tensor([[10.0], [1.0], [0.1], [0.0]])
    (same,), (unit,) = tau_normalized([weight], 0.0), tau_normalized([weight], 1.0)
    torch.testing.assert_close(same, weight)
    torch.testing.assert_close(unit.norm(dim=1), torch.tensor([1.0, 1.0, 1.0, 0.0]))
