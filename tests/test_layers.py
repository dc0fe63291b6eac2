"""The rooms and the one direction in which imports run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "marey"

LAYERS = (  # bottom first; a room imports from lower layers and from itself
    {"results", "errors"},
    {"video", "nn", "text", "metrics"},
    {"training", "report", "weights"},
    {"data", "models", "codec"},
    {"tasks", "pretrain", "explain"},
    {"presets"},
    {"jobs"},
    {"app"},
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
ONLY_IN = {  # third-party package -> rooms that may import it
    "av": {"video"},
    "torchcodec": {"video"},
    "typer": {"app"},
    "rich": {"app"},
    "fastapi": {"app"},
    "matplotlib": {"report"},
}
NO_TORCH = {"results", "errors"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import in a file, relative ones made absolute."""
    package = ["marey", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            if stem == "marey":
                yield from ((node.lineno, f"marey.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, stem


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def breaches(path: Path) -> list[str]:
    """What a file imports that its room may not, one sentence each."""
    room, found = room_of(path), []
    if room in ("__init__", "__main__"):
        return found
    if room not in LEVEL:
        return [f"{path}: {room!r} is no room; the rooms are {sorted(LEVEL)}"]
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top == "marey":
            other = rest.partition(".")[0]
            if other == "__init__" or other == room:
                continue
            if other in LEVEL and LEVEL[other] >= LEVEL[room]:
                found.append(f"{path}:{line}: {room} imports {other}, which is not below it")
        elif room not in ONLY_IN.get(top, {room}):
            found.append(f"{path}:{line}: {room} imports {top}, which belongs to {sorted(ONLY_IN[top])}")
        elif top == "torch" and room in NO_TORCH:
            found.append(f"{path}:{line}: {room} imports torch")
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_one_way(path: Path) -> None:
    assert not breaches(path)


@pytest.mark.parametrize(
    "room, line",
    [
        ("video", "from ..data import Manifest"),
        ("data", "from marey.models import c3d"),
        ("training", "import marey.report"),
        ("jobs", "from rich import print"),
        ("data", "import av"),
        ("unknown", "import os"),
    ],
)
def test_a_planted_import_is_found(room: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / room).mkdir()
    planted = tmp_path / room / "planted.py"
    planted.write_text(line + "\n")
    monkeypatch.setattr("test_layers.SOURCE", tmp_path)
    assert len(breaches(planted)) == 1


def test_files_stay_small() -> None:
    long = {str(p): n for p in SOURCE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 500}
    assert not long, f"split these: {long}"


def test_packages_only_re_export() -> None:
    """Apart from the lazy top one, `__init__.py` holds a docstring, imports and `__all__`."""
    for path in SOURCE.rglob("__init__.py"):
        if path.parent == SOURCE:
            continue
        for node in ast.parse(path.read_text()).body:
            names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert docstring or isinstance(node, ast.ImportFrom) or names == ["__all__"], f"{path}:{node.lineno}"
