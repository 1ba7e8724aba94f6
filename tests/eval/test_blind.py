"""The blind comparison: its page, driven in a headless Chromium, and the preference over saved choices."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from scenes import scene
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from eval.harness import catalogue
from eval.harness.preference import Preference, counted
from eval.report.blind import pairs
from eval.report.crops import calmest

Command = Callable[..., Result]


@pytest.mark.parametrize(
    ("first", "second", "same", "share", "low", "high"),
    [
        (5, 5, 0, 0.5, 0.2366, 0.7634),  # Wilson's interval as in Newcombe 1998, table I
        (81, 182, 0, 0.3080, 0.2553, 0.3662),
        (0, 20, 0, 0.0, 0.0, 0.1611),
        (4, 4, 2, 0.5, 0.2366, 0.7634),
    ],
)
def test_the_interval_is_wilsons(
    first: int, second: int, same: int, share: float, low: float, high: float
) -> None:
    found = Preference(first, second, same)
    assert found.share == pytest.approx(share, abs=5e-5)
    assert found.interval == pytest.approx((low, high), abs=5e-5)


def test_nothing_chosen_says_nothing() -> None:
    assert counted([]).interval == (0, 1)
    with pytest.raises(ValueError, match="'left'"):
        counted([{"choice": "left"}])


def test_pairs_are_of_equal_size_and_keep_their_order() -> None:
    image = scene(2, 160, 120)
    sweeps = [catalogue.known()["collage"], catalogue.known()["webp"]]
    for order in (sweeps, sweeps[::-1]):
        (pair,) = pairs("a", image, order, 1.0, 64, ["busiest"])
        assert pair.bpp[0] == pytest.approx(pair.bpp[1], rel=0.03)
        assert len(set(pair.coded)) == 2
    assert pair.coded[::-1] == pairs("a", image, sweeps, 1.0, 64, ["busiest"])[0].coded
    with pytest.raises(ValueError, match="bytes"):
        pairs("a", image, sweeps, 0.001, 64, ["busiest"])


def test_the_calmest_window() -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    image[110:180, 210:290] = 90
    assert calmest(image, 60) == (210, 120)


@pytest.mark.browser
def test_the_page(browser: WebDriver, command: Command, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "blind.html"
    words = ("--data", folder, "--limit", 2, "--rates", "1,2", "--crop-size", 64, "--windows", "busiest")
    done = command("blind", *words, "--codecs", "collage;webp", "--out", page)
    assert done.exit_code == 0, done.output
    assert "4 pairs" in done.output
    browser.get(page.as_uri())
    body = browser.find_element(By.TAG_NAME, "body")
    assert body.get_attribute("data-ready") == "yes"
    assert "collage" not in body.text  # blind
    images = browser.find_elements(By.CSS_SELECTOR, ".pane img")
    shown = [image.get_attribute("src") for image in images]
    assert shown[0] != shown[1]
    ActionChains(browser).key_down("o").perform()
    assert images[0].get_attribute("src") == images[1].get_attribute("src") not in shown
    ActionChains(browser).key_up("o").perform()
    assert [image.get_attribute("src") for image in images] == shown
    _press(browser, Keys.ARROW_LEFT, Keys.BACKSPACE, "f", "+")
    assert "scale(2)" in (images[0].get_attribute("style") or "")
    assert len([pane for pane in browser.find_elements(By.CLASS_NAME, "pane") if pane.is_displayed()]) == 1
    _press(browser, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    browser.refresh()  # goes on where it was left
    assert browser.find_element(By.ID, "progress").text == "3 of 4"
    _press(browser, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    saved = tmp_path / "choices.json"
    saved.write_text(browser.find_element(By.TAG_NAME, "body").get_attribute("data-result") or "")
    choices = json.loads(saved.read_text())["choices"]
    assert sorted(choice["rate"] for choice in choices) == [1, 1, 2, 2]
    found = counted(choices)
    assert (found.count, found.same) == (4, 1)
    low, high = (f"{100 * end:.1f} %" for end in found.interval)
    assert (
        f"{100 * found.share:.1f} % of 4 choices ({low} to {high})"
        in browser.find_element(By.ID, "headline").text
    )
    # The side of each choice, taken back to the codec, is what was pressed.
    pressed = ["left", "right", "same", "left"]
    for choice, side in zip(choices, pressed, strict=True):
        on_left = "first" if choice["left"] == "collage" else "second"
        on_right = "second" if on_left == "first" else "first"
        assert choice["choice"] == {"left": on_left, "right": on_right, "same": "same"}[side]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    pooled = command("blind", saved, saved)
    assert pooled.exit_code == 0, pooled.output
    assert f"| all | {2 * found.first} | {2 * found.second} | 2 |" in pooled.output
    assert "| 1 bpp |" in pooled.output


def _press(browser: WebDriver, *keys: str) -> None:
    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def test_what_cannot_be_compared(command: Command, folder: Path, tmp_path: Path) -> None:
    words = ("blind", "--data", folder, "--out", tmp_path / "blind.html")
    assert "names 3" in command(*words, "--codecs", "jpeg;webp;png").output
    assert "no window 'sky'" in command(*words, "--windows", "sky").output
    (tmp_path / "no.json").write_text("{}")
    assert "holds no choices" in command("blind", tmp_path / "no.json").output
    done = command(*words, "--codecs", "jpeg;webp", "--rates", "0.001", "--limit", 1)
    assert done.exit_code == 1
    assert "left out a.png" in done.output
