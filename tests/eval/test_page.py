"""The report's page, opened from disk in a headless Chromium."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = pytest.mark.browser


def _texts(browser: WebDriver, selector: str) -> list[str]:
    return [str(element.text) for element in browser.find_elements(By.CSS_SELECTOR, selector)]


def _click(browser: WebDriver, selector: str, text: str) -> None:
    buttons = browser.find_elements(By.CSS_SELECTOR, selector)
    next(button for button in buttons if button.text == text).click()


def test_the_page(browser: WebDriver, command: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    codecs = "jpeg@quality=20/50/80/95;webp@quality=10/40/80/100"
    crops = ("--crop-size", 32, "--crops", 2, "--rates", "2", "--crop-codecs", codecs)
    runs = {
        "rd": ("--codecs", codecs, "--psnr-only"),
        "timing": ("--codecs", codecs, "--limit", 1, "--repeats", 1, "--points", 2, "--no-memory"),
        "report": crops,
    }
    for name, options in runs.items():
        words = (name, "--data", folder, "--out", out, *options)
        done = command(*words)
        assert done.exit_code == 0, done.output
    assert (out / "rd_psnr.svg").read_text().startswith("<?xml")
    browser.get((out / "report.html").as_uri())
    assert browser.find_element(By.TAG_NAME, "body").get_attribute("data-ready") == "yes"
    _curves(browser)
    _tables(browser)
    _crops(browser)
    # The browser's log holds script errors and whatever it tried to fetch.
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    page = (out / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert str(tmp_path) not in page


def _curves(browser: WebDriver) -> None:
    lines = "#curve-chart polyline"
    assert len(browser.find_elements(By.CSS_SELECTOR, lines)) == 2
    before = browser.find_element(By.CSS_SELECTOR, lines).get_attribute("points")
    _click(browser, "#curve-controls button", "linear")
    assert browser.find_element(By.CSS_SELECTOR, lines).get_attribute("points") != before
    webp = next(text for text in _texts(browser, "#legend button") if text.startswith("webp"))
    _click(browser, "#legend button", webp)
    assert len(browser.find_elements(By.CSS_SELECTOR, lines)) == 1
    _click(browser, "#legend button", "all")
    point = browser.find_elements(By.CSS_SELECTOR, "#curve-chart circle")[1]
    webdriver.ActionChains(browser).move_to_element(point).perform()
    assert "bpp" in browser.find_element(By.ID, "tip").text
    assert len(browser.find_elements(By.CSS_SELECTOR, "#timing-chart polyline")) == 2


def _tables(browser: WebDriver) -> None:
    cells = _texts(browser, "#bd-table td")
    assert len(cells) == 4
    assert cells[0] == cells[3] == "·"
    browser.find_elements(By.CSS_SELECTOR, "#rows-table th")[5].click()
    column = [float(text) for text in _texts(browser, "#rows-table tbody td:nth-child(6)")]
    assert len(column) == 3 * 8
    assert column == sorted(column)
    browser.find_element(By.CSS_SELECTOR, "#rows-controls input").send_keys("webp b.png")
    assert len(_texts(browser, "#rows-table tbody tr")) == 4


def _crops(browser: WebDriver) -> None:
    stage = browser.find_element(By.ID, "stage")
    front = stage.get_attribute("data-front")
    stage.click()
    assert stage.get_attribute("data-front") != front
    _click(browser, "#crop-controls button", "+")
    assert float(stage.get_attribute("data-zoom") or 0) == 4
    assert all(image.get_property("naturalWidth") == 32 for image in stage.find_elements(By.TAG_NAME, "img"))
    _click(browser, "#crop-controls button", "Split")
    assert stage.find_element(By.CLASS_NAME, "seam").is_displayed()
