"""Every network that runs by name, small enough to run in a moment."""

from typing import Any

NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("unet", {"width": 4, "dropout": 0.0}),
    ("unet-released", {"width": 4, "dropout": 0.0}),
    ("unet-small", {"width": 4}),
    ("unet-folded", {"width": 8, "blocks": (1, 1)}),
    ("unet-laplacian", {"width": 8, "blocks": (1, 1)}),
    ("mprnet", {"width": 8, "depth": 1}),
    ("dmphn", {"width": 4}),
    ("dpdnet", {"width": 4, "dropout": 0.0}),
    ("kpac", {"width": 8}),
    ("kpac-2level", {"width": 8}),
    ("ifan", {"width": 4, "iterations": 3}),
    ("ifan-released", {"width": 4, "iterations": 3}),
    ("drbnet", {"width": 4}),
    ("restormer", {"width": 4, "blocks": (1, 1, 1, 1), "refinement": 1}),
    ("nafnet", {"width": 8, "encoder": (1, 1, 1, 2), "middle": 1, "decoder": (1, 1, 1, 1)}),
]
NAMES = [name for name, _ in NETWORKS]
