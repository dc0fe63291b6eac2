"""Every example runs as its first line says, and does what it promises."""

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_every_example_has_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in tests for path in EXAMPLES.glob("*.py"))


def test_non_local_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "picture.png"
    run("non_local_means.py", str(out), monkeypatch=monkeypatch)
    lines = dict(line.split(": ") for line in capsys.readouterr().out.splitlines()[1:])
    ratios = {name: float(text.removesuffix(" dB")) for name, text in lines.items()}
    noisy = ratios.pop("noise added")
    assert noisy == pytest.approx(20, abs=0.3)  # a standard deviation of 0.1
    assert len(ratios) == 4 and min(ratios.values()) > noisy + 5
    with Image.open(out) as picture:
        assert picture.size == (3 * 96 * 4, 2 * (72 * 4 + 30))


def test_an_example_without_its_argument_says_what_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"which picture\? python examples/non_local_means.py picture.png"):
        run("non_local_means.py", monkeypatch=monkeypatch)
