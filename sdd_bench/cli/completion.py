"""``sdd-bench completion``: completion of commands and options in a shell."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes sdd-bench in SHELL.

    bash, zsh: eval "$(sdd-bench completion bash)" in the start-up file; fish: sdd-bench completion fish | source.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click brings all three
    root = context.find_root().command
    click.echo(kind(root, {}, "sdd-bench", "_SDD_BENCH_COMPLETE").source())
