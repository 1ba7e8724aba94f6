"""The browser package in Node and in a headless Chromium, once it is built: `make web`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

import collagecodec

ROOT = Path(__file__).parents[2]
WEB, GOLDEN = ROOT / "web", ROOT / "tests" / "golden"
HASHES = {
    name: hashes
    for name, hashes in json.loads((GOLDEN / "index.json").read_text()).items()
    if "collage" in name or "tiled" in name
}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (WEB / "dist" / "index.js").exists(), reason="web/dist is not built")
in_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium with chromedriver here")
HOSTILE = {
    name: found
    for name, found in json.loads((GOLDEN / "hostile" / "index.json").read_text()).items()
    if "collage" in name
}
_HOSTILE = """
const [names, done] = arguments;
(async () => {
  const { Decoder } = await import("/dist/index.js");
  const decoder = await Decoder.create({ models: "/models/", workers: 2 }), found = {};
  for (const name of names)
    try {
      const picture = await decoder.open(`/files/${name}`), parts = [];
      for (const scale of [1, 2]) parts.push((await picture.decode({ scale })).data);
      const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
      found[name] = Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
    } catch (error) { found[name] = error.name; }
  decoder.close();
  return found;
})().then(done, (error) => done(`${error.name}: ${error.message}`));
"""
_HASHES = """
const [build, workers, names, done] = arguments;
(async () => {
  const { Decoder } = await import("/dist/index.js");
  const decoder = await Decoder.create({ models: "/models/", build, workers }), found = {};
  for (const name of names) {
    const picture = await decoder.open(`/files/${name}`);
    found[name] = {};
    for (const [key, scale] of [["native", 1], ["half", 0.5], ["double", 2]]) {
      const digest = await crypto.subtle.digest("SHA-256", (await picture.decode({ scale })).data);
      found[name][key] = Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
    }
  }
  decoder.close();
  return found;
})().then(done, (error) => done(`${error.name}: ${error.message}`));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")
def test_node() -> None:
    done = subprocess.run(["node", "--test", "test/"], cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    command = [sys.executable, str(WEB / "serve.py"), "--port", "0", "--files", str(GOLDEN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removesuffix("demo/")
        process.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    profile = tmp_path_factory.mktemp("profile")
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--window-size=1280,860", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(300)
    yield driver
    driver.quit()


@in_browser
@pytest.mark.browser
@pytest.mark.parametrize(("build", "workers"), [("simd128", 0), ("relaxed", 2)])
def test_chromium_decodes_golden_files_to_the_same_pixels(
    browser: WebDriver, server: str, build: str, workers: int
) -> None:
    browser.get(f"{server}demo/style.css")
    names = sorted(HASHES if workers else set(HASHES) - {"v1-tiled.clg", "v1-second-tiled.clg"})
    found = browser.execute_async_script(_HASHES, build, workers, names)
    assert found == {name: HASHES[name] for name in names}


@in_browser
@pytest.mark.browser
def test_chromium_treats_hostile_files_as_the_reference_does(browser: WebDriver, server: str) -> None:
    browser.get(f"{server}demo/style.css")
    found = browser.execute_async_script(_HOSTILE, sorted(HOSTILE))
    assert found == {name: value if len(value) == 64 else "FormatError" for name, value in HOSTILE.items()}


@in_browser
@pytest.mark.browser
def test_the_demonstration(browser: WebDriver, server: str) -> None:
    browser.get(f"{server}demo/?src=/files/v1-tiled.clg")
    browser.execute_async_script(
        "const done = arguments[0];"
        "const wait = () => globalThis.demo?.view.complete ? done() : setTimeout(wait, 50); wait();"
    )
    browser.execute_script("demo.view.show(300, 400, 1)")
    browser.execute_async_script(
        "const done = arguments[0], wait = () => demo.view.complete ? done() : setTimeout(wait, 50);"
        "requestAnimationFrame(() => setTimeout(wait, 50));"
    )
    shown = browser.execute_script(
        "const canvas = demo.view.shadowRoot.querySelector('canvas');"
        "const at = (x, y) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3);"
        "return [canvas.width, canvas.height, at(canvas.width >> 1, canvas.height >> 1)];"
    )
    pixels = collagecodec.decode((GOLDEN / "v1-tiled.clg").read_bytes(), region=(295, 395, 10, 10))
    nearest = np.abs(pixels.reshape(-1, 3).astype(int) - shown[2]).max(1).min()
    assert nearest <= 3, shown
    assert "1,060 \N{MULTIPLICATION SIGN} 1,100" in browser.find_element("id", "facts").text
