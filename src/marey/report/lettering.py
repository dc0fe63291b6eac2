"""Text as pictures in any script: rendered once, then blended into frames."""

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

PLAIN = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")  # comes with matplotlib: always there


@lru_cache(maxsize=256)
def _glyphs(font: str) -> frozenset[int]:
    """The code points that a font file has."""
    try:
        return frozenset(FT2Font(font).get_charmap())
    except RuntimeError:  # a damaged font, or one without a character map
        return frozenset()


@lru_cache(maxsize=256)
def font_for(text: str) -> str:
    """The font file that has the most of the characters: the plain one if it has all, else one of the system's."""
    wanted = {ord(c) for c in text if not c.isspace()}
    best, most = str(PLAIN), len(wanted & _glyphs(str(PLAIN)))
    if most < len(wanted):
        for font in sorted(entry.fname for entry in fontManager.ttflist if entry.style == "normal"):
            if (has := len(wanted & _glyphs(font))) > most:
                best, most = font, has
    return best


@lru_cache(maxsize=512)
def lettering(text: str, size_px: int) -> np.ndarray:
    """Coverage of one line of text, float32 (h, w) in 0..1; h is the same for every text of a size and font."""
    font = ImageFont.truetype(font_for(text), size_px)
    ascent, descent = font.getmetrics()
    picture = Image.new("L", (max(1, round(font.getlength(text)) + 2), ascent + descent))
    ImageDraw.Draw(picture).text((1, 0), text, font=font, fill=255)
    return np.asarray(picture, np.float32) / 255


def fit(text: str, size_px: int, width_px: int) -> str:
    """The text, or its beginning with an ellipsis, no wider than `width_px`."""
    if lettering(text, size_px).shape[1] <= width_px:
        return text
    for length in range(len(text) - 1, 0, -1):
        cut = text[:length].rstrip() + "…"
        if ImageFont.truetype(font_for(cut), size_px).getlength(cut) + 2 <= width_px:
            return cut
    return "…"


def blend(frame: np.ndarray, cover: np.ndarray, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Paint `colour` over uint8 frame (h, w, 3) in place, at (x, y), as far as `cover` (h, w) in 0..1 says.

    What lies outside the frame is cut off.
    """
    x, y = at
    top, left = max(0, -y), max(0, -x)
    part = frame[max(0, y) : max(0, y + cover.shape[0]), max(0, x) : max(0, x + cover.shape[1])]
    cover = cover[top : top + part.shape[0], left : left + part.shape[1], None]
    part[:] = np.rint(part + (np.array(colour, np.float32) - part) * cover).astype(np.uint8)
