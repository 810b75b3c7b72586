"""The page in a real Chromium: what it shows, what it complains of, what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hack.browser import browser
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import URL

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.http.server import ApiServer
from cryptosource_api.settings import ApiSettings

DESK, PHONE = (1280, 900), (360, 740)

UNREADABLE = """
() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => {
      v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(each).backgroundColor);
      if (a === 1) return [r, g, b];
      if (a > 0) throw new Error(`half-transparent ground of ${each.outerHTML.slice(0, 80)}`);
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  };
  const wrong = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("title, desc, script")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const ink = channels(element.closest("svg") ? style.fill : style.color);
    const [one, other] = [luminance(ink), luminance(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    seen += 1;
    if (ratio < 4.5) wrong.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
  }
  return { seen, wrong };
}
"""
"""Text whose contrast with its ground is less than WCAG's 4.5, and how many texts there are."""

WIDER_THAN_SCREEN = """
() => {
  const width = document.documentElement.clientWidth;
  const boxed = (e) => [...document.querySelectorAll(".scroll, pre")].some((box) => box !== e && box.contains(e));
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll("*")]
    .filter((e) => e.getBoundingClientRect().right > width + 1 && !boxed(e) && !e.closest(".sr"))
    .map((e) => e.outerHTML.slice(0, 120)).slice(0, 5).concat(["the page scrolls sideways"]);
}
"""


@dataclass
class Visit:
    """A page that is looked at, and what it has complained of."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Look at another page; what the last one has complained of is forgotten."""
        self.complaints.clear()
        self.page.goto(self.address + path)

    def tour(self, paths: Mapping[str, str]) -> Iterator[str]:
        """Look at one page after the other: name -> path. Yields the names."""
        for name, path in paths.items():
            self.go(path)
            yield name

    @property
    def main(self) -> str:
        """All text of the page's main part."""
        return self.page.locator("main").inner_text()


@dataclass(frozen=True)
class Site:
    """A served page and a browser to look at it with."""

    address: str
    chromium: Browser

    @contextmanager
    def visit(
        self, path: str, size: tuple[int, int] = DESK, *, dark: bool = False, **options: Any
    ) -> Iterator[Visit]:
        """Open a page in a context of its own.

        Args:
            path: of the page.
            size: of the screen.
            dark: the person prefers a dark page.
            options: of `Browser.new_context`.
        """
        width, height = size
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **options,
        )
        visit = Visit(context.new_page(), self.address)
        note = visit.complaints.append
        visit.page.on(
            "console",
            lambda said: note(said.text) if said.type in {"error", "warning"} else None,
        )
        visit.page.on("pageerror", lambda error: note(str(error)))
        try:
            visit.go(path)
            yield visit
        finally:
            context.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a headless Chromium.

    Its driver runs an event loop in this thread, so nothing else may run one meanwhile.
    """
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser())
        yield started
        started.close()


@contextmanager
def served(url: URL, **settings: Any) -> Iterator[ApiServer]:
    """Yield an API on that database, listening on a free port."""
    chosen = ApiSettings(port=0, version_check_seconds=0.0, **settings)
    engine = api_engine(url, chosen)
    server = ApiServer(create_app(chosen, engine), chosen)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        engine.dispose()
