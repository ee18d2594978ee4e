"""Ready accounts with real documents, made through the same services and paid for like any other.

Nothing is put into a table behind quota's back: each upload, embedding, map and answer below is charged,
so History tells the truth.  Running it again adds only what is missing.

With a superuser's connection the past is made, too: the same services run under the test clock quota.clock,
day by day from three months ago on, and the application's own times are put where the ledger's are.  Without
one, all happens now.
"""

import contextlib
import hashlib
import hmac
import shutil
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sqlalchemy import event, select, update
from werkzeug.security import generate_password_hash

import quota_client

from . import answering, auth, documents, embedding, mindmap
from .console.queries import operators
from .models import Answer, Document, MindMap, User, Workspace

MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")
SHIPPED_PDFS = (
    Path("/usr/share/doc/shared-mime-info/shared-mime-info-spec.pdf"),
    Path("/usr/share/doc/bzip2/manual.pdf"),
    Path("/usr/share/doc/libtasn1-doc/libtasn1.pdf"),
)

ROOMY_PAGES = (
    "mvcc-intro.html", "transaction-iso.html", "explicit-locking.html", "indexes-types.html",
    "indexes-multicolumn.html", "routine-vacuuming.html", "ddl-partitioning.html", "textsearch-intro.html",
    "wal-intro.html", "tutorial-window.html",
)  # fmt: skip
TEAM_PAGES = ("mvcc-intro.html", "indexes-types.html", "tutorial-join.html", "routine-vacuuming.html", "wal-intro.html")
CLOSE_PAGES = ("tutorial-transactions.html", "tutorial-join.html", "indexes-intro.html", "mvcc-intro.html")

QUESTIONS = (
    "What does a transaction isolation level guarantee?",
    "Which index type suits range queries?",
    "How does a window function differ from an aggregate?",
    "Why must tables be vacuumed?",
    "What happens when a transaction is rolled back?",
    "When is an index used for a join?",
    "What is the difference between an inner and an outer join?",
    "Does reading block writing?",
    "How is a savepoint used?",
)

#: email, name, workspace, plan (None: the default), note
ACCOUNTS = (
    ("ada@example.org", "Ada Lovelace", "Analytical Engines", "pro", "Pro, with plenty left: try a mind map"),
    ("ben@example.org", "Ben Carter", "Carter", None, "Free, one document short of its limit and nearly out of tokens"),
    ("cleo@example.org", "Cleo Marsh", "Marsh & Partners", "team", "Team, the owner: see the page Team"),
)
#: of the last workspace: email, name, tokens a month of their own (None: what the plan gives each), note
MEMBERS = (
    ("dan@example.org", "Dan Okafor", 4_000, "a member of Cleo's, nearly at his own limit: ask something"),
    ("eve@example.org", "Eve Lindt", None, "a member of Cleo's with the limit that the plan gives everybody"),
)
#: of the console: email, name, level, note
OPERATORS = (
    ("olive@example.org", "Olive Reed", "admin", "an operator, who may act"),
    ("rory@example.org", "Rory Blake", "reader", "an operator, who may look"),
)
HISTORY_DAYS = 90


class Past:
    """The application's services at another time.  `app` must work as a superuser, who alone may set the clock."""

    OWN_TIMES = (Workspace, User, Document, MindMap, Answer)

    def __init__(self, app):
        self._app, self._at = app, None
        for engine in (app.db.app, app.db.admin):
            event.listen(engine, "checkout", self._set_clock)

    def _set_clock(self, dbapi_connection, _record, _proxy):
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SET quota.clock = %s", (self._at.isoformat() if self._at else "",))
        dbapi_connection.commit()

    def at(self, moment):
        """From now on it is `moment` (None: the present).  What the application has stored since the last call
        gets the time that it was then, as the ledger's entries have."""
        if self._at is not None:
            with self._app.db.session.begin() as session:
                for table in self.OWN_TIMES:
                    session.execute(
                        update(table)
                        .where(table.created_at >= self._since)
                        .values(created_at=self._at)
                        .execution_options(synchronize_session=False)
                    )
        self._at, self._since = moment, datetime.now(timezone.utc)


