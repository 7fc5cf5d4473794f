"""Names for networks and flow estimators."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.registry import Registry, load_factory


def test_a_registered_factory_is_found_and_a_spec_imports() -> None:
    registry: Registry[dict[str, int]] = Registry("model")
    registry.register("unet")(dict)
    assert registry.get("unet")() == {}
    assert registry.get("collections:OrderedDict")(a=1) == {"a": 1}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vnet", "unknown model 'vnet'; known: unet, or package.module:factory"),
        ("no_such_package:f", "cannot import no_such_package"),
        ("collections:nothing", "expected a callable 'nothing' in collections; it has .*OrderedDict"),
        ("math:pi", "expected a callable 'pi' in math; it has acos, "),
        ("my_own_net.py", "or my_own_net.py:NAME, with the name of its factory"),
        (":f", "expected package.module:factory"),
    ],
)
def test_an_unknown_name_says_what_is_known(name: str, words: str) -> None:
    registry: Registry[dict[str, int]] = Registry("model")
    registry.register("unet")(dict)
    with pytest.raises(ConfigError, match=words):
        registry.get(name)


def test_a_name_is_entered_once() -> None:
    registry: Registry[dict[str, int]] = Registry("model")
    registry.register("unet")(dict)
    with pytest.raises(ConfigError, match="registered twice"):
        registry.register("unet")(dict)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Current folder with a module, its neighbour, and one that is broken."""
    (tmp_path / "my_own_net.py").write_text("from my_neighbour import SIDE\n\n\ndef make():\n    return SIDE\n")
    (tmp_path / "my_neighbour.py").write_text("SIDE = 7\n")
    (tmp_path / "my_broken_net.py").write_text("def make(:\n")
    (tmp_path / "my_program.py").write_text("import sys\nsys.exit('usage: my_program DATA')\n")
    (tmp_path / "my_faulty.py").write_text("import math\nmath.gone\n")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("my_", "_file_")):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["my_own_net:make", "my_own_net.py:make", "{folder}/my_own_net.py:make"])
def test_a_module_beside_or_at_a_path_is_found(name: str, mine: Path) -> None:
    path = list(sys.path)
    assert load_factory(name.format(folder=mine), kind="model")() == 7
    assert sys.path == path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_broken_net:make", "fails as it is imported"),
        ("my_broken_net.py:make", "fails as it is imported"),
        ("gone/my_own_net.py:make", "does not exist"),
        ("my_own_net.py:other", "expected a callable 'other' in my_own_net.py; it has make"),
        ("my_neighbour:f", "expected a callable 'f' in my_neighbour; it has none"),
        ("my_program:Net", "fails as it is imported .it ends the program"),
        ("my_faulty:Net", "fails as it is imported .*has no attribute 'gone'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(name: str, words: str, mine: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load_factory(name, kind="model")
