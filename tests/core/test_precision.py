"""TF32 and bfloat16 stay out of what says float32."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import backends

from sdd_bench.core.precision import full_float32, has_fast_bf16

SWITCHES = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul, backends.mkldnn.conv)


def _state() -> list[str]:
    return [switch.fp32_precision for switch in SWITCHES]


@pytest.fixture
def fast() -> Iterator[None]:
    """A process that allows the fastest of everything."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("fast")
def test_everything_is_full_inside_and_as_before_outside() -> None:
    before = _state()
    assert before[:2] == ["tf32", "tf32"]
    with full_float32():
        assert _state() == ["ieee"] * 5
        with full_float32():
            pass
        assert _state() == ["ieee"] * 5
    assert _state() == before


@pytest.mark.usefixtures("fast")
def test_an_error_restores_what_was_allowed() -> None:
    before = _state()

    @full_float32()
    def fail() -> None:
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            fail()
        assert _state() == before


def test_autocast_still_chooses_bfloat16() -> None:
    a = torch.ones(4, 4)
    with torch.autocast("cpu", torch.bfloat16), full_float32():
        assert (a @ a).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("instructions", "fast"),
    [
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"bf16": True}, True),
        ({"sve": True}, None),
    ],
)
def test_bf16_is_fast_where_the_processor_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, instructions: dict[str, bool], fast: bool | None
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    assert has_fast_bf16() is fast


def test_a_torch_that_does_not_list_instructions_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert has_fast_bf16() is None
