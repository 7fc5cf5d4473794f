"""The picture of a leaderboard in README and docs: the demo's own board, as a browser shows it.

    sdd-bench demo -o demo
    python tools/board_picture.py demo docs/images/leaderboard.png

It renders the board of the demo anew (tables alone) and takes its picture with Chromium, which must be installed
(apt-get install chromium), through playwright. No figure in it is made up.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from sdd_bench.leaderboard.site.site import render_site

WIDTH = 1400
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]


def take(page: Path, chromium: str) -> bytes:
    """PNG of the first table of a board, with its heading."""
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium,
            args=ARGUMENTS,
            headless=True,
            viewport={"width": WIDTH, "height": 900},
            color_scheme="light",
        )
        opened = context.new_page()
        opened.goto(page.as_uri())
        opened.locator("section form").first.evaluate("(form) => { form.remove(); }")
        picture = opened.locator("section").first.screenshot()
        context.close()
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder of a finished demo")
    parser.add_argument("out", type=Path, help="PNG to write")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        picture = take(render_site(given.demo / "leaderboards", Path(folder), title="sdd-bench demo"), chromium)
    colours = Image.open(io.BytesIO(picture)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    colours.save(given.out, optimize=True)
    print(f"{given.out}: {colours.width}x{colours.height}, {given.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
