"""Extractive answers: the sentences of the workspace's own documents that answer best, each cited.

There is no language model here, yet the shape is that of one: passages are retrieved, read and paid for by
the token.  compose() is a pure function of the question and the passages, so a price can be recounted.
"""

import math
from collections import Counter

from . import chunking, documents, tokenizer, tokens
from .embedding import stem
from .models import Answer

CHUNKS_READ = 6
SENTENCES = 4
LONGEST_QUESTION = 500


def compose(question, chunks):
    """Pick sentences: {"sentences": [{"text", "cite"}], "citations": [{"chunk", "document", "title", "page",
    "heading"}]}.  `cite` is an index into citations, counted from 1.  No passage, no sentence."""
    wanted = {stem(term) for term in tokenizer.terms(question)}
    candidates = []
    for rank, chunk in enumerate(chunks):
        for place, sentence in enumerate(s for line in chunk.body.split("\n") for s in chunking.sentences(line)):
            found = {stem(term) for term in tokenizer.terms(sentence)}
            candidates.append((rank, place, sentence, found, len(found)))
    spread = Counter(term for *_, found, _ in candidates for term in found)
    scored = []
    for rank, place, sentence, found, length in candidates:
        score = sum(math.log(1 + len(candidates) / spread[term]) for term in wanted & found)
        if score and len(sentence) >= 25:
            scored.append((score / (1 + abs(length - 14) / 40) * 0.93**rank, rank, place, sentence))
    chosen, seen = [], set()
    for score, rank, place, sentence in sorted(scored, key=lambda s: (-s[0], s[1], s[2])):
        if sentence not in seen and score >= 0.35 * max(s[0] for s in scored):
            chosen.append((rank, place, sentence))
            seen.add(sentence)
        if len(chosen) == SENTENCES:
            break
    cited = sorted({rank for rank, _, _ in chosen})
    return {
        "sentences": [
            {"text": sentence, "cite": cited.index(rank) + 1} for rank, _, sentence in sorted(chosen)
        ],
        "citations": [
            {
                "chunk": chunks[rank].id,
                "document": chunks[rank].document_id,
                "title": chunks[rank].title,
                "page": chunks[rank].page,
                "heading": chunks[rank].heading,
            }
            for rank in cited
        ],
    }


def answer(session, user, question, key):
    """Answer, store and charge llm_tokens, in the caller's transaction.  Returns the Answer row.

    Where the documents say nothing, returns None: nothing is stored and nothing is charged.  Raises
    QuotaError.
    """
    chunks = documents.search(session, user, question, most=CHUNKS_READ, any_word=True)
    body = compose(question, chunks)
    if not body["sentences"]:
        return None
    written = " ".join(sentence["text"] for sentence in body["sentences"])
    row = Answer(
        user_id=user.id,
        question=question,
        body=body,
        tokens=tokens.cost_of_answer(question, chunks, written),
    )
    session.add(row)
    session.flush()
    tokens.charge(
        session,
        user.subject,
        {"llm_tokens": row.tokens},
        key,
        {"action": "answer", "answer": row.id, "title": question[:200]},
    )
    session.refresh(row)
    return row
