"""Chunks: what is searched, cited and embedded.

A chunk is a stretch of one section, at most 200 tokens, cut at paragraphs, else at sentences, else between
words.  It knows its page and its headings, so that a citation can say where it stands.  Chunks do not
overlap: together they are the text, once, and their tokens add up to the document's.
"""

import re
from dataclasses import dataclass

from . import tokenizer

TOKENS_PER_CHUNK = 200

_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]]))\s+(?=[^a-z\s])")


@dataclass(frozen=True)
class Chunk:
    """position counts from 0; headings is the path from the document's top; tokens counts body alone."""

    position: int
    page: int
    headings: tuple
    body: str
    tokens: int


def sentences(text):
    """Cut prose into sentences.  Joined with a blank they give the text again, white space aside."""
    return [s for s in _SENTENCE_END.split(text) if s]


def chunk(blocks, limit=TOKENS_PER_CHUNK):
    """[parsing.Block] -> [Chunk], none of more than `limit` tokens."""
    chunks, path = [], []
    held, held_tokens, held_page = [], 0, 1

    def flush():
        nonlocal held, held_tokens
        if held:
            headings = tuple(heading for _, heading in path)
            chunks.append(Chunk(len(chunks), held_page, headings, "\n".join(held), held_tokens))
        held, held_tokens = [], 0

    for block in blocks:
        if block.level:
            flush()
            path = [(level, heading) for level, heading in path if level < block.level]
            path.append((block.level, block.text))
            continue
        for piece in _pieces(block.text, limit):
            size = tokenizer.count(piece)
            if held_tokens + size > limit:
                flush()
            if not held:
                held_page = block.page
            held.append(piece)
            held_tokens += size
    flush()
    return chunks


def _pieces(paragraph, limit):
    """The paragraph whole if it fits; else its sentences gathered up to the limit, long ones cut at words."""
    if tokenizer.count(paragraph) <= limit:
        return [paragraph]
    pieces, held, held_tokens = [], [], 0
    for part in (p for s in sentences(paragraph) for p in _words_up_to(s, limit)):
        size = tokenizer.count(part)
        if held and held_tokens + size > limit:
            pieces.append(" ".join(held))
            held, held_tokens = [], 0
        held.append(part)
        held_tokens += size
    return pieces + [" ".join(held)]


def _words_up_to(sentence, limit):
    """A sentence as it is, or cut between words (a word too long for a chunk is cut between tokens)."""
    if tokenizer.count(sentence) <= limit:
        return [sentence]
    parts, held, held_tokens = [], [], 0
    for word in (part for word in sentence.split() for part in _cut(word, limit)):
        size = tokenizer.count(word)
        if held and held_tokens + size > limit:
            parts.append(" ".join(held))
            held, held_tokens = [], 0
        held.append(word)
        held_tokens += size
    return parts + [" ".join(held)]


def _cut(word, limit):
    pieces = tokenizer.tokens(word)
    if len(pieces) <= limit:
        return [word]
    return ["".join(pieces[i : i + limit]) for i in range(0, len(pieces), limit)]
