"""Groups of commands: errors in one form, a suggestion for what is misspelt, and help that is not cut."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, NoReturn

import click

INTERRUPTED = 130
"""Exit status after Ctrl-C, by the convention of shells: 128 plus the number of the signal."""


class Group(click.Group):
    """A group whose usage errors read ``error: ...`` as all others do, and whose list has whole sentences."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ``args`` begin with.

        Raises:
            click.UsageError: There is none; the message names the closest, and all.
        """
        name = args[0]
        known = self.list_commands(ctx)
        if name in known or name.startswith("-"):
            return super().resolve_command(ctx, args)
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise click.UsageError(f"No such command '{name}'.{hint} Commands: {', '.join(known)}.", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the first sentence of its help, on as many lines as it takes."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.about(ctx, name)) for name in self.list_commands(ctx)])

    def about(self, ctx: click.Context, name: str) -> str:
        """What the list says of a command."""
        command = self.get_command(ctx, name)
        paragraph = inspect.cleandoc((command and command.help) or "").partition("\n\n")[0]
        return " ".join(paragraph.split())

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """The context of the group; ``--help`` is printed here."""
        with _readers_may_leave():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        with _readers_may_leave():
            return super().invoke(ctx)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run as a program: usage errors are ``error: ...`` with status 2, and a closed pipe is no error."""
        extra["standalone_mode"] = False
        if not standalone_mode:
            return super().main(*args, **extra)
        try:
            _check_place()
            status = super().main(*args, **extra)
        except OSError as error:  # those of commands end there, so this one is of what the group itself prints
            click.echo(f"error: the output cannot be written ({error.strerror}). Write it elsewhere.", err=True)
            sys.exit(2)
        except click.ClickException as error:
            _refuse(error)
        except click.Abort:
            click.echo("interrupted.", err=True)
            sys.exit(INTERRUPTED)
        sys.exit(status if isinstance(status, int) else 0)


def _check_place() -> None:
    """Refuse to run where no relative path means anything, and some libraries end the program."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise click.UsageError("the current folder is gone; change into another.") from None


@contextmanager
def _readers_may_leave() -> Iterator[None]:
    """End without a word, and with status 0, if nobody reads what is printed (``| head``)."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that flushing at exit is silent
        raise click.exceptions.Exit(0) from None


def _refuse(error: click.ClickException) -> NoReturn:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    context: click.Context | None = getattr(error, "ctx", None)
    hint = f" See {context.command_path} --help." if context is not None else ""
    click.echo(f"error: {error.format_message()}{hint}", err=True)
    sys.exit(error.exit_code)
