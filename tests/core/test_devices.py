"""Devices by name."""

import pytest
import torch

from sdd_bench.core.devices import device_of
from sdd_bench.core.errors import ConfigError
from sdd_bench.flow.estimator import load_flow


def test_the_processor_is_always_there() -> None:
    assert device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["foo", "", "cuda:x", "cuda:99", "meta", "mps:7"])
def test_a_device_that_cannot_be_used_is_refused_with_those_that_can(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"--device {name}: cannot be used \(.+\)\. Known here: cpu"):
        device_of(name)


@pytest.mark.parametrize("flow", ["pwcnet", "pwcnet-plain", "dis"])
def test_no_flow_is_loaded_for_a_device_that_is_not_there(flow: str) -> None:
    with pytest.raises(ConfigError, match="--device foo"):
        load_flow(flow, device="foo")
