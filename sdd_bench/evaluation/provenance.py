"""Where numbers come from: tool version, commit, library versions, machine, date. Never a host name or a path."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sdd_bench

_LIBRARIES = (
    "torch",
    "numpy",
    "opencv-python-headless",
    "scipy",
    "scikit-image",
    "lpips",
    "rawpy",
    "imageio",
    "tifffile",
)


def provenance(device: str = "cpu") -> dict[str, Any]:
    """What was used to compute something now, as JSON values."""
    return {
        "tool_version": sdd_bench.__version__,
        "commit": commit(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "device": _device_name(device),
        },
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def commit() -> str:
    """The commit of the checkout this package runs from, ``+changes`` when files differ; empty when it is installed."""
    folder = Path(sdd_bench.__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return ""
    head = _git(folder, "rev-parse", "HEAD")
    return f"{head}+changes" if head and _git(folder, "status", "--porcelain", "--", ".") else head


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return device
