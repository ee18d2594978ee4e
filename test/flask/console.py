"""What the tests of the console share: operators, and a client that acts as one."""

import html
import re
import secrets
import time

from docapp.console.queries import operators
from werkzeug.security import generate_password_hash

PASSWORD = "correct horse battery"
PAGE = {"Accept": "text/html"}
_HASH = generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")


def make_operator(app, level):
    """A new operator's e-mail address."""
    email = f"{level}-{secrets.token_hex(4)}@example.org"
    with app.db.admin.begin() as connection:
        operators.save(connection, email, f"Op {level}", level, _HASH)
    return email


def plain(page):
    """A page's text without its markup, blanks as one."""
    page = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def eventually(true):
    """Wait until `true()` is: refusals are noted after they are answered."""
    for _ in range(100):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


class Desk:
    """An operator at the console, through Flask's own client."""

    def __init__(self, app, level):
        self.app, self.email = app, make_operator(app, level)
        self.http = app.test_client()
        with app.db.reader.connect() as connection:
            self.id = operators.by_email(connection, self.email).id
        with self.http.session_transaction(base_url="https://localhost") as session:
            session["operator"], session["csrf"] = self.id, "token"

    def get(self, path, **query):
        return self.http.get(path, query_string=query or None, headers=PAGE, base_url="https://localhost")

    def text(self, path, **query):
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return plain(answer.text)

    def post(self, path, form=None, token="token", **options):
        form = {"csrf_token": token, "request_id": secrets.token_hex(16)} | (form or {})
        return self.http.post(path, data=form, headers=PAGE, base_url="https://localhost", **options)
