"""The table of bundled weights, and the check that a file is the one the table names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdd_bench.core.errors import WeightsError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Problem

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Weight:
    """One file of weights."""

    name: str
    purpose: str
    licence: str
    sha256: str
    n_bytes: int
    file: str
    """Path below the package."""


TABLE: Mapping[str, Weight] = {
    weight.name: weight
    for weight in (
        Weight(
            name="pwcnet",
            purpose="optical flow",
            licence="Apache-2.0",
            sha256="6162bfc7cc4a4826c27586f212387917c357f238eccfa5c3466aed6d31c73b53",
            n_bytes=9_421_976,
            file="flow/pwcnet/weights/pwcnet.safetensors",
        ),
        Weight(
            name="unet-folded",
            purpose="deblurring of photographs",
            licence="Apache-2.0",
            sha256="30675b038fa61923d0138f8646150055823bbdebdcd67b0f9c0fbd4e81f49a36",
            n_bytes=4_713_080,
            file="models/weights/unet-folded.safetensors",
        ),
        Weight(
            name="alexnet",
            purpose="LPIPS backbone",
            licence="BSD-3-Clause (torchvision); trained on ImageNet",
            sha256="9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
            n_bytes=9_879_632,
            file="metrics/weights/alexnet.safetensors",
        ),
        Weight(
            name="jnb-style",
            purpose="blur map: dictionary and curve",
            licence="Apache-2.0",
            sha256="1366dfc72488b941754f075ccb81ac74c1feb81734f242d3fbf7730f797efff1",
            n_bytes=33_088,
            file="defocus/weights/jnb_style.safetensors",
        ),
        Weight(
            name="niqe-style",
            purpose="extra measure: natural pictures",
            licence="Apache-2.0",
            sha256="cb1ed21591c4a9102ddc61237bfd116cf8e7ba7f7e0cb127dd3537a4d0c6b088",
            n_bytes=10_800,
            file="metrics/weights/niqe_style.safetensors",
        ),
    )
}


class State(StrEnum):
    """State of a file of weights."""

    READY = "ready"
    ABSENT = "absent"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Listed:
    """Entry of the table with the state of its file."""

    weight: Weight
    state: State
    path: str


def sha256(name: str) -> str:
    """The sha256 that the file of ``name`` must have.

    Raises:
        WeightsError: No weights have that name.

    Example:
        >>> sha256("alexnet")[:12]
        '9f97fd313f4d'
    """
    return _entry(name).sha256


def state(name: str) -> State:
    """State of the file of ``name``: absent, damaged (its sha256 differs from the table's), or ready.

    Raises:
        WeightsError: No weights have that name.

    Example:
        >>> str(state("pwcnet"))
        'ready'
    """
    file = place(name)
    if not file.is_file():
        return State.ABSENT
    return State.READY if sha256_of(file) == sha256(name) else State.DAMAGED


def path(name: str) -> Path:
    """The file of ``name``, its sha256 checked.

    Raises:
        WeightsError: The name is unknown, or the file is absent or damaged.

    Example:
        >>> path("pwcnet").name
        'pwcnet.safetensors'
    """
    found = state(name)
    if found is State.READY:
        return place(name)
    raise WeightsError(_complaint(name, found))


def listing() -> list[Listed]:
    """Entries of the table with the states of their files.

    Example:
        >>> [(listed.weight.name, str(listed.state)) for listed in listing()][0]
        ('pwcnet', 'ready')
    """
    return [Listed(weight, state(name), str(place(name))) for name, weight in TABLE.items()]


def verify() -> list[Problem]:
    """Problems of the files: one for each that is absent or damaged.

    Example:
        >>> verify()
        []
    """
    states = {name: state(name) for name in TABLE}
    return [Problem(name, _complaint(name, found)) for name, found in states.items() if found is not State.READY]


def place(name: str) -> Path:
    """Path of the file of ``name``, which is not checked.

    Raises:
        WeightsError: No weights have that name.

    Example:
        >>> place("alexnet").name
        'alexnet.safetensors'
    """
    return _PACKAGE / _entry(name).file


def _complaint(name: str, found: State) -> str:
    file = place(name)
    if found is State.ABSENT:
        return f"{file}: the weights {name} ({TABLE[name].purpose}) are not there. Install sdd-bench again."
    return (
        f"{file}: the weights {name} are damaged: expected sha256 {sha256(name)}, got {sha256_of(file)}. "
        "Install sdd-bench again."
    )


def _entry(name: str) -> Weight:
    if name not in TABLE:
        raise WeightsError(f"weights {name!r}: unknown; known: {', '.join(TABLE)}.")
    return TABLE[name]