def password_for(app, email):
    """The demo password of an account: follows from SECRET_KEY, so a second run prints the same one."""
    digest = hmac.new(app.config["SECRET_KEY"].encode(), b"demo:" + email.encode(), hashlib.sha256)
    return digest.hexdigest()[:12]


def make_operators(app):
    """The console's accounts, as dicts with email, password, level, note."""
    with app.db.admin.begin() as connection:
        for email, name, level, _note in OPERATORS:
            digest = generate_password_hash(password_for(app, email), auth.PASSWORD_METHOD)
            operators.save(connection, email, name, level, digest)
    return [
        {"email": email, "password": password_for(app, email), "level": level, "note": note}
        for email, _name, level, note in OPERATORS
    ]


def run(app, folder=None, say=lambda line: None, past=None):
    """Seed the database of `app`; `folder` holds the manual's HTML pages.  Returns the list of accounts as
    dicts with email, password, plan, note.  `say` is told what is being done; with `past`, a Past of this app,
    a first run spreads it over three months."""
    folder = Path(folder) if folder else MANUAL
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: install postgresql-doc-15 or give --docs DIR")
    with app.db.session.begin() as session:
        fresh = session.scalars(select(User.id).where(User.email == ACCOUNTS[0][0])).first() is None
    start = datetime.now(timezone.utc).replace(minute=12, second=0, microsecond=0) - timedelta(days=HISTORY_DAYS)
    with tempfile.TemporaryDirectory() as scratch:
        for day, step in _schedule(app, folder, Path(scratch), say, fresh):
            if past and fresh:
                # at another time of day each day
                past.at(start + timedelta(days=day, minutes=37 * day % 420) if day < HISTORY_DAYS else None)
            step()
    people = [(email, plan or "free", note) for email, _, _, plan, note in ACCOUNTS]
    people += [(email, ACCOUNTS[-1][3], note) for email, _, _, note in MEMBERS]
    return [
        {"email": email, "password": password_for(app, email), "plan": plan, "note": note}
        for email, plan, note in people
    ]


def _schedule(app, folder, scratch, say, fresh):
    """What is done on which day, in order of days: (day, callable).  Users are looked up when a step runs.
    Questions are asked in a first run only."""
    ada, ben, cleo = (account[0] for account in ACCOUNTS)
    dan, eve = (member[0] for member in MEMBERS)
    pdf = find_pdf(folder, scratch)
    steps = [(0, lambda: [_account(app, *account) for account in ACCOUNTS]), (1, lambda: _members(app))]

    def upload(day, email, path):
        steps.append((day, lambda: _upload(app, _user(app, email), path, say)))

    def ask(day, email, number):
        if fresh:
            steps.append((day, lambda: _ask(app, _user(app, email), QUESTIONS[number % len(QUESTIONS)], say)))

    roomy = [folder / name for name in ROOMY_PAGES] + ([pdf] if pdf else [])
    for number, path in enumerate(roomy):
        upload(3 + 8 * number, ada, path)
        ask(5 + 8 * number, ada, number)
    for number, name in enumerate(CLOSE_PAGES):
        upload(10 + 22 * number, ben, folder / name)
        ask(12 + 22 * number, ben, number)
    for number, name in enumerate(TEAM_PAGES):
        upload(4 + 2 * number, cleo, folder / name)
    for week in range(12):
        ask(8 + 7 * week, eve, week)
        ask(9 + 7 * week, dan, week + 1)
    steps.append((40, lambda: _work(app, _user(app, ada), say)))
    for day in (81, 85, 86, 88, HISTORY_DAYS):
        if fresh:
            steps.append((day, lambda: _want_a_map(app, _user(app, ben), say)))
    steps.append((HISTORY_DAYS, lambda: _spend(app, _user(app, ben), say)))
    steps.append((HISTORY_DAYS, lambda: _spend(app, _user(app, dan), say)))
    return sorted(steps, key=lambda step: step[0])


