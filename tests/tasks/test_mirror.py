"""Mirrored clips: left and right change places, and what has no partner is left alone."""

import torch

from marey.tasks import mirror_columns, sided_pairs


def test_names_that_differ_in_left_and_right_are_partners() -> None:
    pairs = sided_pairs(["turn left", "Turn_Right", "walk", "left hook"])
    assert pairs == {"turn left": "Turn_Right", "Turn_Right": "turn left"}


def test_partners_swap_columns_and_the_lonely_veto() -> None:
    labels = ["turn left", "turn right", "walk", "left hook", "in", "out"]
    may_flip, becomes = mirror_columns(labels, {"in": "out", "out": "in"})
    assert becomes.tolist() == [1, 0, 2, 3, 5, 4]
    assert may_flip(torch.eye(6)).tolist() == [True, True, True, False, True, True]
