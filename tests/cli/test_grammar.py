"""One grammar: which command has which of the options that many share, their choices, and files that are not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sdd_bench.captures.recognise import LAYOUTS
from sdd_bench.cli import pairing, synth
from sdd_bench.cli.inputs import Existing
from sdd_bench.cli.main import main
from sdd_bench.core.errors import SddBenchError
from sdd_bench.optics.tone import CURVES

SHARED = {
    "out", "device", "jobs", "dask", "threads", "limit", "split", "pairs", "layout", "lists", "config", "set", "json",
}  # fmt: skip
"""Options that mean the same wherever they are."""
_PAIRS = "split pairs layout lists"
GRAMMAR = {
    "synth": "out jobs dask threads config set json",
    "prepare": f"out jobs dask threads limit config json {_PAIRS}",
    "analyze": f"out device jobs dask threads limit config json {_PAIRS}",
    "evaluate": f"out device jobs dask threads limit config json {_PAIRS}",
    "predict": f"out device jobs dask threads limit config json {_PAIRS}",
    "blur-map": f"out device threads limit json {_PAIRS}",
    "train-jdrl": "out device threads config set json",
    "export": "out jobs dask threads json",
    "validate": "jobs dask threads json",
    "info": "json",
    "demo": "out jobs threads json",
    "completion": "",
    "leaderboard check": "json",
    "leaderboard add": "json",
    "leaderboard verify": f"device threads json {_PAIRS}",
    "leaderboard compare": "json",
    "leaderboard render": f"out jobs threads json {_PAIRS}",
    "leaderboard bundle": "out json",
    "leaderboard strip": "out json",
    "leaderboard export": "out",
    "weights list": "json",
    "weights verify": "json",
    "weights convert": "out json",
    "models": "json",
    "models show": "json",
    "cache info": "json",
    "cache clear": "json",
}


def commands(group: click.Group = main, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its name."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield before + name, command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")


COMMANDS = dict(commands())


def options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long names."""
    found = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {next(opt for opt in option.opts if opt.startswith("--")).removeprefix("--"): option for option in found}


def test_the_table_knows_every_command() -> None:
    assert set(COMMANDS) == set(GRAMMAR)


@pytest.mark.parametrize("name", sorted(GRAMMAR))
def test_a_command_has_the_shared_options_that_the_table_gives_it(name: str) -> None:
    assert set(options(COMMANDS[name])) & SHARED == set(GRAMMAR[name].split())


@pytest.mark.parametrize("name", sorted(GRAMMAR))
def test_shared_options_have_one_spelling_and_one_meaning(name: str) -> None:
    here = options(COMMANDS[name])
    assert "out" not in here or "-o" in here["out"].opts
    of_itself = None if name == "evaluate" else 1  # evaluate finds what fits
    assert "jobs" not in here or ({"-j"} <= set(here["jobs"].opts) and here["jobs"].default == of_itself)
    assert "device" not in here or "auto" in (here["device"].help or "")
    assert "limit" not in here or isinstance(here["limit"].type, click.IntRange)


@pytest.mark.parametrize("name", sorted(GRAMMAR))
def test_every_option_says_what_it_is_and_choices_are_listed(name: str) -> None:
    shown = CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=80).stdout
    squeezed = "".join(shown.split())
    for long, option in options(COMMANDS[name]).items():
        assert option.help or isinstance(option.type, click.Choice), f"--{long} says nothing"
        choices = option.type.choices if isinstance(option.type, click.Choice) else ()
        assert all(str(choice) in squeezed for choice in choices), f"--{long} does not list its choices"
    assert max(map(len, shown.splitlines())) <= 80


def test_choices_are_those_of_the_package() -> None:
    assert pairing.LAYOUTS == LAYOUTS
    assert tuple(CURVES) == synth.CURVES


@pytest.mark.parametrize("name", sorted(name for name in GRAMMAR if not name.startswith(("models", "completion"))))
def test_what_is_read_must_be_there(name: str, tmp_path: Path) -> None:
    for parameter in COMMANDS[name].params:
        writes = parameter.name in ("out", "out_option", "run", "folder", "cache_folder", "leaderboards", "plot")
        if isinstance(parameter.type, click.Path) and not (writes and not isinstance(parameter.type, Existing)):
            assert isinstance(parameter.type, Existing), f"{parameter.name} is refused only after imports"


