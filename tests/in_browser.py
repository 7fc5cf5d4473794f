"""Pages opened in a browser by the program ``browse.py``, in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 180


def visited(page: Path) -> dict[str, Any]:
    """What a browser saw of a page that is complete in itself."""
    return browsed("--alone", page)


def browsed(*arguments: str | Path) -> dict[str, Any]:
    """What ``browse.py`` saw. The test is skipped without Chromium and playwright, or fails where it must not be."""
    chromium = next((found for name in _NAMES if (found := shutil.which(name))), None)
    playwright = importlib.util.find_spec("playwright")
    lacking = [name for name, found in (("chromium", chromium), ("playwright", playwright)) if not found]
    if lacking:
        give_up = pytest.fail if os.environ.get("SDD_BENCH_NEEDS_BROWSER") else pytest.skip
        give_up(f"without {' and '.join(lacking)} the pages were not opened in a browser (apt-get install chromium)")
    command = [sys.executable, str(Path(__file__).with_name("browse.py")), *map(str, arguments), str(chromium)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, errors = process.communicate()
        pytest.fail(f"the browser had not finished after {_SECONDS} s\n{errors}")
    assert process.returncode == 0, errors
    return dict(json.loads(output))
