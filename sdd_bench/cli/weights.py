"""``sdd-bench weights``: flow and LPIPS weights, each with its sha256."""

from __future__ import annotations

from pathlib import Path

import click

from sdd_bench.cli.common import echo_json, echo_table, finish, handle_errors, json_option, progress_bar


@click.group()
def command() -> None:
    """Flow and LPIPS weights: list them, fetch what is not bundled, check their sha256."""


@command.command("list")
@json_option
@handle_errors
def list_weights(as_json: bool) -> None:
    """Every file of weights: what for, licence, size, whether it is there."""
    from dataclasses import asdict

    from sdd_bench.weights import listing

    entries = listing()
    if as_json:
        echo_json([asdict(entry) for entry in entries])
        return
    rows = [
        (
            e.weight.name,
            e.state,
            f"{e.weight.n_bytes / 1e6:.1f}",
            e.weight.purpose,
            e.weight.licence,
            e.weight.sha256[:12],
        )
        for e in entries
    ]
    echo_table("Weights", ["name", "state", "MB", "for", "licence", "sha256"], rows)


@command.command()
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the weights from this file instead of the network (.safetensors, .pth, .ckpt, .tar.gz).",
)
@json_option
@handle_errors
def fetch(names: tuple[str, ...], file: Path | None, as_json: bool) -> None:
    """Put the weights NAMES (default: all that are not bundled) into the cache folder.

    The folder is SDD_BENCH_CACHE where set, else the user's cache folder. What is there already is left alone.
    """
    from sdd_bench import weights

    chosen = names or weights.fetched_names()
    if file is not None and len(chosen) != 1:
        raise click.UsageError("--from takes the name of one file of weights.")
    if file is not None and chosen[0] in weights.TABLE and weights.TABLE[chosen[0]].bundled:
        raise click.UsageError(f"--from: {chosen[0]} comes with the package and is not taken from a file.")
    with progress_bar("fetching", unit="MB") as on_progress:
        paths = {name: weights.fetch(name, file=file, on_progress=on_progress) for name in chosen}
    if as_json:
        echo_json({name: str(path) for name, path in paths.items()})
        return
    for name, path in paths.items():
        click.echo(f"{name}: {path}")


@command.command()
@json_option
@handle_errors
def verify(as_json: bool) -> None:
    """Check the sha256 of every file that is there; exit status 1 when one is damaged."""
    from dataclasses import asdict

    from sdd_bench import weights

    problems = weights.verify()
    if as_json:
        echo_json(
            {
                "weights": [asdict(entry) for entry in weights.listing()],
                "problems": [{"item": problem.item, "reason": problem.reason} for problem in problems],
            }
        )
    else:
        width = max(map(len, weights.TABLE)) + 2
        for entry in weights.listing():
            click.echo(f"{entry.state:9s}{entry.weight.name:{width}s}{entry.path}")
    finish(problems)
