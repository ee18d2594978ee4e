"""Two ready accounts with real documents, made through the same services and paid for like any other.

Nothing is put into a table behind quota's back: each upload, embedding, map and answer below is charged,
so History tells the truth.  Running it again adds only what is missing.
"""

import hashlib
import hmac
import shutil
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import select
from werkzeug.security import generate_password_hash

import quota_flask

from . import answering, auth, documents, embedding, mindmap
from .models import Document, User

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
    ("ada@example.org", "Ada Lovelace", "Analytical Engines", "pro", "Pro, with plenty of room: try a mind map"),
    ("ben@example.org", "Ben Carter", "Carter", None, "Free, one document short of its limit and nearly out of tokens"),
)


def password_for(app, email):
    """The demo password of an account: follows from SECRET_KEY, so a second run prints the same one."""
    digest = hmac.new(app.config["SECRET_KEY"].encode(), b"demo:" + email.encode(), hashlib.sha256)
    return digest.hexdigest()[:12]


def run(app, folder=None, say=lambda line: None):
    """Seed the database of `app`; `folder` holds the manual's HTML pages.  Returns the list of accounts as
    dicts with email, password, plan, note.  `say` is told what is being done."""
    folder = Path(folder) if folder else MANUAL
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: install postgresql-doc-15 or give --docs DIR")
    roomy, close = [_account(app, *account) for account in ACCOUNTS]
    with tempfile.TemporaryDirectory() as scratch:
        pdf = find_pdf(folder, Path(scratch))
        files = [folder / name for name in ROOMY_PAGES] + ([pdf] if pdf else [])
        for path in files:
            _upload(app, roomy, path, say)
    for path in (folder / name for name in CLOSE_PAGES):
        _upload(app, close, path, say)
    _work(app, roomy, say)
    _spend(app, close, say)
    return [
        {"email": email, "password": password_for(app, email), "plan": plan or "free", "note": note}
        for email, _, _, plan, note in ACCOUNTS
    ]


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
        app.plans.carry_out(
            {"id": f"seed-{user.workspace.slug}", "workspace": user.workspace.slug, "plan": plan, "effective": "now"}
        )
    return user


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
    """Embeddings for two documents, a mind map of the longest, two answers: what a first visit shows."""
    with app.db.session.begin() as session:
        listed = [document for document, *_ in documents.listing(session, user)]
    if not listed or any(document.embedded_tokens for document in listed):
        return
    say(f"{user.name}: embeddings, a mind map, answers")
    for number, document in enumerate(sorted(listed, key=lambda d: -d.tokens)[:2]):
        with app.db.session.begin() as session:
            document = documents.find(session, user, document.id)
            embedding.embed_document(session, user, document, key=None)
            if number == 0:
                mindmap.make(session, user, document, key=None)
    for question in QUESTIONS[:2]:
        list(answering.answer(app.db.session, user, question))


def _spend(app, user, say):
    """Ask until four fifths of the tokens are gone or the questions are."""
    say(f"{user.name}: questions")
    for question in QUESTIONS:
        with app.db.session.begin() as session:
            state = quota_flask.check(session, user.subject, "llm_tokens")
            if state.used >= 0.8 * state.allowance:
                return
        try:
            list(answering.answer(app.db.session, user, question))
        except quota_flask.QuotaError:
            return
