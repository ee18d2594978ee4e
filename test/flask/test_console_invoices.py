"""What to invoice: every period on one month's page, with what went beyond it."""

import html
import re
import secrets

import pytest
from console import Desk, plain
from sqlalchemy import text


@pytest.fixture
def looker(app):
    return Desk(app, "reader")


class Past:
    """What happened in a year before everything else that the tests do."""

    def __init__(self, owner):
        self.owner = owner

    def at(self, moment, statement, **values):
        with self.owner.begin() as connection:
            connection.execute(text("SELECT set_config('quota.clock', :at, true)"), {"at": moment})
            connection.execute(text(statement), values)

    def subscribe(self, subject, moment, plan="pro"):
        self.at(moment, "SELECT quota.subscribe(:s, :p)", s=subject, p=plan)

    def spend(self, subject, moment, amount):
        self.at(moment, "SELECT * FROM quota.debit(:s, 'llm_tokens', :n)", s=subject, n=amount)


@pytest.fixture
def past(owner):
    return Past(owner)


def row_of(looker, subject, month):
    """The subject's row of a month: the page begins at it, for others have subscriptions, too."""
    page = looker.get("/console/invoices", month=month, after=subject, at="2000-01-01T00:00:00+00:00")
    found = [plain(row) for row in re.findall(r"<tr>.*?</tr>", page.text, re.S) if subject in row]
    return found[0].strip() if found else None


def test_overage_is_invoiced_in_the_month_in_which_its_period_ended(past, looker):
    subject = f"past-{secrets.token_hex(4)}"
    past.subscribe(subject, "2024-02-05 00:00+00")
    past.at(
        "2024-02-05 00:00+00",
        "SELECT quota.override(:s, 'llm_tokens', '{\"allowance\": 100, \"period\": \"month\", \"anchor\": \"subscription\","
        ' "overage": true}\')',
        s=subject,
    )
    past.spend(subject, "2024-02-20 12:00+00", 112)
    past.spend(subject, "2024-03-05 00:00+00", 7)  # the first moment of the next period
    march = row_of(looker, subject, "2024-03")
    assert "$19 AI tokens 112 of 100 tokens, 12 overage 5 February 2024 to 5 March 2024" in march
    assert march.count("AI tokens") == 1
    april = row_of(looker, subject, "2024-04")
    assert "AI tokens 7 of 100 tokens 5 March 2024 to 5 April 2024" in april and "overage" not in april
    assert row_of(looker, subject, "2024-02").endswith("nothing was used")
    assert row_of(looker, subject, "2024-01") is None


def test_a_subscription_that_ended_and_one_of_several(past, looker):
    subject = f"past-{secrets.token_hex(4)}"
    past.subscribe(subject, "2023-05-01 00:00+00")
    past.at("2023-05-01 00:00+00", "SELECT quota.amend(:s, '{\"quantity\": 3, \"external_id\": \"sub_9\"}')", s=subject)
    past.at("2023-05-20 00:00+00", "SELECT quota.cancel(:s, 'now')", s=subject)
    row = row_of(looker, subject, "2023-05")
    assert "Pro × 3 ended, 20 May 2023" in row and "$57" in row and "sub_9" in row
    assert row_of(looker, subject, "2023-06") is None


def test_pages_have_every_subscription_once(past, looker, monkeypatch):
    from docapp.console import invoices
    from docapp.console.queries import invoices as queries

    mark = f"page-{secrets.token_hex(4)}"
    for number in range(5):
        past.subscribe(f"{mark}-{number}", "2022-05-01 00:00+00", plan="team")
    monkeypatch.setattr(invoices, "ROWS", 2)
    for looked_at, batch in ((600, 60), (600, 1), (6, 3), (3, 3)):
        monkeypatch.setattr(queries, "MOST_LOOKED_AT", looked_at)
        monkeypatch.setattr(queries, "BATCH", batch)
        seen, path, turns = [], f"/console/invoices?month=2022-05&after={mark}&at=2000-01-01T00:00:00%2B00:00", 0
        while path and turns < 20:
            page = looker.get(path)
            seen += re.findall(rf"{mark}-\d", plain(page.text))
            link = re.search(r'rel="next" href="(/console/invoices\?month=2022-05&amp;after[^"]+)"', page.text)
            path, turns = html.unescape(link.group(1)) if link else None, turns + 1
        # each is named by its link and its subject alike
        assert seen == [f"{mark}-{n}" for n in range(5) for _ in range(2)]
        assert turns >= 3


def test_odd_months_are_refused(looker):
    for bad in ("2024", "2024-13", "1999-01", "2024-01-01", "x", "２０24-01"):
        assert looker.get("/console/invoices", month=bad).status_code == 400, bad
    assert looker.get("/console/invoices", month="2024-01", after="x").status_code == 400
    assert looker.get("/console/invoices", month="2024-01", after="x", at="yesterday").status_code == 400
    assert "What to invoice" in looker.text("/console/invoices")
