"""Whole numbers that no option means are refused in one line, for every option of every command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from sdd_bench.cli.common import handle_errors
from sdd_bench.cli.main import main


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(main)
    for name in main.list_commands(context):  # type: ignore[attr-defined]
        command = main.get_command(context, name)  # type: ignore[attr-defined]
        inner = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        yield from ((f"{name} {part}".strip(), each) for part, each in inner)


def _whole(command: click.Command) -> list[click.Option]:
    return [
        option
        for option in command.params
        if isinstance(option, click.Option) and isinstance(option.type, (click.types.IntParamType, click.IntRange))
    ]


_OPTIONS = [(name, command, option) for name, command in _commands() for option in _whole(command)]


def test_there_are_options_to_try() -> None:
    assert len(_OPTIONS) > 25
    assert {"prepare", "synth", "train-jdrl", "predict"} <= {name for name, _, _ in _OPTIONS}


@pytest.mark.parametrize(
    ("command", "option"), [pytest.param(c, o, id=f"{name} {o.opts[-1]}") for name, c, o in _OPTIONS]
)
@pytest.mark.parametrize("number", ["1" + "0" * 20, "-" + "1" + "0" * 20, "9" * 400])
def test_a_number_that_is_out_of_bounds_is_one_line(command: click.Command, option: click.Option, number: str) -> None:
    assert option.name is not None
    reached = []

    @handle_errors
    def body(**values: Any) -> None:
        reached.append(values)

    wanted: Callable[..., None] = body
    alone = click.Command(command.name, params=[option], callback=wanted)
    result = CliRunner().invoke(alone, [f"{option.opts[-1]}={number}"])
    assert (result.exit_code, reached) == (2, [])
    assert option.opts[-1] in result.stderr
    assert "Traceback" not in result.stderr
    assert all(len(line) < 300 for line in result.stderr.splitlines() if "9" * 400 not in line)


def test_a_number_within_bounds_arrives() -> None:
    found = []

    @click.command()
    @click.option("--patch", type=int)
    @click.option("--seed", type=int)
    @handle_errors
    def command(patch: int, seed: int) -> None:
        found.append((patch, seed))

    assert CliRunner().invoke(command, ["--patch", "512", "--seed", str(2**63 - 1)]).exit_code == 0
    assert found == [(512, 2**63 - 1)]
    result = CliRunner().invoke(command, ["--patch", str(2**31)])
    assert result.exit_code == 2
    assert f"expected a whole number up to {2**31 - 1}, got {2**31}" in result.stderr
