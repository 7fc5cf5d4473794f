"""Configuration from TOML and overrides."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from sdd_bench.core.config import as_dict, build, load
from sdd_bench.core.errors import ConfigError


class Kind(StrEnum):
    PAPER = "paper"
    RELEASED = "released"


@dataclass(frozen=True)
class Options:
    rate: float = 2e-5
    epochs: int = 100
    kind: Kind = Kind.PAPER
    size: tuple[int, int] = (4, 3)
    root: Path | None = None
    flips: bool = True


def test_a_toml_file_then_overrides(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('rate = 1\nkind = "released"\nsize = [8, 6]\n')
    assert load(Options, path, {"epochs": "7", "flips": "false", "root": None}) == Options(
        rate=1.0, epochs=7, kind=Kind.RELEASED, size=(8, 6), flips=False
    )


def test_a_configuration_survives_its_dict() -> None:
    options = Options(root=Path("a/b"), kind=Kind.RELEASED)
    assert build(Options, as_dict(options)) == options


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 1}, "unknown key epoch; known: rate, epochs, kind"),
        ({"epochs": 1.5}, "epochs: expected int, got 1.5"),
        ({"epochs": "many"}, "epochs: expected int, got 'many'"),
        ({"epochs": True}, "epochs: expected int, got True"),
        ({"rate": "nan"}, "rate: expected float, got 'nan'"),
        ({"rate": "inf"}, "rate: expected float, got 'inf'"),
        ({"rate": float("nan")}, "rate: expected float, got nan"),
        ({"kind": "best"}, "kind: expected one of paper, released, got 'best'"),
        ({"size": [1]}, "size: expected 2 values, got 1"),
        ({"size": 3}, "size: expected a list, got 3"),
        ({"flips": "perhaps"}, "flips: expected bool"),
    ],
)
def test_a_wrong_value_names_key_expected_and_got(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(Options, values)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.toml: cannot be read"):
        load(Options, tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("rate = = 1")
    with pytest.raises(ConfigError, match="bad.toml: not TOML"):
        load(Options, tmp_path / "bad.toml")


def test_a_long_key_or_value_is_cut_in_the_message() -> None:
    for values in ({"x" * 10_000: 1}, {"epochs": "x" * 10_000}):
        with pytest.raises(ConfigError) as caught:
            build(Options, values)
        assert len(str(caught.value)) < 600
