"""The pictures of docs/page.md: seeded pages on a desk and on a phone, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hack.browser import browser
from playwright.sync_api import Browser, Page, sync_playwright

VISITS = 5
MAX_PAINT_MS = 1000
"""What is promised of the first paint on the machine that serves it; beyond it `take` fails."""
GREY = ["--disable-lcd-text"]
"""Edges of letters without colours: the same on every machine, and smaller files."""
PAINT = """() => new Promise((told) => new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint")[0];
  if (paint) told(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture."""

    name: str
    path: str
    phone: bool = False
    dark: bool = False
    whole: bool = False
    """As high as the page is, instead of a screen."""


PICTURES = (
    Picture(name="sources", path="/", whole=True),
    Picture(name="sources-dark", path="/", dark=True, whole=True),
    Picture(name="sources-phone", path="/", phone=True),
    Picture(name="source", path="/sources/research/desk-prices", whole=True),
    Picture(name="source-dark", path="/sources/crypto/coinpaprika", dark=True, whole=True),
    Picture(name="source-phone", path="/sources/research/desk-prices", phone=True),
    Picture(name="coins", path="/coins"),
    Picture(name="coins-phone-dark", path="/coins", phone=True, dark=True),
    Picture(name="coin-dark", path="/coins/BTC", dark=True),
    Picture(name="coin-phone", path="/coins/BTC", phone=True),
    Picture(name="run", path="/runs?source=coinpaprika", whole=True),
)


def take(address: str, folder: Path) -> bool:
    """Take every picture; return whether the first paint is as soon as is promised.

    Args:
        address: of an API on the showcase.
        folder: where NAME.png goes; made when it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=GREY)
        for picture in PICTURES:
            _take(chromium, address, picture, folder / f"{picture.name}.png")
        print("first paint, of five visits without a cache:", flush=True)
        medians = []
        for path in ("/", "/sources/crypto/coinpaprika", "/coins", "/coins/BTC", "/runs"):
            paints = sorted(_first_paint(chromium, address + path) for _ in range(VISITS))
            medians.append(paints[VISITS // 2])
            print(f"  {path:<28} median {medians[-1]:.0f} ms, worst {paints[-1]:.0f} ms")
        chromium.close()
    return max(medians) <= MAX_PAINT_MS


def _first_paint(chromium: Browser, address: str) -> float:
    """Return the milliseconds from asking for a page to its first contentful paint."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address)
    paint = float(page.evaluate(PAINT))
    context.close()
    return paint


def _take(chromium: Browser, address: str, picture: Picture, file: Path) -> None:
    context = chromium.new_context(
        viewport=PHONE if picture.phone else DESK,  # type: ignore[arg-type]
        color_scheme="dark" if picture.dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(address + picture.path)
    if picture.name == "run":
        _open_newest_run(page)
    page.screenshot(path=file, full_page=picture.whole)
    context.close()
    print(f"{file.name}  {file.stat().st_size / 1000:.0f} kB", flush=True)


def _open_newest_run(page: Page) -> None:
    page.locator("tbody th a").first.click()
    page.wait_for_url("**/runs/*")
