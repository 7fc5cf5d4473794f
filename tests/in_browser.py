"""A page that is complete in itself, opened in a browser by the program ``browse.py``."""

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

_SECONDS = 180


def visited(page: Path) -> dict[str, Any]:
    """What a browser saw of a page; the test is skipped without Chromium and playwright, or fails where it must not."""
    chromium = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if chromium is None or importlib.util.find_spec("playwright") is None:
        give_up = pytest.fail if os.environ.get("SDD_BENCH_NEEDS_BROWSER") else pytest.skip
        give_up("without chromium and playwright the page was not opened in a browser (apt-get install chromium)")
    command = [sys.executable, str(Path(__file__).with_name("browse.py")), "--alone", str(page), str(chromium)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"the browser had not finished after {_SECONDS} s\n{process.communicate()[1]}")
    assert process.returncode == 0, errors
    return dict(json.loads(output))
