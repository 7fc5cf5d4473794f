"""Parts that all commands share: errors, options, progress and tables."""

from __future__ import annotations

import functools
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sdd_bench.cli.groups import INTERRUPTED
from sdd_bench.cli.pace import Pace, in_words
from sdd_bench.core.errors import SddBenchError, brief, is_short_of_memory, is_short_of_shared_memory, reason_of
from sdd_bench.core.threads import allow_threads
from sdd_bench.core.types import OnProgress, Problem, Progress
from sdd_bench.core.words import counted, plural

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])
CACHE_HELP = "Cache folder.  [default: SDD_BENCH_CACHE, else the user's]"
CACHE_LIMIT_HELP = "Size limit of the cache; the least recently used leave first.  [default: 20]"


_SHORT_OF_MEMORY = (
    "memory ran out. What was finished is kept; allow more, or run again with fewer --jobs or smaller pictures."
)
_SHORT_OF_SHARED_MEMORY = (
    "shared memory ran out (/dev/shm), which processes need to hand over what they read. What was finished is kept; "
    "make it larger, or run again with --workers 0 or --jobs 1."
)
_MOST_AT_ONCE = 1024
"""Processes or threads: more than any machine has use for."""
_MOST_OF_ANY = 2**31 - 1
_MOST = {"seed": 2**63 - 1, "max_pixels": 2**53, "workers": _MOST_AT_ONCE}
"""Largest whole number of an option, where it is another than of any."""
SECONDS_BETWEEN_LINES = 60.0
"""Time between lines of progress where no bar can be drawn."""


def handle_errors(function: F) -> F:
    """Turn an error that ends a command into one line on stderr and an exit status.

    The status is 2 for an :class:`SddBenchError`, an error of the operating system or short memory, and 130 for Ctrl-C.
    This is the only place that ends a command; what it does not know is a fault of the package, and keeps its
    traceback.

    Example:
        >>> @handle_errors
        ... def command():
        ...     raise SddBenchError("no such set")
        >>> command()
        Traceback (most recent call last):
        SystemExit: 2
    """

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _check_numbers(kwargs)
        try:
            return function(*args, **kwargs)
        except BrokenPipeError:  # no error: see Group
            raise
        except KeyboardInterrupt:
            click.echo("interrupted. What was finished is kept; run the same command to go on.", err=True)
            sys.exit(INTERRUPTED)
        except Exception as error:
            if is_short_of_memory(error):
                short = _SHORT_OF_SHARED_MEMORY if is_short_of_shared_memory(error) else _SHORT_OF_MEMORY
                click.echo(f"error: {short}", err=True)
            elif isinstance(error, SddBenchError):
                click.echo(f"error: {error}", err=True)
            elif isinstance(error, OSError):
                where = f"{error.filename}: " if error.filename is not None else ""
                click.echo(brief(f"error: {where}{reason_of(error)}."), err=True)
            else:
                raise
            sys.exit(2)

    return guarded  # type: ignore[return-value]


def _check_numbers(options: Mapping[str, Any]) -> None:
    """Refuse numbers that no option means: NaN, which is neither more nor less than a bound, infinity, which no record
    holds, and what some library cannot hold."""
    for name, value in options.items():
        most = _MOST.get(name, _MOST_OF_ANY)
        for number in value if isinstance(value, tuple) else [value]:
            if type(number) is int and abs(number) > most:
                digits = str(number) if len(str(number)) < 25 else f"a number of {len(str(number))} digits"
                raise _not_meant(name, f"expected a whole number up to {most}, got {digits}.")
            if type(number) is float and not math.isfinite(number):
                raise _not_meant(name, f"expected a finite number, got {number}.")


def _not_meant(name: str, reason: str) -> click.BadParameter:
    context = click.get_current_context()
    option = next(each for each in context.command.params if each.name == name)
    return click.BadParameter(reason, context, option)


