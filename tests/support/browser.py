"""A real Chromium without a screen, driven by its own driver; it calls nobody but the service."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1280,800",
)  # fmt: skip


@contextmanager
def browsing(language: str = "sv") -> Iterator[Chrome]:
    """A browser with an empty profile. Fails where Chromium is not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert None not in {browser, driver}, "install chromium and chromium-driver: see README"
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = str(browser)
        for argument in (*QUIET, f"--user-data-dir={profile}", f"--lang={language}"):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        chrome = Chrome(options=options, service=ChromeService(driver))
        try:
            yield chrome
        finally:
            chrome.quit()


def complaints(chrome: Chrome) -> list[str]:
    """What the browser has logged since it was last asked."""
    entries: list[dict[str, Any]] = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    return [str(entry["message"]) for entry in entries]


def violations(chrome: Chrome, *tags: str) -> list[dict[str, Any]]:
    """What axe-core finds against the rules of these tags."""
    chrome.execute_script((files("axe_core_python") / "axe.min.js").read_text("utf-8"))
    result = chrome.execute_async_script(
        "const [tags, done] = arguments;"
        "axe.run(document, {runOnly: {type: 'tag', values: tags}}).then(done);",
        list(tags),
    )
    assert result["passes"]
    found: list[dict[str, Any]] = result["violations"]
    return found