@pytest.mark.parametrize(
    "command",
    [
        ["synth", "out"], ["prepare", ".", "out"], ["analyze", "."], ["evaluate", ".", "--predictions", "."],
        ["predict", "."], ["blur-map", "."], ["train-jdrl", "."],
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_a_command_of_large_pictures_keeps_memory_from_one_to_the_next(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached() -> None:
        raise SddBenchError("memory is kept")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sdd_bench.core.executors.reuse_memory", reached)
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, result.stderr) == (2, "error: memory is kept\n")  # before any work
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import sys
from sdd_bench.cli.main import main
sys.argv[0] = "sdd-bench"
for arguments in {commands!r}:
    try:
        main(arguments)
    except SystemExit as stop:
        assert stop.code == 2, (arguments, stop.code)
    assert "torch" not in sys.modules, arguments
"""
READERS = [
    ["prepare", "{}", "out"], ["analyze", "{}"], ["analyze", "{}", "{}"], ["predict", "{}"],
    ["predict", "{}", "--model", "unsharp"], ["evaluate", "{}", "--predictions", "there"],
    ["evaluate", "{}", "--predictions", "there", "--no-truth"], ["evaluate", "there", "--predictions", "{}"],
    ["blur-map", "{}"], ["train-jdrl", "{}"], ["train-jdrl", "{}", "--resume"], ["export", "{}", "out"],
    ["info", "{}"], ["validate", "{}"], ["leaderboard", "check", "{}"], ["leaderboard", "add", "{}"],
    ["leaderboard", "bundle", "{}", "x.zip", "--predictions", "{}"], ["leaderboard", "compare", "{}", "{}"],
    ["weights", "convert", "{}", "out"], ["synth", "out", "--photos", "{}"],
]  # fmt: skip


@pytest.mark.parametrize("wrong", ["no/such/folder", "empty"])
def test_a_wrong_folder_is_refused_before_torch_is_imported(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "there").mkdir()
    given = [[part.format(wrong) for part in command] for command in READERS]
    if wrong == "empty":  # may be, of predictions; check lists what a run lacks; convert knows folders
        given = [command for command in given if command[1] not in ("there", "check", "convert")]
    program = [sys.executable, "-c", PROGRAM.format(commands=given)]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == len(given)


def test_a_name_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "captures").mkdir()
    result = CliRunner().invoke(main, ["info", str(tmp_path / "capturs")])
    assert result.exit_code == 2
    assert f"Did you mean {tmp_path / 'captures'}?" in result.stderr


def test_a_file_of_options_counts_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text('aligned-px = 0.25\nlimit = 3\nsplit = "val"\n')
    command = COMMANDS["analyze"]
    with command.make_context(
        "analyze", [str(tmp_path), "--config", str(tmp_path / "options.toml"), "--limit", "5"]
    ) as context:
        assert (context.params["aligned_px"], context.params["limit"], context.params["split"]) == (0.25, 5, "val")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limt = 3", "unknown key limt; known: aligned_px, "),
        ("limit = ", "not TOML (Invalid value"),
        ("limit = 2026-01-01", "a value is of no use (2026-01-01 is a date or a time; expected text in quotes"),
        ("aligned-px = nan", "a value is of no use (NaN is no finite number)"),
        ('limit = "x"', "limit: expected a whole number, got 'x'."),
        ("limit = 1.5", "limit: expected a whole number, got 1.5."),
        ("limit = true", "limit: expected a whole number, got True."),
        ("limit = 0", "limit: 0 is not in the range x>=1."),
        ("limit = [1, 2]", "limit: expected one value, got [1, 2]."),
        ('aligned-px = "x"', "aligned_px: expected a number, got 'x'."),
        ("page = 3", "page: expected true or false, got 3."),
        ("flow = false", "flow: expected text, got False."),
        ('precision = "64"', "precision: '64' is not one of '32', 'bf16'."),
        ("sharp-dir = [[1]]", "sharp_dir: expected a value or a list of values, got [[1]]."),
    ],
)
def test_a_file_of_options_that_is_wrong_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text(f"{text}\n")
    result = CliRunner().invoke(main, ["analyze", str(tmp_path), "--config", str(tmp_path / "options.toml")])
    assert result.exit_code == 2
    assert f"{tmp_path}/options.toml: {message}" in result.stderr


def test_a_file_of_options_may_name_one_of_several_and_begin_with_a_mark_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text('blurry-dir = "wide"\nsharp-dir = ["narrow"]\nlimit = "3"\n', "utf-8-sig")
    with COMMANDS["analyze"].make_context(
        "analyze", [str(tmp_path), "--config", str(tmp_path / "options.toml")]
    ) as context:
        given = [context.params[name] for name in ("blurry_dirs", "sharp_dirs", "limit")]
    assert given == [("wide",), ("narrow",), 3]


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_every_number_of_an_option_is_finite(number: str, tmp_path: Path) -> None:
    floats = [
        (name, f"--{long}", option.nargs)
        for name, command in COMMANDS.items()
        for long, option in options(command).items()
        if option.type.name.startswith("float")
    ]
    assert len(floats) > 20
    for name, option, n in floats:
        needed = [each for each in COMMANDS[name].params if each.required]
        given = [part for each in needed for part in (*each.opts[: isinstance(each, click.Option)], str(tmp_path))]
        given += ["-o", str(tmp_path / "out")] if "out" in options(COMMANDS[name]) else []
        result = CliRunner().invoke(main, [*name.split(), *given, option, *[number] * n])
        assert result.exit_code == 2
        said = (f"expected a finite number, got {number}", "is not in the range")
        assert any(words in result.stderr for words in said), result.stderr
