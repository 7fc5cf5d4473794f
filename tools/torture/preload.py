"""Import once what the commands use, so that a forked process starts at once."""

from __future__ import annotations

import importlib
import pkgutil


def preload() -> None:
    """Import the whole package, but for what needs an extra that is not installed."""
    import sdd_bench

    for module in pkgutil.walk_packages(sdd_bench.__path__, "sdd_bench."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError:
                continue
