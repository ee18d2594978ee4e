"""The console in Debian's Chromium: every page in wide, 360 pixels and dark, by keyboard, without a script; and what
operators do there, from the form to what they are told.
"""

import copy
import secrets

import pytest
from chromium import DESKTOP, Browser
from console import PASSWORD, make_operator
from docapp import config
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from sqlalchemy import text
from test_console_catalog import apply

NARROW = (360, 800)


def sign_in(window, email):
    window.driver.delete_all_cookies()
    window.open("/console/sign-in")
    window.find("[name=email]").send_keys(email)
    window.find("[name=password]").send_keys(PASSWORD, Keys.ENTER)
    window.wait(lambda: window.all("nav[aria-label=Console]"))


@pytest.fixture
def console(browser, app):
    """The browser with an operator who may act."""
    sign_in(browser, make_operator(app, "admin"))
    return browser


@pytest.fixture
def pages(seeded, app):
    """The console's pages, name and path, for customers with a history."""
    with app.db.reader.connect() as connection:
        slugs = dict(connection.execute(text("SELECT name, slug FROM docapp.workspaces")).all())
    team, close = slugs["Marsh & Partners"], slugs["Carter"]
    return {
        "walls": "/console/",
        "customers": "/console/customers",
        "use": f"/console/use?subject={team}&feature=llm_tokens&days=90&by=child",
        "customer": f"/console/customer?subject={team}&feature=llm_tokens",
        "explained": f"/console/customer?subject={close}&explain=llm_tokens&amount=5000&preview=pro",
        "plans": "/console/plans",
        "plan": "/console/plan?plan=team",
        "catalog": "/console/catalog",
        "invoices": "/console/invoices",
        "events": "/console/events",
    }


@pytest.mark.parametrize("size, dark", [(DESKTOP, False), (DESKTOP, True), (NARROW, False), (NARROW, True)])
def test_every_page_fits(console, pages, screenshots, no_script_errors, size, dark):
    suffix = f"{'wide' if size is DESKTOP else 'narrow'}-{'dark' if dark else 'light'}"
    try:
        for name, path in pages.items():
            console.look(size, dark)
            console.open(path)
            assert console.run("return document.documentElement.scrollWidth") <= size[0], name
            assert len(console.all("h1")) == 1, name
            assert console.all("nav [aria-current=page]"), name
            console.driver.save_screenshot(str(screenshots / f"console-{name}-{suffix}.png"))
    finally:
        console.look()


def test_every_field_has_a_label_and_every_table_a_head(console, pages, no_script_errors):
    for name, path in pages.items():
        console.open(path)
        nameless = console.run(
            "return [...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea:not([hidden])')]"
            ".filter((field) => !field.labels.length).map((field) => field.name)"
        )
        assert nameless == [], name
        headless = console.run("return [...document.querySelectorAll('main table')].filter((t) => !t.tHead).length")
        assert headless == 0, name
        twice = console.run(
            "const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
            "return ids.filter((id, n) => ids.indexOf(id) !== n)"
        )
        assert twice == [], name


def test_pages_say_all_without_a_script(server, app, pages, tmp_path_factory):
    window = Browser(server, tmp_path_factory.mktemp("profile"))
    try:
        window.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        window.driver.get(server + "/console/sign-in")
        window.find("[name=email]").send_keys(make_operator(app, "admin"))
        window.find("[name=password]").send_keys(PASSWORD, Keys.ENTER)
        window.wait(lambda: window.all("nav[aria-label=Console]"))
        for name, path in pages.items():
            window.open(path)
            assert len(window.find("main").text) > 50, name
        window.open(pages["use"])
        assert len(window.all("svg.bars .taken")) == 90
        window.find(".chart summary").click()
        assert "tokens" in window.find(".days tbody").text
    finally:
        window.driver.quit()


