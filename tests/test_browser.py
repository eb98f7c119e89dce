"""The committed report in a browser: whole, on its own, and readable on phones and desks."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PAGE = (Path(__file__).resolve().parents[1] / "reports/index.html").as_uri()
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WIDTHS = [400, 1400]  # px

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs Chromium and ChromeDriver, which pip does not install"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-sync", "--disable-background-networking",
        "--disable-component-update", f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(scope="module", params=WIDTHS)
def opened(browser: Any, request: pytest.FixtureRequest) -> Any:
    """The browser with the report open, `width` pixels wide, and all its images asked for."""
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("performance"), browser.get_log("browser")  # forget the page before
    browser.get(PAGE)
    browser.execute_async_script(
        "const done = arguments[0];"
        "const images = [...document.images].map(image => { image.loading = 'eager';"
        "  return image.decode().catch(() => null); });"
        "Promise.all(images).then(done);"
    )
    assert browser.execute_script("return innerWidth") == request.param
    return browser


def test_every_image_loads(opened: Any) -> None:
    images = opened.execute_script(
        "return [...document.images].map(i => [i.getAttribute('src'), i.complete, i.naturalWidth])"
    )
    assert len(images) > 20
    assert [source for source, complete, width in images if not complete or width < 300] == []


def test_nothing_is_asked_of_another_place(opened: Any) -> None:
    entries = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    requests = [e["params"] for e in entries if e["method"] == "Network.requestWillBeSent"]
    # A browser that is slow to start may still be loading its own first page.
    asked = {each["request"]["url"] for each in requests if each["documentURL"] == PAGE}
    assert PAGE in asked
    assert {url for url in asked if not url.startswith(("file:", "data:"))} == set()
    assert opened.get_log("browser") == []


def test_the_page_fits_the_window(opened: Any) -> None:
    """Only tables may be wider than the window; they scroll by themselves."""
    width = opened.execute_script("return innerWidth")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    beyond = opened.execute_script(
        "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll')"
        "  && !e.closest('thead') && e.getBoundingClientRect().right > innerWidth + 1)"
        "  .map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def test_words_and_figures_are_large_enough(opened: Any) -> None:
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('p, li, td, th, figcaption, dt, dd')]"
        "  .map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 14  # px
    width = opened.execute_script("return innerWidth")
    shown = opened.execute_script(
        "return [...document.images].map(i => [i.getBoundingClientRect().width,"
        "  i.closest('a') && i.closest('a').getAttribute('href')])"
    )
    assert min(shown_width for shown_width, _ in shown) >= min(0.85 * width, 700)
    # A phone shows figures at a third of their size: a touch opens the file.
    assert all(link for _, link in shown)
