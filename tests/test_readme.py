"""Every block of README and docs is run: shell blocks by the command line, Python blocks as programs."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from marey.app.cli import main

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of a language."""
    found = []
    for page in PAGES:
        for text in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
            found.append((page.name, text))
    return found


def lines_of(page: str) -> list[str]:
    return [line for name, text in blocks("sh") if name == page for line in text.splitlines() if line.strip()]


@pytest.fixture
def desk(small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the README's reader has it: my-videos/ and match.mp4."""
    shutil.copytree(small_films, tmp_path / "my-videos")
    shutil.copy(small_films / "up" / "up0.mp4", tmp_path / "match.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_commands_work_in_order(desk: Path) -> None:
    for line in lines_of("README.md"):
        program, *arguments = shlex.split(line)
        if program == "make":
            targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.M)
            assert set(arguments) <= set(targets), line
            continue
        assert program == "marey", line
        assert main(arguments) == 0, line
    assert (desk / "runs/mine/report.html").exists() and (desk / "runs/mine/model_card.md").exists()
    assert {p.name for p in (desk / "predictions").iterdir()} == {"match.json", "match.csv", "match.overlay.mp4"}


@pytest.mark.parametrize("page, text", blocks("python"), ids=lambda value: value if value.endswith(".md") else "")
def test_python_blocks_run(page: str, text: str, desk: Path) -> None:
    exec(compile(text, page, "exec"), {"__name__": "__readme__"})


@pytest.mark.parametrize("page", [page.name for page in PAGES if page.name != "README.md"])
def test_commands_in_the_docs_are_understood(page: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Long jobs in the docs are not run; their command must exist and know the flags."""
    for line in lines_of(page):
        words = shlex.split(line)
        if words[0] != "marey":
            assert (REPOSITORY / words[1]).exists() if words[0] == "python" else words[0] == "make", line
            continue
        command = words[1:3] if words[1] == "weights" else words[1:2]
        main([*command, "--help"])
        known = capsys.readouterr().out
        for flag in (word for word in words[1 + len(command) :] if word.startswith("--")):
            assert flag in known, (line, flag)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (page.parent / target).exists(), target
