"""The documentation: links lead somewhere, and the commands it shows exist."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest

from sdd_bench.cli.main import main

PROJECT = Path(__file__).parents[1]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), PROJECT / "leaderboards" / "README.md"])


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def _commands(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    names = "|".join(main.list_commands(click.Context(main)))
    shown = [line.strip().split("  #")[0] for line in text.splitlines()]
    return [line for line in shown if re.match(rf"sdd-bench ({names})( |$)", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), target


@pytest.mark.parametrize("page", [page for page in PAGES if _commands(page)], ids=lambda page: page.name)
def test_the_commands_shown_exist_with_their_options(page: Path) -> None:
    for line in _commands(page):
        words = shlex.split(line)[1:]
        command: click.Command = main
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.split("=")[0] for word in words if word.startswith("-")}
        assert given <= known | {"--help", "-h"}, line


def test_every_line_that_troubleshooting_explains_is_one_that_the_package_says() -> None:
    texts = []
    for path in (PROJECT / "sdd_bench").rglob("*.py"):
        joined = re.sub(r"""["']\s*\n\s*[rf]*["']""", "", path.read_text(encoding="utf-8"))
        texts.append(re.sub(r"\{[^{}]*(\{[^{}]*\}[^{}]*)*\}", "...", joined))
    said = "\n".join(texts)
    rows = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    lines = [line for row in rows if row.startswith("| `") for line in re.findall("`([^`]+)`", row.split(" | ")[0])]
    assert len(lines) > 30
    for line in lines:
        pattern = ".*".join(re.escape(part) for part in re.split(r"\.\.\.|\d+x\d+", line) if part.strip())
        assert re.search(pattern, said), line


def test_the_readme_stays_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


def test_every_name_of_the_architecture_page_is_a_folder() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    folders = {path.parent.name for path in (PROJECT / "sdd_bench").glob("*/__init__.py")}
    assert named == folders
    assert all(import_module(f"sdd_bench.{name}") for name in ("core", "geometry"))
