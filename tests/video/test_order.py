"""Clips in another order of frames."""

import pytest
import torch

from marey.video import FRAME_ORDERS, reorder


def clip(channels: int, frames: int = 6) -> torch.Tensor:
    """(1, t, 2, 2, c), every frame of one byte: 10, 20, ..."""
    return (10 * torch.arange(1, frames + 1)).byte()[None, :, None, None, None].expand(1, frames, 2, 2, channels)


def test_frames_stand_still_turn_round_or_are_mixed() -> None:
    rgb = clip(3)
    values = {order: reorder(rgb, order)[0, :, 0, 0, 0].tolist() for order in FRAME_ORDERS}
    assert values["as filmed"] == [10, 20, 30, 40, 50, 60]
    assert values["frozen"] == [40] * 6
    assert values["reversed"] == [60, 50, 40, 30, 20, 10]
    assert sorted(values["shuffled"]) == values["as filmed"] != values["shuffled"]
    assert values["shuffled"] != values["reversed"]


def test_motion_turns_round_and_stops() -> None:
    both = torch.cat([clip(3), clip(2)], -1)
    back, frozen = reorder(both, "reversed", "rgb+flow"), reorder(both, "frozen", "rgb+flow")
    assert back[0, :, 0, 0, 0].tolist() == [60, 50, 40, 30, 20, 10]
    assert back[0, :, 0, 0, 3].tolist() == [196, 206, 216, 226, 236, 246]  # 128 stays 128, 60 becomes 196
    assert frozen[0, :, 0, 0, 0].tolist() == [40] * 6
    assert (frozen[..., 3:] == 128).all()
    residual = reorder(torch.cat([clip(2), clip(3)], -1), "reversed", "vectors+residual")
    assert residual[0, :, 0, 0, 4].tolist() == [60, 50, 40, 30, 20, 10]  # what is left over has no direction


def test_twice_reversed_is_as_filmed_where_no_byte_is_at_the_end_of_its_range() -> None:
    flow = clip(2)
    assert torch.equal(reorder(reorder(flow, "reversed", "flow"), "reversed", "flow"), flow)


def test_sound_has_no_frames() -> None:
    with pytest.raises(ValueError, match="sound has no frames"):
        reorder(clip(1, 1), "reversed", "sound")
    assert torch.equal(reorder(clip(1, 1), "as filmed", "sound"), clip(1, 1))
