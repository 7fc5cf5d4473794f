"""What a command reads: refused where it does not exist, before anything is imported; and a file of options."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from sdd_bench.core.config import toml_values
from sdd_bench.core.errors import ConfigError, shown
from sdd_bench.core.storage.documents import misfit

F = TypeVar("F", bound=Callable[..., Any])


class BadInput(click.ClickException):
    """What a command should read is not there, or is not what it should be: status 2, without a hint at the help."""

    exit_code = 2


class Existing(click.Path):
    """The type of an argument or option that names a file or a folder to read.

    Args:
        what: What is expected there, for the message.
        only: "file" or "folder" where the other is refused.
    """

    def __init__(self, what: str, *, only: str | None = None) -> None:
        super().__init__(path_type=Path)
        self.what, self.only = what, only

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            BadInput: Nothing is there, or something of the other kind; the message names what has a like name.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        name = f"{max(param.opts, key=len)} " if isinstance(param, click.Option) else ""
        if not path.exists():
            raise BadInput(f"{name}{path}: does not exist; expected {self.what}.{_alike(path)}")
        if self.only is not None and path.is_dir() != (self.only == "folder"):
            found = "folder" if path.is_dir() else "file"
            raise BadInput(f"{name}{path}: is a {found}; expected {self.what}.")
        return path


def _alike(path: Path) -> str:
    try:
        there = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        there = []
    close = get_close_matches(path.name, there, n=1)
    return f" Did you mean {path.with_name(close[0])}?" if close else ""


PICTURES = Existing("a prepared set, a folder of captures, a CSV of pairs, or a picture")
FILE = Existing("a file", only="file")
FOLDER = Existing("a folder", only="folder")
RUN = Existing("the folder of a run, written by evaluate", only="folder")
PREDICTIONS = Existing("a folder of predictions", only="folder")


def set_option(function: F) -> F:
    """Add ``--set KEY=VALUE`` as ``assignments``, a dict of texts: for what ``--config`` holds and no option names."""

    def parse(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, str]:
        pairs = [value.partition("=") for value in values]
        if wrong := [name for name, equals, _ in pairs if not equals]:
            raise click.UsageError(f"--set {wrong[0]}: expected KEY=VALUE.", context)
        return {name: value for name, _, value in pairs}

    return click.option(
        "--set",
        "assignments",
        metavar="KEY=VALUE",
        multiple=True,
        callback=parse,
        help="Any other option of --config; may be repeated.",
    )(function)


def config_option(function: F) -> F:
    """Add ``--config``: a TOML file with values for options of the command, by their names.

    What the command line says wins. A key that is no option is an error that lists the options.
    """

    def read(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
        if path is None:
            return
        try:
            values = toml_values(path)
        except ConfigError as error:
            raise BadInput(str(error)) from error
        options = {
            max(option.opts, key=len).removeprefix("--").replace("-", "_"): option
            for option in context.command.params
            if isinstance(option, click.Option) and option is not parameter
        }
        named = {key.replace("-", "_"): value for key, value in values.items()}
        if unknown := sorted(set(named) - set(options)):
            raise BadInput(f"{path}: unknown key {', '.join(unknown)}; known: {', '.join(sorted(options))}.")
        try:
            given = {options[key].name: _value_of(options[key], value) for key, value in named.items()}
        except ValueError as error:
            raise BadInput(f"{path}: {error}") from error
        context.default_map = {**(context.default_map or {}), **given}

    return click.option(
        "--config",
        type=FILE,
        is_eager=True,
        expose_value=False,
        callback=read,
        help="TOML file of options, such as jobs = 2; the command line wins.",
    )(function)


_ONE = (str, int, float, bool)
_EXPECTED = {
    "boolean": "true or false",
    "integer": "a whole number",
    "integer range": "a whole number",
    "float": "a number",
    "float range": "a number",
}
"""What TOML must hold for an option of a type of click; for any other it is text."""


def _value_of(option: click.Option, value: Any) -> Any:
    """What a file says of an option, as click takes it; a single value stands for a list of one.

    Raises:
        ValueError: The option takes no such value; the text begins with its name.
    """
    name = max(option.opts, key=len).removeprefix("--").replace("-", "_")
    takes_more = option.multiple or option.nargs != 1
    if misfit(value, (*_ONE, [_ONE]) if takes_more else _ONE):
        expected = "a value or a list of values" if takes_more else "one value"
        raise ValueError(f"{name}: expected {expected}, got {shown(value)}.")
    kind = option.type.name
    for one in value if isinstance(value, list) else [value]:
        said = f"expected {_EXPECTED.get(kind, 'text')}, got {shown(one)}."
        is_cut = isinstance(one, float) and kind.startswith("integer")
        if is_cut or (isinstance(one, bool) != (kind == "boolean") and not isinstance(one, str)):
            raise ValueError(f"{name}: {said}")
        if kind in (*_EXPECTED, "choice"):
            try:
                option.type.convert(one, option, None)
            except click.BadParameter as error:
                of_its_type = kind == "choice" or "is not in the range" in error.message
                raise ValueError(f"{name}: {error.message if of_its_type else said}") from error
    return [value] if option.multiple and not isinstance(value, list) else value