def out_argument(*, dir_okay: bool = True) -> Callable[[F], F]:
    """Add ``-o``/``--out`` and, as an argument, ``OUT``: one way of saying where for all commands, one of the two.

    Args:
        dir_okay: Whether OUT may be an existing folder.
    """
    path = click.Path(path_type=Path, dir_okay=dir_okay)

    def add(function: F) -> F:
        @functools.wraps(function)
        def merged(*args: Any, out: Path | None, out_option: Path | None, **kwargs: Any) -> Any:
            if out is not None and out_option is not None:
                raise click.UsageError(f"two places to write to, {out} and {out_option}; give one.")
            place = out if out_option is None else out_option
            if place is None:
                raise click.UsageError("Missing option '-o' / '--out': where to write.")
            return function(*args, out=place, **kwargs)

        option = click.option("-o", "--out", "out_option", type=path, help="Where to write; or OUT without a name.")
        return click.argument("out", metavar="[OUT]", type=path, required=False)(option(merged))  # type: ignore[return-value]

    return add


def analysis_folder(source: Path, **where: Any) -> Path:
    """Folder of what ``analyze`` measures of a source where none is named, the same for every command.

    Args:
        source: Captures.
        where: What was said about their pairs; other pairs of one source have another folder.

    Example:
        >>> str(analysis_folder(Path("rigs/alpha"), layout="auto", pairs_csv=None))
        'analysis-alpha'
    """
    chosen = sorted((name, value) for name, value in where.items() if value not in (None, "auto"))
    digest = f"-{sha256(repr(chosen).encode()).hexdigest()[:8]}" if chosen else ""
    return Path(f"analysis-{source.resolve().name}{digest}")


def device_option(text: str) -> Callable[[F], F]:
    """Add ``--device``; ``auto`` arrives as the device that it means."""

    def resolve(context: click.Context, parameter: click.Parameter, value: str) -> str:
        return value if context.resilient_parsing else device_of_name(value)

    help_text = f"{text}: cpu, cuda, ..., or auto for a GPU where there is one."
    return click.option("--device", default="cpu", show_default=True, callback=resolve, help=help_text)


def device_of_name(name: str) -> str:
    """The torch device of ``--device``: ``auto`` is the first GPU that torch can use, else the processor.

    Example:
        >>> device_of_name("cpu")
        'cpu'
    """
    if name != "auto":
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def say_if_bf16_is_slow(precision: str, device: str) -> None:
    """Say on stderr that the processor has no instructions for the precision that was asked for."""
    if precision == "32" or device_of_name(device) != "cpu":
        return
    from sdd_bench.core.precision import has_fast_bf16

    if has_fast_bf16() is False:
        click.echo(f"note: this processor has no bf16 instructions: {precision} is slower than 32 here.", err=True)


def jobs_options(function: F) -> F:
    """Add ``--jobs``, ``--dask`` and ``--threads``."""
    return jobs_option(_dask_option(function))


def fitting_jobs_options(function: F) -> F:
    """The same, with a ``--jobs`` that is None where it is not given: the command finds what fits."""
    return _jobs_option(default=None, show_default="as many as end soonest")(threads_option(_dask_option(function)))


def jobs_option(function: F) -> F:
    """Add ``--jobs`` and ``--threads``."""
    return _jobs_option(default=1, show_default=True)(threads_option(function))


def _dask_option(function: F) -> F:
    help_text = "A Dask scheduler instead; its workers must share this file system."
    return click.option("--dask", metavar="ADDRESS", help=help_text)(function)


def _jobs_option(*, default: int | None, show_default: bool | str) -> Callable[[F], F]:
    return click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1, max=_MOST_AT_ONCE),
        default=default,
        show_default=show_default,
        help="Local processes.",
    )


def threads_option(function: F) -> F:
    """Add ``--threads``, which the command itself does not see."""

    def allow(context: click.Context, parameter: click.Parameter, value: int | None) -> None:
        if value is not None and not context.resilient_parsing:
            allow_threads(value)

    return click.option(
        "--threads",
        type=click.IntRange(min=1, max=_MOST_AT_ONCE),
        is_eager=True,  # before --device asks torch, which reads the environment once
        expose_value=False,
        callback=allow,
        help="Threads of each process at most; small pictures have fewer.  [default: the cores, shared by --jobs]",
    )(function)


