"""Drive a rendered site in a headless browser and print what was seen as JSON.

Run as a program (``python tests/browse.py SITE ARTIFACTS CHROMIUM``), so that a browser that hangs can be ended.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, Request, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
TIMEOUT_MS = 15_000

NAMELESS = """() => {
  const nameless = [];
  for (const element of document.querySelectorAll("button, select, input, a[href], [role=region]")) {
    if (element.getAttribute("aria-hidden") === "true") continue;
    const label = element.getAttribute("aria-label") || element.textContent.trim()
      || (element.labels && element.labels.length && element.labels[0].textContent.trim());
    if (!label) nameless.push(element.outerHTML.slice(0, 120));
  }
  document.querySelectorAll("img:not([alt])").forEach((image) => nameless.push(image.outerHTML.slice(0, 120)));
  document.querySelectorAll("thead tr:not(.groups) th:not([scope])").forEach((th) => nameless.push(th.outerHTML));
  return nameless;
}"""
FIRST_COLUMN = """(rows) => rows.filter((row) => !row.hidden).map((row) => row.cells[0].dataset.value)"""


class Visit:
    """One page, and all it complained about or asked for."""

    def __init__(self, context: BrowserContext, path: Path, complaints: list[str]) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("console", lambda message: complaints.append(f"{path.name}: {message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: complaints.append(f"{path.name}: {error}"))
        self.page.on("dialog", lambda dialog: complaints.append(f"{path.name}: dialog") or dialog.dismiss())
        self.page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:")) else complaints.append(f"asked for {request.url}")
            ),
        )
        self.page.on("requestfailed", lambda request: self._failed(request, complaints))
        self._path = path
        self.page.goto(path.as_uri())

    def _failed(self, request: Request, complaints: list[str]) -> None:
        """A picture that was still loading when the page was left is no fault of the page."""
        if request.failure != "net::ERR_ABORTED":
            complaints.append(f"{self._path.name}: failed {request.url}: {request.failure}")

    def names(self, table: str) -> list[str]:
        """First cells of the rows that are shown."""
        return list(self.page.eval_on_selector_all(f"#{table} tbody tr", FIRST_COLUMN))


def look_at_index(visit: Visit, seen: dict[str, Any], artifacts: Path) -> None:
    """Sort by keyboard, filter, choose rows and columns, turn dark."""
    page = visit.page
    seen["start"] = visit.names("table-1")
    heading = page.locator("#table-1 thead th.m-mae.g-raw")
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    seen["sorted"], seen["aria_sort"] = visit.names("table-1"), [heading.get_attribute("aria-sort")]
    page.keyboard.press("Enter")
    seen["sorted_again"] = visit.names("table-1")
    seen["aria_sort"].append(heading.get_attribute("aria-sort"))
    form = page.locator("form[data-filter=table-1]")
    form.locator("input[type=search]").fill("network b")
    seen["filtered"], seen["status"] = visit.names("table-1"), form.locator("[role=status]").inner_text()
    form.locator("input[type=search]").fill("")
    form.locator("[data-most=params]").fill("10")
    seen["at_most"] = visit.names("table-1")
    form.locator("[data-most=params]").fill("")
    form.locator("select").select_option("paper")
    seen["n_paper"] = len(visit.names("table-1"))
    form.locator("select").select_option("")
    form.get_by_label("SSIM").uncheck()
    seen["ssim_hidden"] = page.locator("#table-1 td.m-ssim:visible").count() == 0
    form.get_by_label("SSIM").check()
    form.get_by_label("shown").uncheck()
    seen["cost_hidden"] = page.locator("#table-1 td.m-cost:visible").count() == 0
    form.get_by_label("shown").check()
    page.locator("#table-1 thead th.m-psnr.g-registered button").click()
    seen["nameless"] += page.evaluate(NAMELESS)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=artifacts / "leaderboard-light.png")
    page.locator("#theme").click()
    seen["dark"] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.screenshot(path=artifacts / "leaderboard-dark.png")


def look_at_picture(visit: Visit, seen: dict[str, Any], artifacts: Path) -> None:
    """Move the divider by key and by pointer, change method and layers."""
    page = visit.page
    at = "document.querySelector('.stage').style.getPropertyValue('--at')"
    page.wait_for_function("document.querySelector('.stage .under').naturalWidth > 0")
    seen["divider"] = [page.evaluate(at)]
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    seen["divider"].append(page.evaluate(at))
    box = page.locator(".stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    seen["divider"].append(page.evaluate(at))
    look_beside(page, seen)
    seen["valuetext"] = page.locator("input[type=range]").get_attribute("aria-valuetext")
    under = page.locator(".stage .under")
    first = under.get_attribute("src")
    page.screenshot(path=artifacts / "picture.png", full_page=True)
    page.locator("tr[data-set-row] button").nth(1).click()
    seen["method_changed"] = under.get_attribute("src") != first
    page.locator("select[data-side=right]").select_option("registered")
    seen["alt"] = under.get_attribute("alt")
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    seen["nameless"] += page.evaluate(NAMELESS)


TRANSFORMS = """() => [...document.querySelectorAll(".pane img")].map((image) => getComputedStyle(image).transform)"""
BOXES = """() => [...document.querySelectorAll(".pane")].map((pane) => {
  const box = pane.getBoundingClientRect();
  return [box.left, box.top, box.width, box.height];
})"""


def look_beside(page: Page, seen: dict[str, Any]) -> None:
    """Two methods side by side: zoom by button, key and wheel, move by pointer and key; and back."""
    left = page.locator(".over img")
    zoomed = page.locator("[data-zoom-now]")
    page.get_by_label("side by side").check()
    seen["beside"] = [left.get_attribute("alt"), page.locator(".under").get_attribute("alt")]
    seen["panes"] = sorted(page.evaluate(BOXES))
    page.get_by_role("button", name="Zoom in").click()
    page.locator(".stage").focus()
    page.keyboard.press("+")
    seen["zooms"] = [zoomed.inner_text()]
    before = page.evaluate(TRANSFORMS)
    box = page.locator(".pane.left").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 40, box["y"] + box["height"] / 2 - 20, steps=3)
    page.mouse.up()
    after = page.evaluate(TRANSFORMS)
    seen["transforms"] = [before, after]
    page.keyboard.press("ArrowRight")
    seen["transforms"].append(page.evaluate(TRANSFORMS))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_function("document.querySelector('[data-zoom-now]').textContent !== '2.3×'")
    seen["zooms"].append(zoomed.inner_text())
    page.get_by_role("button", name="A pixel of the picture").click()
    seen["scale"] = page.evaluate(
        "() => { const i = document.querySelector('.under'); return i.getBoundingClientRect().width / i.naturalWidth; }"
    )
    page.get_by_role("button", name="The whole picture").click()
    seen["zooms"].append(zoomed.inner_text())
    page.locator("select[data-side=left]").select_option("blurry")
    page.get_by_label("side by side").uncheck()


CUT = """() => [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => box.getAttribute("aria-label") + ": " + box.scrollWidth + " in " + box.clientWidth)"""


def look_at_widths(context: BrowserContext, paths: list[Path], seen: dict[str, Any], complaints: list[str]) -> None:
    """What is cut off at the right of tables, on screens of common widths, with all that folds unfolded."""
    seen["cut"] = []
    for path in paths:
        page = Visit(context, path, complaints).page
        for width in (1400, 1500, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
            seen["cut"] += [f"{path.parent.name} at {width}: {text}" for text in page.evaluate(CUT)]


def main(site: Path, artifacts: Path, chromium: str) -> None:
    """Visit every kind of page, wide and narrow."""
    artifacts.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    seen: dict[str, Any] = {"nameless": [], "too_wide": []}
    method = next(site.glob("*/methods/network-a*.html"))
    picture = next(site.glob("*/pictures/picture0*.html"))
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium,
            args=ARGUMENTS,
            headless=True,
            timeout=30_000,
            viewport={"width": 1400, "height": 900},
            color_scheme="light",
            reduced_motion="reduce",
        )
        look_at_index(Visit(context, site / "index.html", complaints), seen, artifacts)
        wide = Visit(context, method, complaints)
        seen["nameless"] += wide.page.evaluate(NAMELESS)
        wide.page.screenshot(path=artifacts / "method.png")
        look_at_picture(Visit(context, picture, complaints), seen, artifacts)
        look_at_widths(context, [site / "index.html", method, picture], seen, complaints)
        for path in (site / "index.html", method, picture):
            phone = Visit(context, path, complaints).page
            phone.set_viewport_size({"width": 390, "height": 844})
            phone.reload()
            if phone.evaluate("document.documentElement.scrollWidth > innerWidth"):
                seen["too_wide"].append(path.name)
            phone.screenshot(path=artifacts / f"phone-{path.parent.name}.png")
        context.close()
    seen["complaints"] = complaints
    print(json.dumps(seen))


def look_alone(path: Path, chromium: str) -> None:
    """Visit one page that is complete in itself, on screens of common widths and on a phone."""
    complaints: list[str] = []
    seen: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=ARGUMENTS, headless=True, timeout=30_000
        )
        look_at_widths(context, [path], seen, complaints)
        page = Visit(context, path, complaints).page
        page.set_viewport_size({"width": 390, "height": 844})
        seen["too_wide"] = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        seen["nameless"] = page.evaluate(NAMELESS)
        for image in page.locator("img").all():
            if image.is_visible():
                image.scroll_into_view_if_needed()
        page.wait_for_function("[...document.images].every((one) => !one.offsetParent || one.naturalWidth > 0)")
        context.close()
    print(json.dumps(seen | {"complaints": complaints}))


if __name__ == "__main__":
    if sys.argv[1] == "--alone":
        look_alone(Path(sys.argv[2]), sys.argv[3])
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