def find_pdf(folder, scratch):
    """A real PDF: one that Debian ships, else a manual page printed by Chromium; None if there is neither."""
    for path in SHIPPED_PDFS:
        if path.is_file():
            return path
    chromium, made = shutil.which("chromium"), scratch / "mvcc.pdf"
    if chromium:
        subprocess.run(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             f"--user-data-dir={scratch / 'profile'}", f"--print-to-pdf={made}",
             (folder / "mvcc-caveats.html").as_uri()],
            timeout=120, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return made if made.is_file() else None


def _account(app, email, name, workspace, plan, _note):
    password = password_for(app, email)
    with app.db.session.begin() as session:
        user = session.scalars(select(User).where(User.email == email)).one_or_none()
        if user is None:
            user = auth.create_user(session, email, name, password, workspace_name=workspace)
            fresh = True
        else:
            user.password_hash = generate_password_hash(password, auth.PASSWORD_METHOD)
            fresh = False
    if fresh and plan:
        event = {"id": f"seed-{user.workspace.slug}", "workspace": user.workspace.slug, "plan": plan, "effective": "now"}
        app.plans.carry_out(event | {"created": datetime.now(timezone.utc)})
    return user


def _user(app, email):
    with app.db.session.begin() as session:
        return session.scalars(select(User).where(User.email == email)).one()


def _members(app):
    """The members of the last workspace, with the limits of their own."""
    owner = _user(app, ACCOUNTS[-1][0])
    for email, name, limit, _note in MEMBERS:
        with app.db.session.begin() as session:
            user = session.scalars(select(User).where(User.email == email)).one_or_none()
            if user is not None:
                user.password_hash = generate_password_hash(password_for(app, email), auth.PASSWORD_METHOD)
                continue
            workspace = session.merge(owner.workspace, load=False)
            user = auth.create_user(session, email, name, password_for(app, email), workspace)
            user.token_limit = limit
        if limit is not None:
            app.plans.limit_member(user.subject, limit)


def _upload(app, user, path, say):
    if not path.is_file():
        return
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with app.db.session.begin() as session:
        if session.scalars(
            select(Document.id).where(Document.workspace_id == user.workspace_id, Document.sha256 == digest)
        ).first():
            return
    say(f"{user.name}: {path.name}")
    parsed, chunks = documents.read(path.name, content)
    with app.db.session.begin() as session:
        documents.store(session, user, path.name, content, parsed, chunks, key=f"seed:{digest[:32]}")


def _work(app, user, say):
    """Embeddings for two documents and a mind map of the longest: what a first visit shows."""
    with app.db.session.begin() as session:
        listed = [document for document, *_ in documents.listing(session, user)]
    if not listed or any(document.embedded_tokens for document in listed):
        return
    say(f"{user.name}: embeddings, a mind map")
    for number, document in enumerate(sorted(listed, key=lambda d: -d.tokens)[:2]):
        with app.db.session.begin() as session:
            document = documents.find(session, user, document.id)
            embedding.embed_document(session, user, document, key=None)
            if number == 0:
                mindmap.make(session, user, document, key=None)


def _want_a_map(app, user, say):
    """Ask for a mind map that the plan does not give: a refusal, noted as the application notes it."""
    say(f"{user.name}: a mind map, in vain")
    with app.db.session.begin() as session:
        document = documents.listing(session, user)[0][0]
    try:
        with app.db.session.begin() as session:
            mindmap.make(session, user, documents.find(session, user, document.id), key=None)
    except quota_client.QuotaError as refusal:
        with app.db.session.begin() as session:
            quota_client.note_denial(session, refusal.detail)


def _ask(app, user, question, say):
    """Ask, where the tokens last."""
    say(f"{user.name}: {question}")
    with contextlib.suppress(quota_client.QuotaError):
        list(answering.answer(app.db.session, user, question))


def _spend(app, user, say):
    """Ask until four fifths of the tokens are gone or the questions are."""
    say(f"{user.name}: questions")
    for question in QUESTIONS:
        with app.db.session.begin() as session:
            state = quota_client.check(session, user.subject, "llm_tokens")
            if state.used >= 0.8 * state.allowance:
                return
        try:
            list(answering.answer(app.db.session, user, question))
        except quota_client.QuotaError:
            return
