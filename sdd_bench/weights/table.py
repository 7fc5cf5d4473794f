"""The table of weights, and the cache folder the fetched ones live in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Weight:
    """One file of weights."""

    name: str
    purpose: str
    licence: str
    sha256: str
    n_bytes: int
    file: str
    """Below the package for a bundled file, below the cache folder for a fetched one."""
    bundled: bool


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
            bundled=True,
        ),
        Weight(
            name="unet-small-jdrl",
            purpose="deblurring, as an example",
            licence="Apache-2.0",
            sha256="dd995085ae5bf3d4fabd4a2d110a8472390184915520618de6924378ddc9d5b3",
            n_bytes=4_322_366,
            file="models/weights/unet-small-jdrl.safetensors",
            bundled=True,
        ),
        Weight(
            name="alexnet",
            purpose="LPIPS backbone",
            licence="BSD-3-Clause (torchvision); trained on ImageNet",
            sha256="9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
            n_bytes=9_879_632,
            file="alexnet.safetensors",
            bundled=False,
        ),
    )
}