def test_a_credit_by_keyboard(console, person, screenshots, no_script_errors):
    ada = person("Ada")
    slug = ada.me()["workspace"]["slug"]
    console.open(f"/console/customers?q={slug}")
    console.find("td a.title").send_keys(Keys.ENTER)
    console.wait(lambda: console.all("#credit"))
    console.find("#credit summary").send_keys(Keys.ENTER)
    console.wait(lambda: console.find("#credit [name=amount]").is_displayed())
    Select(console.find("#credit [name=feature]")).select_by_value("llm_tokens")
    console.find("#credit [name=amount]").send_keys("2,500")
    console.find("#credit [name=why]").send_keys("an outage", Keys.ENTER)
    console.wait(lambda: console.all(".notice[role=status]"))
    assert console.find(".notice").text == "Credited 2,500 of llm_tokens; now 10,500 left."
    assert "2,500" in console.find("[aria-labelledby=grants-title]").text
    assert "an outage" in console.find("[aria-labelledby=journal-title]").text
    assert ada.feature("llm_tokens")["remaining"] == 10_500
    console.driver.save_screenshot(str(screenshots / "console-credited.png"))


def test_a_change_of_plan_is_seen_then_made(console, person, no_script_errors):
    ada = person("Ada")
    console.open(f"/console/customer?subject={ada.me()['workspace']['slug']}")
    console.find("#change summary").click()
    console.find("#change [name=preview]").send_keys("pro", Keys.ENTER)
    console.wait(lambda: console.all("#preview"))
    assert "0 of 500,000 tokens" in console.find("#preview").text and ada.me()["quota"]["plan"]["name"] == "free"
    console.find("#preview button").click()
    console.wait(lambda: console.all(".notice[role=status]"))
    assert console.find(".notice").text == "The plan is pro, now." and ada.me()["quota"]["plan"]["name"] == "pro"


def test_a_stale_page_says_so_and_leads_back(console, person, callback, no_script_errors):
    ada = person("Ada")
    slug = ada.me()["workspace"]["slug"]
    console.open(f"/console/customer?subject={slug}")
    callback(slug, "team")
    console.find("#credit summary").click()
    console.find("#credit [name=amount]").send_keys("5", Keys.ENTER)
    console.wait(lambda: console.all("[role=alert]"))
    assert "has changed since this page was drawn" in console.find("[role=alert]").text
    console.driver.get_log("browser")  # the 409 is what was to be
    console.find(".actions a").click()
    console.wait(lambda: console.all("#credit"))
    assert "Team" in console.find(".page-head").text


def test_the_catalog_is_checked_and_applied(console, owner, screenshots, no_script_errors):
    try:
        console.open("/console/catalog")
        console.run(
            "const field = document.querySelector('#catalog');"
            "field.value = field.value.replace('\"allowance\": 8000', '\"allowance\": 6000')"
        )
        console.find("button[value=month]").click()
        console.wait(lambda: console.all("#simulated"))
        assert console.find("#changes .rows").text.split() == ["Plan", "free", "changed"]
        assert console.find(".diff del").text.strip().endswith('"allowance": 8000,')
        assert console.find(".diff ins").text.strip().endswith('"allowance": 6000,')
        console.driver.save_screenshot(str(screenshots / "console-checked.png"))
        console.driver.find_element(By.XPATH, "//button[.='Apply what was checked']").click()
        console.wait(lambda: console.all(".notice[role=status]"))
        assert console.find(".notice").text == "Applied: plan free changed."
        assert "AI tokens: 6,000 a month" in console.find("main").text
    finally:
        with owner.begin() as connection:
            apply(connection, config.catalog())


def test_a_migration_goes_on_by_itself(console, owner, no_script_errors):
    catalog = config.catalog()
    catalog["plans"]["crowd"] = copy.deepcopy(catalog["plans"]["pro"])
    mark, many = secrets.token_hex(4), 1203
    try:
        with owner.begin() as connection:
            apply(connection, catalog)
            connection.execute(
                text("SELECT count(quota.subscribe('crowd-' || :m || '-' || n, 'crowd')) FROM generate_series(1, :n) AS n"),
                {"m": mark, "n": many},
            )
            catalog["plans"]["crowd"]["entitlements"]["llm_tokens"]["allowance"] = 1
            apply(connection, catalog)
        console.open("/console/plan?plan=crowd")
        console.find(".migrate button").click()
        # batch after batch: the parts of the page come and go meanwhile
        console.wait(lambda: "all have the newest version" in console.run("return document.querySelector('main').innerText"))
        assert "1,203 moved" in console.find("#versions").text
    finally:
        with owner.begin() as connection:
            apply(connection, config.catalog())
