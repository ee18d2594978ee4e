"""The document service: take a file in, list, read, search, delete.

store() is the point where an upload is paid for: its row takes documents and storage_bytes by itself (see
models.GATES), the pages that were parsed are charged by a call.  Parsing runs before the transaction begins,
because it takes long and its price is known only afterwards; a check before it turns most refusals away early.
"""

import hashlib
import os

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, literal_column, select

from quota_client import refusals

from . import chunking, parsing, tokenizer, tokens
from .models import Chunk, Document, DocumentFile, MindMap, User

MOST_CHUNKS = 20_000
HEADING_SEPARATOR = " › "


class Missing(Exception):
    """No such document (or chunk) in this workspace."""


def read(filename, content):
    """Parse and chunk an upload: (Parsed, [chunking.Chunk]).  No database.  Raises parsing.Unreadable."""
    filename = os.path.basename(filename.replace("\\", "/"))
    parsed = parsing.parse(filename, content)
    chunks = chunking.chunk(parsed.blocks)
    if len(chunks) > MOST_CHUNKS:
        raise parsing.Unreadable(422, f"This document is longer than {MOST_CHUNKS:,} sections.")
    return parsed, chunks


def store(session, user, filename, content, parsed, chunks, key):
    """Insert a document that read() understood, which charges documents and storage_bytes, and charge its pages.

    Returns the Document.  Raises QuotaError; the caller's transaction then rolls back and nothing is stored.
    `key` makes the pages' charge happen once; that the row is stored once is its receipt's to see to.
    """
    document = Document(
        workspace_id=user.workspace_id,
        user_id=user.id,
        subject=user.subject,
        title=parsed.title[:300],
        filename=parsing.clean(os.path.basename(filename.replace("\\", "/")))[-200:],
        kind=parsed.kind,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        pages=parsed.pages,
        tokens=sum(chunk.tokens for chunk in chunks),
    )
    session.add(document)
    with refusals():
        session.flush()
    session.add(DocumentFile(document_id=document.id, content=content))
    session.execute(
        Chunk.__table__.insert(),
        [
            {
                "document_id": document.id,
                "position": chunk.position,
                "page": chunk.page,
                "headings": list(chunk.headings),
                "heading": HEADING_SEPARATOR.join(chunk.headings),
                "body": chunk.body,
                "tokens": chunk.tokens,
            }
            for chunk in chunks
        ],
    )
    tokens.charge(
        session,
        user.subject,
        {"pages": document.pages},
        key,
        {"action": "upload", "document": document.id, "title": document.title[:200]},
    )
    session.refresh(document)
    return document


def delete(session, user, document_id):
    """Delete a document; its row gives documents and storage_bytes back to whom they were charged.

    The row lock makes a second deletion wait and then find nothing (Missing).  Pages and tokens were work,
    and work that was done is not undone by a deletion.
    """
    document = find(session, user, document_id, lock=True)
    session.execute(sql_delete(Document).where(Document.id == document.id))


def find(session, user, document_id, lock=False):
    """The document, if it is of the user's workspace.  Raises Missing."""
    query = select(Document).where(Document.id == document_id, Document.workspace_id == user.workspace_id)
    document = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if document is None:
        raise Missing("There is no such document.")
    return document


def content(session, document):
    """The bytes that were uploaded."""
    return session.scalars(
        select(DocumentFile.content).where(DocumentFile.document_id == document.id)
    ).one()


def listing(session, user):
    """The workspace's documents, newest first, each as (Document, uploader's name, has a mind map)."""
    return session.execute(
        select(Document, User.name, MindMap.document_id.is_not(None))
        .join(User, User.id == Document.user_id)
        .outerjoin(MindMap, MindMap.document_id == Document.id)
        .where(Document.workspace_id == user.workspace_id)
        .order_by(Document.id.desc())
    ).all()


def chunks_of(session, document, offset=0, most=None):
    """The document's chunks in reading order."""
    query = select(Chunk).where(Chunk.document_id == document.id).order_by(Chunk.position)
    return session.scalars(query.offset(offset).limit(most)).all()


def owns_chunk(session, user, chunk_id):
    """Raises Missing unless the chunk is of the user's workspace."""
    found = session.scalars(
        select(Chunk.id).join(Document).where(Chunk.id == chunk_id, Document.workspace_id == user.workspace_id)
    ).one_or_none()
    if found is None:
        raise Missing("There is no such passage.")


# Snippets come with these two control characters around what matched; parsing.clean() keeps them out of
# every stored text, so a page can escape the snippet first and mark afterwards.
MARK_START, MARK_STOP = "\x02", "\x03"
_HEADLINE = f"StartSel={MARK_START}, StopSel={MARK_STOP}, MaxWords=40, MinWords=20, MaxFragments=2"


def search(session, user, query, most=10, any_word=False):
    """Full-text search over the workspace's chunks, best first.

    Rows (id, document_id, title, page, heading, body, tokens, rank, snippet).  `query` is what a person
    types ("quoted phrase", or, -not); any_word finds chunks that hold any of its words, for questions.
    """
    if any_word:
        meaning = sorted(set(tokenizer.terms(query)))[:32]
        query = " or ".join(f'"{word}"' for word in meaning)
    wanted = func.websearch_to_tsquery(literal_column("'english'::regconfig"), query)
    rank = func.ts_rank_cd(Chunk.words, wanted, 1)
    snippet = func.ts_headline(literal_column("'english'::regconfig"), Chunk.body, wanted, _HEADLINE)
    return session.execute(
        select(
            Chunk.id,
            Chunk.document_id,
            Document.title,
            Chunk.page,
            Chunk.heading,
            Chunk.body,
            Chunk.tokens,
            rank.label("rank"),
            snippet.label("snippet"),
        )
        .join(Document)
        .where(Document.workspace_id == user.workspace_id, Chunk.words.op("@@")(wanted))
        .order_by(rank.desc(), Chunk.id)
        .limit(most)
    ).all()
