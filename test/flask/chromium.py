"""Debian's Chromium for the tests: one window, with a profile of its own.  conftest.py makes the fixtures known.

Screenshots go to the folder in QUOTA_SCREENSHOTS, else to pytest's temporary folder: look at them.
"""

import os
import shutil
from pathlib import Path

import pytest
from conftest import PASSWORD
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --hide-scrollbars"
).split()
DESKTOP, PHONE = (1200, 850), (390, 800)


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, base, profile):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.base = base
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)

    def look(self, size=DESKTOP, dark=False):
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, path):
        self.driver.get(self.base + path)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, condition, seconds=60):
        return WebDriverWait(self.driver, seconds).until(lambda _: condition())

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        return self.driver.switch_to.active_element

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def sign_in(self, email, password=PASSWORD):
        self.driver.delete_all_cookies()
        self.open("/sign-in")
        self.find("[name=email]").send_keys(email)
        self.find("[name=password]").send_keys(password, Keys.ENTER)
        self.wait(lambda: self.all("#upload"))

    def dialog_is_open(self):
        return self.run("return document.getElementById('paywall').open")


@pytest.fixture(scope="module")
def browser(server, tmp_path_factory):
    assert shutil.which("chromium") and shutil.which("chromedriver"), "install chromium and chromium-driver"
    browser = Browser(server, tmp_path_factory.mktemp("profile"))
    browser.look()
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    given = os.environ.get("QUOTA_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    print(f"\nscreenshots: {folder}")
    return folder


@pytest.fixture
def no_script_errors(browser):
    browser.driver.get_log("browser")
    yield
    wrong = [
        entry["message"]
        for entry in browser.driver.get_log("browser")
        if entry["level"] == "SEVERE" and not any(f"status of {code}" in entry["message"] for code in (402, 403, 413))
    ]
    assert wrong == []
