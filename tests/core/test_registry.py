"""Names for networks and flow estimators."""

import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.registry import Registry


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
        ("collections:nothing", "module collections has no 'nothing'"),
        ("math:pi", "'pi' is not callable"),
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
