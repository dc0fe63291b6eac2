import numpy as np
import pytest

from marey.report.flow_picture import (
    ARROW,
    CORNERS,
    RIM,
    Corner,
    calmest_corner,
    draw_arrows,
    flow_colours,
    flow_legend,
    flow_picture,
)
from marey.report.lettering import lettering

WHITE = [255, 255, 255]


def one(right: float, down: float, **how: float) -> list[int]:
    return flow_colours(np.full((1, 1, 2), (right, down), np.float32), **how)[0, 0].tolist()


def test_directions_have_the_colours_of_the_field() -> None:
    """Entries of the wheel of 55 hues: to the right the first one, and so on clockwise."""
    assert one(1, 0) == [255, 0, 0]
    assert one(0, 1) == [255, 234, 0]  # 13.75 of 55 on the way of 15 from red to yellow
    left, up = one(-1, 0), one(0, -1)
    assert left[0] == 0 and left[2] == 255 and 0 < left[1] < 255  # from cyan to blue
    assert up[1] == 0 and up[2] == 255 and 0 < up[0] < 255  # from blue to magenta
    assert one(1, -1e-4)[0] == 255 and sum(one(1, -1e-4)) < 258  # it closes


def test_speed_is_saturation() -> None:
    assert one(0, 0) == WHITE and one(0, 0, most_px=4.0) == WHITE
    assert one(2, 0, most_px=4.0) == [255, 128, 128]
    assert one(4, 0, most_px=4.0) == [255, 0, 0]
    assert one(5, 0, most_px=4.0) == [191, 0, 0]  # faster than the legend


def test_without_a_scale_the_fastest_has_full_colour() -> None:
    field = np.zeros((2, 2, 2), np.float32)
    field[0, 1, 0] = 3
    field[1, 1, 0] = 1.5
    assert flow_colours(field).tolist() == [[WHITE, [255, 0, 0]], [WHITE, [255, 128, 128]]]


def test_unknown_flow_is_black() -> None:
    field = np.ones((2, 2, 2), np.float32)
    field[0, 0, 1] = np.nan
    assert (flow_colours(field)[0, 0] == 0).all() and flow_colours(field)[1, 1].any()
    assert not draw_arrows(np.zeros((2, 2, 3), np.uint8), field, every_px=2).any()


@pytest.mark.parametrize("most_px", [0.0, -1.0, float("nan")])
def test_scales_that_are_refused(most_px: float) -> None:
    with pytest.raises(ValueError, match=r"most_px is .*; it must be positive"):
        flow_colours(np.zeros((2, 2, 2), np.float32), most_px=most_px)


def test_the_legend_has_the_colours_of_the_picture() -> None:
    legend = flow_legend(400, 5.0)
    radius = (400 - lettering("5 px", 50).shape[0]) / 2
    assert (legend[0, 0] == 255).all() and (legend[int(radius), 200] > 250).all()
    for right, down in ((0.6, 0), (0, 0.6), (-0.6, 0), (0, -0.6), (0.4, 0.4)):
        at = legend[int(radius + down * radius), int(200 + right * radius)].astype(int)
        assert np.abs(at - one(5 * right, 5 * down, most_px=5.0)).max() < 12
    assert (legend[-40:] < 100).any() and (flow_legend(400, 2.0)[-40:] != legend[-40:]).any()


def test_arrows_point_where_things_go() -> None:
    field = np.zeros((32, 48, 2), np.float32)
    field[:, :16, 0], field[:, 16:32, 1] = 8, 8
    drawn = draw_arrows(np.full((32, 48, 3), 255, np.uint8), field, every_px=16)
    dark = drawn.min(-1) < 128
    for part, (x, y) in ((dark[:16, :20], (11.5, 7.5)), (dark[:24, 18:30], (5.5, 11.5))):
        rows, columns = np.nonzero(part)
        assert abs(columns.mean() - x) < 2.5 and abs(rows.mean() - y) < 2.5
    assert np.ptp(np.nonzero(dark[:16, :20])[1]) >= 7 > np.ptp(np.nonzero(dark[:16, :20])[0])
    assert not dark[:, 33:].any()
    longer = draw_arrows(np.full((32, 48, 3), 255, np.uint8), field, every_px=16, scale=2)
    assert (longer.min(-1) < 128).sum() > dark.sum()


def test_the_given_picture_stays_as_it_is() -> None:
    picture = np.full((32, 32, 3), 255, np.uint8)
    draw_arrows(picture, np.full((32, 32, 2), 9, np.float32))
    assert (picture == 255).all()
    with pytest.raises(ValueError, match=r"picture is \(32, 32\) and flow \(16, 32\); they must be of one shape"):
        draw_arrows(picture, np.zeros((16, 32, 2), np.float32))


def test_the_whole_picture() -> None:
    field = np.zeros((160, 200, 2), np.float32)
    field[40:80, 40:80] = (4, 0)
    alone = flow_picture(field)
    assert alone.shape == (160, 200, 3) and alone[60, 60].tolist() == [255, 0, 0]
    assert (alone[-64:, -64:] == flow_legend(64, 4.0)).all()
    frame = np.full((160, 200, 3), 7, np.uint8)
    both = flow_picture(field, beside=frame)
    assert both.shape == (160, 400, 3) and (both[:, 200:] == alone).all() and (both[:, :200] == frame).all()
    assert flow_picture(np.zeros((20, 20, 2), np.float32)).min() == 255  # still, and too small for a legend


def test_a_larger_frame_has_the_flow_of_its_smaller_version() -> None:
    field = np.zeros((40, 50, 2), np.float32)
    field[:20, :25] = (4, 0)
    arrows = draw_arrows(np.zeros((160, 200, 3), np.uint8), field, every_px=20, colour=ARROW, edge=RIM)
    picture = flow_picture(field, beside=arrows, legend_px=40)
    assert picture.shape == (160, 400, 3)
    assert picture[79, 299].tolist() == [255, 0, 0] and picture[81, 250].tolist() == WHITE
    assert (picture[-40:, -40:] == flow_legend(40, 4.0)).all()
    bright = picture[:, :200].max(-1) > 128
    assert bright[:80, :120].any() and not bright[80:].any() and not bright[:, 120:].any()
    rows, columns = np.nonzero(bright[:20, :30])  # an arrow of 4 pixels of the flow, 16 of the frame, in a square of 20
    assert np.ptp(columns) == pytest.approx(16, abs=2) and rows.mean() == pytest.approx(9.5, abs=1)


def test_the_rim_of_an_arrow_is_seen_on_its_own_colour() -> None:
    ground = np.full((32, 32, 3), (255, 214, 10), np.uint8)
    field = np.full((32, 32, 2), 9, np.float32)
    plain, rimmed = (draw_arrows(ground, field, colour=(255, 214, 10), edge=edge) for edge in (None, (0, 0, 0)))
    assert (plain == ground).all() and (rimmed != ground).any()


@pytest.mark.parametrize("corner", CORNERS)
def test_the_legend_goes_where_it_hides_least(corner: Corner) -> None:
    upper, left = CORNERS[corner]
    rows, columns = (slice(0, 40) if first else slice(-40, None) for first in (upper, left))
    field = np.ones((120, 240, 2), np.float32)
    field[rows, columns] = 0.1
    assert calmest_corner(field) == corner
    picture = flow_picture(field, legend_px=40, legend_at=corner)
    assert (picture[rows, columns] == flow_legend(40, float(np.hypot(1, 1)))).all()
    assert calmest_corner(np.zeros((30, 60, 2), np.float32)) == "lower right"
