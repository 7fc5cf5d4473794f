"""``sdd-bench models`` and ``weights convert``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from sdd_bench.cli.main import main
from sdd_bench.models.catalogue import ORIGINS, TILE_TESTS
from sdd_bench.models.network import Network
from sdd_bench.models.spec import MODELS
from sdd_bench.prediction.tiling import tile_side, window_of

TERMS = {"": "none", "none stated": "no licence stated", "Apache-2.0": "with this package"}
"""What the page says of released weights, by their licence, where it is not the same."""


def test_every_network_has_a_card_with_its_origin() -> None:
    assert set(ORIGINS) == set(MODELS.names())
    cards = json.loads(CliRunner().invoke(main, ["models", "--json"]).stdout)
    found = {card["name"]: card for card in cards}
    assert set(found) == set(MODELS.names())
    assert found["mprnet"]["parameters"] == 20_127_073
    assert found["dpdnet"]["receptive_radius_px"] == 123
    assert found["restormer"]["receptive_radius_px"] is None
    table = CliRunner().invoke(main, ["models"], env={"COLUMNS": "400"}).stdout
    row = next(line for line in table.splitlines() if " mprnet " in line)
    assert "swz30/MPRNet: non-commercial" in row
    assert "outputs" in row
    assert found["unet-folded"]["origin"]["weights"] == "this package"
    assert not found["ifan"]["origin"]["weights"], "released files are for ifan-released"


def test_every_network_of_the_papers_tables_has_its_figure() -> None:
    in_tables = {"drbnet", "ifan-released", "mprnet", "dmphn", "dpdnet", "kpac", "kpac-2level", "unet", "unet-released"}
    assert {name for name, origin in ORIGINS.items() if origin.published} == in_tables
    assert ORIGINS["kpac"].published.startswith("25.22 on DPDD")
    assert ORIGINS["drbnet"].published.startswith("25.73 on DPDD")


def test_a_card_says_how_it_was_measured_what_tiles_change() -> None:
    cards = {card["name"]: card for card in json.loads(CliRunner().invoke(main, ["models", "--json"]).stdout)}
    assert {name for name, card in cards.items() if card["tile_tests"]} == set(TILE_TESTS)
    assert all(cards[name]["receptive_radius_px"] is None for name in TILE_TESTS)
    shown = CliRunner().invoke(main, ["models", "show", "mprnet"]).stdout
    for test in TILE_TESTS["mprnet"]:
        assert f"{test.psnr_db} dB ({test.form}, {test.size} in tiles of {test.tile_px} px)" in shown
    assert "tiles against" not in CliRunner().invoke(main, ["models", "show", "ifan"]).stdout


def test_a_card_says_what_memory_lets_a_large_picture_pass_whole() -> None:
    cards = {card["name"]: card for card in json.loads(CliRunner().invoke(main, ["models", "--json"]).stdout)}
    assert all(card["bytes_per_pixel"] > 0 for card in cards.values())
    for name in ("mprnet", "unet-folded"):  # one says what it takes, of the other it is estimated
        card, shown = cards[name], CliRunner().invoke(main, ["models", "show", name]).stdout
        said = float(re.search(r"whole from --memory (\S+)", shown)[1])  # type: ignore[index]
        facts = card["size_multiple"], None, card["bytes_per_pixel"]
        network = Network(lambda x: x, name, "", *facts, torch.device("cpu"))
        for memory_gib, whole in ((said, True), (0.95 * said, False)):
            pixels = tile_side(network, memory_gib, overlap=128) ** 2
            assert (window_of(network, 2160, 4096, pixels=pixels, overlap=128) == (2160, 4096)) is whole


def test_the_page_on_networks_states_what_the_cards_state() -> None:
    cards = {card["name"]: card for card in json.loads(CliRunner().invoke(main, ["models", "--json"]).stdout)}
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    listed = []
    for names, _, millions, sides, exact, gib, weights in rows:
        row = re.findall(r"`(\S+)`", names)
        listed += row
        for n, card in enumerate(cards[name] for name in row):
            assert f"{card['parameters'] / 1e6:.1f}" == (millions.split(", ") * len(row))[n]
            assert str(card["size_multiple"]) == (sides.split(", ") * len(row))[n]
            assert (card["receptive_radius_px"] is not None) == (exact == "yes")
            assert 0 <= float(gib) - card["bytes_per_pixel"] * 4096 * 2160 / 2**30 <= 0.1
            licence = card["origin"]["licence"]
            assert weights == TERMS.get(licence, licence)
    assert sorted(listed) == sorted(cards)


@pytest.mark.parametrize(("name", "derived"), [("dpdnet", "numbering"), ("kpac", "order"), ("kpac-2level", "order")])
def test_a_card_says_what_no_file_confirmed(name: str, derived: str) -> None:
    shown = CliRunner().invoke(main, ["models", "show", name]).stdout
    assert "no file was at hand" in shown
    assert f"the {derived} of the" in shown


def test_a_card_is_shown_and_an_unknown_name_lists_the_known() -> None:
    shown = CliRunner().invoke(main, ["models", "show", "ifan-released"]).stdout
    assert "codeslake/IFAN (AGPL-3.0)" in shown
    failed = CliRunner().invoke(main, ["models", "show", "ifon"])
    assert failed.exit_code == 2
    assert "known: dmphn, dpdnet" in failed.stderr


def test_a_released_file_is_converted_once(tmp_path: Path) -> None:
    network = MODELS.get("nafnet")(width=8, encoder=(1, 1), middle=1, decoder=(1, 1))
    torch.save({"params": network.state_dict()}, tmp_path / "net.pth")
    arguments = ["weights", "convert", str(tmp_path / "net.pth"), str(tmp_path / "net.safetensors")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip().endswith("net.safetensors: nafnet")
    converted = load_file(tmp_path / "net.safetensors")
    assert all(torch.equal(converted[name], tensor) for name, tensor in network.state_dict().items())
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert "is there already" in again.stderr
