"""``sdd-bench models``: the networks that run by name."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import click

from sdd_bench.cli.common import echo_json, echo_table, handle_errors, json_option
from sdd_bench.cli.groups import Group

if TYPE_CHECKING:
    from sdd_bench.models.catalogue import Card


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
@json_option
@handle_errors
def command(context: click.Context, as_json: bool) -> None:
    """Networks that run by name: size, tiles, published figures, and who releases weights on which terms."""
    if context.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from sdd_bench.models.catalogue import catalogue

    cards = catalogue()
    if as_json:
        echo_json([asdict(card) for card in cards])
        return
    rows = [
        (
            card.name,
            f"{card.parameters / 1e6:.1f}",
            card.size_multiple,
            _tiles(card),
            card.origin.published or "-",
            f"{card.origin.weights}: {card.origin.licence}" if card.origin.weights else "-",
            card.origin.parity.replace(":", ",").partition(",")[0] or "-",
        )
        for card in cards
    ]
    columns = ["name", "million parameters", "sides", "exact tiles", "PSNR in papers (dB)"]
    columns += ["released weights", "compared with the released program"]
    echo_table("Networks", columns, rows)


@command.command()
@click.argument("name")
@json_option
@handle_errors
def show(name: str, as_json: bool) -> None:
    """Print the card of the network NAME."""
    from dataclasses import asdict

    from sdd_bench.models.catalogue import card_of

    card = card_of(name)
    if as_json:
        echo_json(asdict(card))
        return
    origin = card.origin
    lines = {
        "paper": origin.paper,
        "parameters": f"{card.parameters:,}",
        "sides": f"multiples of {card.size_multiple} (pictures are padded)",
        "memory": f"{card.bytes_per_pixel:,} bytes a pixel at most; 4096x2160 passes whole from {_whole(card)}",
        "exact tiles": _tiles(card),
        "tiles against the whole picture": ", ".join(map(str, card.tile_tests)),
        "released weights": f"{origin.weights} ({origin.licence})" if origin.weights else "none known",
        "published PSNR in dB": origin.published or "not in the paper's tables",
        "compared with the released program": origin.parity or "nothing: there is none",
    }
    click.echo(f"{card.name}")
    for label, text in lines.items():
        if text:
            click.echo(f"  {label}: {text}")


def _whole(card: Card) -> str:
    """What lets a picture of 4096x2160 pass as a whole."""
    return f"--memory {ceil(card.bytes_per_pixel * 4096 * 2160 / (1 << 30) * 10) / 10:g}"


def _tiles(card: Card) -> str:
    """Whether tiles are exact; where not, the least agreement that was measured."""
    if (radius := card.receptive_radius_px) is not None:
        return f"from {radius} px overlap"
    return f"no ({min(test.psnr_db for test in card.tile_tests)} dB)" if card.tile_tests else "no"
