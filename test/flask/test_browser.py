"""The pages in Debian's Chromium: the paywall dialog, the guard, upload without reload, and screenshots."""

import pytest
import quota_client
from chromium import DESKTOP, PHONE
from conftest import text_of
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys


def test_dialog_opens_on_a_402_and_closes_by_keyboard(browser, person, no_script_errors, screenshots, tmp_path):
    rob = person("Rob")
    for number in range(4):
        rob.upload(f"r{number}.md", text_of(f"rotor{number}"))
    browser.sign_in(rob.email)
    browser.open("/documents")

    # the last document there is room for: stored without leaving the page, the list and the bars follow
    for name in ("fifth", "sixth"):
        (tmp_path / f"{name}.md").write_bytes(text_of(name))
    browser.find("#file").send_keys(str(tmp_path / "fifth.md"))
    browser.find("#upload button").click()
    browser.wait(lambda: "Stored" in browser.find("#status").text)
    assert len(browser.all("#document-list li.card")) == 5
    assert "5 of 5 documents" in browser.find("#room").text

    # one more: refused by the database, shown by the dialog
    browser.find("#file").send_keys(str(tmp_path / "sixth.md"))
    button = browser.find("#upload button")
    button.click()
    browser.wait(browser.dialog_is_open)
    dialog = browser.find("#paywall")
    assert browser.find("#paywall-title").text == "Documents: the limit of your plan is reached"
    assert "All 5 documents are used" in browser.find("#paywall-text").text
    assert "Deleting documents makes room" in browser.find("#paywall-text").text
    offers = [item.text.replace("\n", " ") for item in browser.all("#paywall-offers li")]
    assert offers == ["Pro 200 documents $19 a month", "Team unlimited $99 a month"]
    bar = browser.find("#paywall-meter progress")
    assert bar.get_attribute("aria-label") == "Documents: 5 of 5 documents used"
    assert dialog.get_attribute("aria-labelledby") == "paywall-title"
    assert browser.run("return document.getElementById('paywall').matches(':modal')")

    # Tab stays inside, both ways; Escape closes; the focus is back where it was
    stops = set()
    for _ in range(6):
        browser.keys(Keys.TAB)
        assert browser.run("return document.getElementById('paywall').contains(document.activeElement)")
        stops.add(browser.focused().text)
    assert stops == {"Pro", "Team", "Compare plans", "Not now"}
    ActionChains(browser.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert browser.run("return document.getElementById('paywall').contains(document.activeElement)")
    browser.keys(Keys.ESCAPE)
    browser.wait(lambda: not browser.dialog_is_open())
    assert browser.focused() == browser.find("#upload button")
    assert browser.find("#upload button").text == "Upload"
    assert len(rob.get("/api/documents").json()["documents"]) == 5

    # by the dialog to the plan, and on: it is the same server that now says yes
    browser.find("#upload button").click()
    browser.wait(browser.dialog_is_open)
    browser.all("#paywall-offers a")[0].click()
    browser.wait(lambda: browser.all("#plan-pro button"))
    browser.find("#plan-pro button").click()
    browser.wait(lambda: browser.all("#upload"))  # back where it was refused
    assert browser.find(".badge").text.endswith("Pro")
    assert browser.find(".notice").text.startswith("Done: your plan is Pro now.")
    browser.driver.save_screenshot(str(screenshots / "plan-changed.png"))
    browser.open("/history")
    browser.driver.save_screenshot(str(screenshots / "history-plan.png"))
    assert "Subscribed to Pro" in browser.find("tr.change").text
    browser.open("/plans")
    assert browser.all("#plan-pro.current")
    browser.open("/documents")
    browser.find("#file").send_keys(str(tmp_path / "sixth.md"))
    browser.find("#upload button").click()
    browser.wait(lambda: len(browser.all("#document-list li.card")) == 6)


def test_a_control_that_the_plan_lacks_is_guarded(browser, person, no_script_errors):
    sue = person("Sue")
    document = sue.upload("s.md", text_of("spring")).json()
    browser.sign_in(sue.email)
    browser.open(document["url"])
    browser.wait(lambda: browser.all("form[data-needs=mindmap] .lock"))
    assert browser.find(".lock").text == "Not in Free"
    button = browser.find("form[data-needs=mindmap] button")
    button.send_keys(Keys.ENTER)
    browser.wait(browser.dialog_is_open)
    assert browser.find("#paywall-title").text == "Mind maps: not in your plan"
    assert [i.text.split("\n")[0] for i in browser.all("#paywall-offers li")] == ["Pro", "Team"]
    assert browser.focused().text == "Not now"
    browser.keys(Keys.ENTER)
    browser.wait(lambda: not browser.dialog_is_open())
    assert browser.focused() == button


def test_work_without_reload(browser, person, callback, screenshots, no_script_errors):
    tom = person("Tom")
    callback(tom.me()["workspace"]["slug"], "pro")
    document = tom.upload("t.md", text_of("tappet", 8)).json()
    browser.sign_in(tom.email)
    browser.open(document["url"])
    browser.find("#work form button").click()
    browser.wait(lambda: browser.all("[data-similar]"))
    browser.driver.save_screenshot(str(screenshots / "compared.png"))
    browser.find("[data-similar]").click()
    browser.wait(lambda: browser.all(".similar li a"))
    assert browser.find("[data-similar]").get_attribute("aria-expanded") == "true"
    browser.find("form[data-needs=mindmap] button").click()
    browser.wait(lambda: browser.all("svg.mindmap"))
    assert browser.find("#status").text == "The mind map is drawn."
    browser.open("/ask")
    browser.find("#question").send_keys("How does the tappet number 4 work?")
    browser.find("#ask button").click()
    # it is shown while it is written, and what is reserved meanwhile as a hatched part of the bar
    # (asked in one script: #room is made anew while the answer grows)
    browser.wait(
        lambda: browser.run(
            "return document.querySelector('#live:not([hidden])') && document.querySelector('#room rect.reserved')"
            " && document.getElementById('room').innerText.includes('reserved for work in progress')"
        )
    )
    browser.driver.save_screenshot(str(screenshots / "live.png"))
    browser.wait(lambda: browser.all(".answer .citations a"))
    browser.wait(lambda: not browser.all("#room rect.reserved"))
    assert not browser.all("#live:not([hidden])")
    assert browser.find("#question").get_attribute("value") == ""
    browser.open("/documents")
    browser.find("#document-list form button").click()
    browser.driver.switch_to.alert.accept()
    browser.wait(lambda: browser.all("#document-list .empty"))


def subject_of(browser):
    script = "fetch('/api/user/me').then((r) => r.json()).then((me) => arguments[0](me.subject))"
    return browser.driver.execute_async_script(script)


@pytest.mark.parametrize("size, dark", [(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)])
def test_screenshots(browser, seeded, screenshots, no_script_errors, app_engine, size, dark):
    browser.look(size, dark)
    suffix = f"{'phone' if size is PHONE else 'desktop'}-{'dark' if dark else 'light'}"

    def shoot(name):
        width = browser.run("return document.documentElement.scrollWidth")
        assert width <= size[0], f"{name} is {width} pixels wide"
        browser.driver.save_screenshot(str(screenshots / f"{name}-{suffix}.png"))

    try:
        browser.open("/sign-up")
        shoot("sign-up")
        browser.sign_in(seeded[0]["email"], seeded[0]["password"])
        for path in ("documents", "ask", "usage", "plans", "history", "team"):
            browser.open(f"/{path}")
            shoot(path)
        browser.sign_in(seeded[2]["email"], seeded[2]["password"])
        browser.open("/team")
        shoot("team-of-three")
        browser.open("/plans")
        shoot("plans-smaller")
        browser.sign_in(seeded[3]["email"], seeded[3]["password"])
        browser.open("/ask")
        browser.run(
            "import('/static/js/paywall.js').then((m) => m.openPaywall({code: 'quota_exceeded', subject: 'a/b',"
            " feature: 'llm_tokens', requested: 1200, remaining: 310, allowance: 4000, used: 3690, plan: 'team',"
            " blocked_by: 'a/b', resets_at: '2030-01-01T00:00:00+00:00', retry_after: 99}))"
        )
        browser.wait(browser.dialog_is_open)
        shoot("dialog-own-limit")
        browser.sign_in(seeded[0]["email"], seeded[0]["password"])
        browser.open("/documents?q=index")
        shoot("search")
        browser.open("/documents")
        browser.find("li:has(.tag + .tag) .title").click()
        browser.wait(lambda: browser.all("svg.mindmap"))
        shoot("document")
        browser.run("document.getElementById('mindmap').scrollIntoView()")
        shoot("mindmap")
        browser.sign_in(seeded[1]["email"], seeded[1]["password"])
        with app_engine.begin() as connection:
            subject = subject_of(browser)
            held = quota_client.reserve(connection, subject, "llm_tokens", 500, ttl="1 minute")
        browser.open("/usage")
        assert not browser.all("[data-feature=seats].full")  # one of one is as it should be
        shoot("usage-free")
        with app_engine.begin() as connection:
            quota_client.release(connection, held.id)
        browser.open("/documents")
        browser.run(
            "import('/static/js/paywall.js').then((m) => m.openPaywall({code: 'quota_exceeded', subject: 'a/b',"
            " feature: 'llm_tokens', requested: 1200, remaining: 310, allowance: 8000, used: 7690, plan: 'free',"
            " blocked_by: 'a', resets_at: '2030-01-01T00:00:00+00:00', retry_after: 99}))"
        )
        browser.wait(browser.dialog_is_open)
        shoot("dialog")
    finally:
        browser.look()


def test_a_file_that_is_too_large_opens_the_dialog(browser, person, no_script_errors, tmp_path):
    ada = person("Ada")
    browser.sign_in(ada.email)
    (tmp_path / "big.md").write_bytes(b"# Big\n\n" + b"word " * 240_000)
    browser.find("#file").send_keys(str(tmp_path / "big.md"))
    browser.find("#upload button").click()
    browser.wait(browser.dialog_is_open)
    assert browser.find("#paywall-title").text == "This file is too large for your plan"
    assert [item.text.split()[0] for item in browser.all("#paywall-offers li")] == ["Pro", "Team"]
    browser.all("#paywall-offers a")[0].click()
    browser.wait(lambda: browser.all("#plan-pro button"))
    browser.find("#plan-pro button").click()
    browser.wait(lambda: browser.all("#upload"))  # back where it was refused
    assert "your plan is Pro now" in browser.find(".notice").text


def test_a_question_survives_the_way_to_a_bigger_plan(browser, person, no_script_errors):
    ada = person("Ada")
    ada.upload("a.md", text_of("axle", 40))
    question = "How does the axle work?"
    while ada.post("/api/answers", {"question": question}).status_code == 201:
        pass
    browser.sign_in(ada.email)
    browser.open("/ask")
    browser.find("#question").send_keys(question)
    browser.find("#ask button").click()
    browser.wait(browser.dialog_is_open)
    browser.find("#paywall-plans").click()
    browser.wait(lambda: browser.all("#plan-pro button"))
    browser.find("#plan-pro button").click()
    browser.wait(lambda: browser.all("#question"))
    assert browser.find("#question").get_attribute("value") == question
