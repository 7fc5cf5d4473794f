"""``sdd-bench``: the table of commands; each is imported only when it is used."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module

import click

from sdd_bench import __version__
from sdd_bench.cli.groups import Group

_COMMANDS = {
    "synth": "an SDD-style set with known truth",
    "prepare": "captures -> checked pairs -> patches in HDF5 shards",
    "analyze": "zoom, shift and rotation of every pair",
    "evaluate": "PSNR, SSIM, MAE, LPIPS against raw, warped, registered and matched ground truth",
    "predict": "run a network over a test split",
    "blur-map": "how blurred every place of a picture is",
    "train-jdrl": "train by joint deblurring and reblurring",
    "leaderboard": "tables, statistics and a page of results",
    "models": "networks that run by name: size, tiles, licences",
    "cache": "what evaluate keeps for the next method: size, clear",
    "weights": "list and verify the weights that come with the package",
    "export": "a prepared set for Hugging Face, WebDataset, BasicSR or folders, with a card",
    "info": "contents of a dataset, shard, checkpoint or run",
    "validate": "check of all checksums, list of what is damaged",
    "demo": "the whole chain on synthetic data",
    "completion": "completion of commands and options for bash, zsh or fish",
}


class _LazyGroup(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"sdd_bench.cli.{cmd_name.replace('-', '_')}").command
        command.name = cmd_name
        return command  # type: ignore[no-any-return]

    def about(self, ctx: click.Context, name: str) -> str:
        return _COMMANDS[name]


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sdd-bench")
def main() -> None:
    """Dataset toolkit and benchmark suite for misaligned defocus data.

    Exit status: 0 done; 1 done, but some items failed (they are listed); 2 bad usage or input; 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter gets its number
            stream.reconfigure(errors="backslashreplace")
    # Before a command loads torch. By default its threads wait awake for each other, and on a busy machine or beside a
    # second process they burn several times the processor's time that they compute.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Before a command loads NumPy, which asks for huge pages for every large array. Memory that is used again and again
    # has little of them, and the system takes as long again for asking (a picture of 4K: 2.3 s in place of 1.2).
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