def model_option(function: F) -> F:
    """Add ``--model-option`` as ``model_options``: a dict, empty where none is given."""
    return click.option(
        "--model-option",
        "model_options",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_assignments,
        help="Option of the network's factory, such as depth=2 or encoder=[1,1,1,4]; may be repeated.",
    )(function)


def _assignments(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"expected KEY=VALUE, got {value!r}.", context, parameter)
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def json_option(function: F) -> F:
    """Add ``--json`` as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(function)


@contextmanager
def progress_bar(title: str, unit: str = "pair") -> Iterator[OnProgress]:
    """Show a bar on stderr with rate, MB/s and time left; a line per minute when stderr is no terminal.

    ``unit`` is what is counted, in the singular.
    """
    from rich.console import Console

    console = Console(stderr=True)
    with (_bar if console.is_terminal else _lines)(console, title, unit) as on_progress:
        yield on_progress


@contextmanager
def _bar(console: Console, title: str, unit: str) -> Iterator[OnProgress]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=max(8, min(40, console.width - 76))),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[item]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, rate="", left="", item="")
        status = _Status(title, unit)

        def show(progress: Progress) -> None:
            status.note(progress)
            left = status.left()
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                rate=status.rate(),
                left="" if left is None else f"{in_words(left)} left",
                item=progress.item,
            )

        yield show


@contextmanager
def _lines(console: Console, title: str, unit: str) -> Iterator[OnProgress]:
    status, ended = _Status(title, unit), threading.Event()

    def tell() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            click.echo(status.line(), err=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield status.note
    finally:
        ended.set()
        teller.join()


class _Status:
    """How far a piece of work is."""

    def __init__(self, title: str, unit: str) -> None:
        self._title, self._unit = title, unit
        self._progress: Progress | None = None
        self._pace = Pace(time.monotonic())
        self._noted = 0.0

    def note(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._progress is not None and progress.total != self._progress.total:  # another part of the work
            self._pace = Pace(now)
        self._progress, self._noted = progress, now
        self._pace.note(progress.done, now, progress.n_bytes)

    def left(self) -> float | None:
        if self._progress is None:
            return None
        now = time.monotonic()
        left = self._pace.left(self._progress.total, now)
        most = self._progress.most_seconds
        return left if left is None or most is None else min(left, max(0.0, self._noted + most - now))

    def rate(self) -> str:
        each, megabytes = self._pace.seconds_per_item(), self._pace.megabytes_per_second()
        if not each or megabytes is None:
            return ""
        rate = f"{1 / each:.1f} {plural(self._unit)}/s" if each < 0.7 else f"{each:.1f} s/{self._unit}"
        return f"{rate}, {megabytes:.0f} MB/s" if megabytes >= 0.5 else rate

    def line(self) -> str:
        if self._progress is None:
            return f"{self._title}: at the first of the {plural(self._unit)}"
        left, rate = self.left(), self.rate()
        parts = [
            f"{self._progress.done} of {counted(self._progress.total, self._unit)}",
            *([rate] if rate else []),
            *([f"about {in_words(left)} left"] if left is not None else []),
        ]
        return f"{self._title}: {', '.join(parts)}"


def echo_json(value: Any) -> None:
    """Print ``value`` as JSON on stdout.

    Example:
        >>> echo_json({"pairs": 3})
        {
          "pairs": 3
        }
    """
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def echo_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people on stdout; all but the first column are right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def finish(problems: Sequence[Problem]) -> None:
    """List problems on stderr and exit with status 1; return if there are none.

    Example:
        >>> finish([Problem("0001", "too small")])
        Traceback (most recent call last):
        SystemExit: 1
    """
    if not problems:
        return
    click.echo(f"{len(problems)} item(s) failed or were left out:", err=True)
    for problem in problems:
        reason = problem.reason.removeprefix(f"{problem.item}: ")  # messages begin with the item, too
        click.echo(brief(f"  {problem.item}: {reason}"), err=True)
    sys.exit(1)
