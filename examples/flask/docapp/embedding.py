"""Embeddings by feature hashing: text -> 256 real numbers, no model to download.

Every term and every pair of neighbouring terms is hashed to a dimension and a sign (Weinberger et al.,
"Feature Hashing for Large Scale Multitask Learning", 2009), weighted by 1 + ln(times it occurs), and the
vector scaled to length 1, so that the cosine of two vectors is their inner product.  The hash is BLAKE2b:
the same on every machine and in every process.

embed_document() charges embedding_tokens for the tokens of the chunks that had no vector yet, in the
transaction that stores the vectors.
"""

import hashlib
import math
from collections import Counter

from sqlalchemy import select, text, update

from . import tokenizer, tokens
from .models import Chunk, Document

DIMENSIONS = 256


def embed(words_of):
    """The vector of a text: a list of DIMENSIONS floats of length 1, or all 0 if it has no terms."""
    terms = tokenizer.terms(words_of)
    counts = Counter(map(stem, terms))
    counts.update(f"{a} {b}" for a, b in zip(terms, terms[1:]))
    vector = [0.0] * DIMENSIONS
    for feature, times in counts.items():
        digest = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "big")
        weight = (1 + math.log(times)) * (0.5 if " " in feature else 1.0)
        vector[(digest >> 1) % DIMENSIONS] += weight if digest & 1 else -weight
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else vector


def cosine(a, b):
    """Cosine of two vectors that embed() made: -1 to 1, 0 if either is empty."""
    return sum(x * y for x, y in zip(a, b))


def stem(term):
    """Plurals and the commonest endings off, so that "index" and "indexes" meet."""
    for ending in ("ing", "es", "ed", "s"):
        if term.endswith(ending) and len(term) - len(ending) >= 4:
            return term[: -len(ending)]
    return term


def embed_document(session, user, document, key):
    """Embed the chunks of `document` that have no vector yet; returns the tokens charged (0: all done).

    The caller's transaction holds both, the vectors and the charge.  The row lock on the document makes a
    second request wait and then find nothing left to do.  Raises QuotaError.
    """
    session.execute(select(Document.id).where(Document.id == document.id).with_for_update()).one()
    pending = session.scalars(
        select(Chunk).where(Chunk.document_id == document.id, Chunk.embedding.is_(None)).order_by(Chunk.id)
    ).all()
    charged = sum(chunk.tokens for chunk in pending)
    if not charged:
        return 0
    vectors = [(chunk.id, embed(f"{chunk.heading} {chunk.body}")) for chunk in pending]
    for chunk_id, vector in vectors:
        session.execute(
            update(Chunk)
            .where(Chunk.id == chunk_id)
            .values(embedding=vector)
            .execution_options(synchronize_session=False)
        )
    document.embedded_tokens = Document.embedded_tokens + charged
    tokens.charge(
        session,
        user.subject,
        {"embedding_tokens": charged},
        key,
        {"action": "embed", "document": document.id, "title": document.title[:200]},
    )
    return charged


_SIMILAR = text(
    """
    SELECT c.id, c.document_id, d.title, c.page, c.heading, c.body, s.cosine
      FROM docapp.chunks AS me
      JOIN docapp.documents AS d ON d.workspace_id = :workspace_id
      JOIN docapp.chunks AS c ON c.document_id = d.id AND c.id <> me.id AND c.embedding IS NOT NULL
     CROSS JOIN LATERAL (SELECT sum(x.a * x.b) AS cosine
                           FROM unnest(me.embedding, c.embedding) AS x(a, b)) AS s
     WHERE me.id = :chunk_id AND me.embedding IS NOT NULL
     ORDER BY s.cosine DESC, c.id
     LIMIT :most
    """
)


def similar_chunks(session, workspace_id, chunk_id, most=5):
    """The chunks of the workspace nearest to one, by cosine; rows (id, document_id, title, page, heading,
    body, cosine).  Empty if the chunk has no vector."""
    return session.execute(
        _SIMILAR, {"workspace_id": workspace_id, "chunk_id": chunk_id, "most": most}
    ).all()
