"""Extractive answers: the sentences of the workspace's own documents that answer best, each cited.

There is no language model here, yet the shape is that of one: passages are retrieved and read, an answer is
written sentence by sentence, and how long it gets is known when it has ended.  So it is paid for by a hold:
reserved before the first word, counted as it goes on, settled with the count in the transaction that stores
it; where it breaks off, what was delivered is paid for.  compose() is a pure function of the question and the
passages, so a price can be recounted.
"""

import math
import time
import uuid
from collections import Counter

from quota_client import QuotaError, hold

from . import chunking, documents, tokenizer, tokens
from .embedding import stem
from .models import Answer
from .receipts import Replay

CHUNKS_READ = 6
SENTENCES = 4
LONGEST_QUESTION = 500
EXPECTED_WRITTEN = 32  # tokens: of the usual answer, to be extended for longer ones
HOLD_FOR = "2 minutes"  # from the last sentence on; a process that died keeps the room no longer


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


def write(composed, pace=0):
    """The sentences one after the other, as a language model streams them: `pace` seconds for each."""
    for sentence in composed["sentences"]:
        if pace:
            time.sleep(pace)
        yield sentence


def answer(sessions, user, question, url=lambda found: None, receipt=None, pace=0, streamed=False):
    """Answer, store and charge llm_tokens: a generator of events (name, data).

    ("reserved", {"reserved", "remaining", "expires_at"}) comes first: its price is reserved.
    ("citations", [...]) and ("sentence", {"text", "cite"}) follow while it is written,
    ("done", (body, HTTP status)) comes when it is stored and paid for, in one transaction.  Where the
    documents say nothing, ("done", ({"found": False, ...}, 200)) is all that is stored and nothing is charged.

    Raises QuotaError before the first event if there is no room for the estimate.  If the room ends while
    it is written, the answer ends there, with "cut" in its body (the refusal), and what was written is
    paid for.  An error, or close() because nobody listens any more, stores nothing; what was delivered until
    then is paid for, the passages that were read included.  Not `streamed`, nothing is delivered before the end.

    `sessions` is a sessionmaker; url(found) the page that shows it; `receipt` (begin, finish) keeps the
    answer for a retry.
    """
    with sessions.begin() as session:
        chunks = documents.search(session, user, question, most=CHUNKS_READ, any_word=True)
    if chunks:
        read = tokens.cost_of_answer(question, chunks, "")
        paid_for = {"action": "answer", "title": question[:200], "ask": uuid.uuid4().hex}
        with hold(sessions, user.subject, "llm_tokens", read + EXPECTED_WRITTEN, HOLD_FOR, metadata=paid_for) as h:
            try:
                yield "reserved", _reserved(h)
                body = yield from _written(h, question, chunks, read, pace)
                if body:
                    row = Answer(user_id=user.id, question=question, body=body, tokens=h.counted)
                    with sessions.begin() as session:
                        shown = _stored(session, row, url, receipt)
                        h.settle(metadata=paid_for | {"answer": row.id}, connection=session)
                    yield "done", (shown, 201)
                    return
            except Exception as error:
                # nothing was delivered; or a twin of this request was, which has paid for the same answer
                if not streamed or isinstance(error, Replay):
                    h.release()
                raise
    shown = {"found": False, "question": question, "url": url(False)}
    with sessions.begin() as session:
        if receipt:
            receipt.begin(session)
            receipt.finish(session, shown, 200)
    yield "done", (shown, 200)


def _written(h, question, chunks, read, pace):
    """The events of an answer while it is written, each sentence counted before it is shown; returns what is
    to be stored, None where the passages say nothing."""
    composed, written, cut = compose(question, chunks), [], {}
    if not composed["sentences"]:
        return None
    h.count(read)
    yield "citations", composed["citations"]
    for sentence in write(composed, pace):
        reserved = h.reserved
        try:
            h.count(tokenizer.count(sentence["text"]))
        except QuotaError as refusal:
            if refusal.status != 402:
                raise
            cut = {"cut": refusal.body}
            break
        if h.reserved != reserved:
            yield "reserved", _reserved(h)
        written.append(sentence)
        yield "sentence", sentence
    return {"sentences": written, "citations": composed["citations"]} | cut


def _stored(session, row, url, receipt):
    """Store the answer and what a retry gets; returns what is shown of it."""
    if receipt:
        receipt.begin(session)
    session.add(row)
    session.flush()
    shown = {"found": True, "id": row.id, "question": row.question, "tokens": row.tokens, "url": url(True)} | row.body
    if receipt:
        receipt.finish(session, shown, 201)
    return shown


def _reserved(h):
    return {"reserved": h.reserved, "remaining": h.remaining, "expires_at": h.expires_at and h.expires_at.isoformat()}
