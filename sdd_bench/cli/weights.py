"""``sdd-bench weights``: the weights that come with the package, each with its sha256."""

from __future__ import annotations

from pathlib import Path

import click

from sdd_bench.cli.common import echo_json, echo_table, finish, handle_errors, json_option, out_argument
from sdd_bench.cli.groups import Group
from sdd_bench.cli.inputs import Existing


@click.group(cls=Group)
def command() -> None:
    """Weights that come with the package (flow, LPIPS, deblurring): list them, check their sha256."""


@command.command("list")
@json_option
@handle_errors
def list_weights(as_json: bool) -> None:
    """List every file of weights with its purpose, licence, size and state."""
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
@json_option
@handle_errors
def verify(as_json: bool) -> None:
    """Check the sha256 of every file; exit status 1 when one is absent or damaged."""
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


@command.command()
@click.argument("file", type=Existing("a released checkpoint"))
@out_argument()
@click.option("--model", help="Network the file is for.  [default: recognised by its tensors]")
@json_option
@handle_errors
def convert(file: Path, out: Path, model: str | None, as_json: bool) -> None:
    """Write FILE, a released checkpoint of any form, as OUT.safetensors, which says what network it is for.

    FILE may be a torch file with its usual wrappers and prefixes, the folder of six .pkl files of DMPHN, Keras HDF5 of
    DPDNet, or .npz of KPAC. It is read as data; nothing in it is executed.
    """
    from sdd_bench.core.storage.files import sha256_of
    from sdd_bench.models.convert import convert
    from sdd_bench.models.spec import ModelSpec

    spec = convert(file, out, None if model is None else ModelSpec(model))
    if as_json:
        echo_json({"out": str(out), "sha256": sha256_of(out), **spec.facts()})
    else:
        click.echo(f"{out}: {spec.model}")
