"""Tables of the small films with their sides, for tests of jobs."""

from pathlib import Path


def table(films: Path, place: Path, *, sides: dict[str, str], val: bool = True) -> Path:
    """A CSV of the films: per class one letter a film, of train, val, test and none."""
    names = {"t": "train", "v": "val", "e": "test"}
    rows = ["path,label,split"]
    for label, letters in sides.items():
        for number, letter in enumerate(letters):
            if letter in names and (val or letter != "v"):
                rows.append(f"{films}/{label}/{label}{number}.mp4,{label},{names[letter]}")
    place.write_text("\n".join(rows) + "\n")
    return place
