"""The mind map extractor: a tree from a document's headings and terms, drawn as SVG.

extract() reads every chunk.  Headings give the branches; each section without headings below it gets the
terms that set it apart from the other sections (term frequency times inverse section frequency, pairs of
words preferred).  draw() is a pure function of the tree: branches to the right, one row for each leaf, no
inline style, so that the page's own colours, light or dark, apply.
"""

import math
from collections import Counter
from html import escape

from . import documents, tokenizer, tokens
from .embedding import stem
from .models import MindMap

MOST_CHILDREN = 7
MOST_DEPTH = 3
TERMS_PER_SECTION = 3
LABEL_CHARACTERS = 33


def extract(title, sections):
    """(title, [(headings, text)]) -> tree {"label", "full", "children": [...]}.

    Labels are cut to LABEL_CHARACTERS; `full` is the whole text.  A branch with more than MOST_CHILDREN
    parts keeps the longest ones, in the document's order.
    """
    root = {"full": title, "children": {}, "text": [], "size": 0}
    for headings, text in sections:
        node = root
        node["size"] += len(text)
        trail = [h for i, h in enumerate(headings) if h != title or i]
        for heading in trail[:MOST_DEPTH]:
            node = node["children"].setdefault(
                heading, {"full": heading, "children": {}, "text": [], "size": 0}
            )
            node["size"] += len(text)
        node["text"].append(text)
    leaves = list(_leaves(root))
    spread = Counter(term for leaf in leaves for term in set(_candidates(leaf)))
    return _finish(root, spread, len(leaves))


def _leaves(node):
    if not node["children"]:
        yield node
    for child in node["children"].values():
        yield from _leaves(child)


def _candidates(node):
    """Terms of a section and pairs of neighbouring terms, as often as they occur."""
    for text in node["text"]:
        raw = tokenizer.words(text)
        carries = [len(w) > 2 and w not in tokenizer.STOP_WORDS for w in raw]
        for i, word in enumerate(raw):
            if carries[i]:
                yield word
                if i and carries[i - 1] and raw[i - 1] != word:
                    yield f"{raw[i - 1]} {word}"


def _terms(node, spread, sections, most):
    counts = Counter(_candidates(node))
    title = set(tokenizer.words(node["full"]))
    scored = []
    for term, times in counts.items():
        pair = " " in term
        if pair and times < 2:
            continue
        rarity = math.log(1 + sections / spread[term])
        scored.append((-times * rarity * (1.8 if pair else 1.0), term))
    chosen, used = [], {stem(word) for word in title}
    for _, term in sorted(scored):
        stems = {stem(word) for word in term.split()}
        if not stems & used:
            chosen.append(term)
            used |= stems
        if len(chosen) == most:
            break
    return chosen


def _finish(node, spread, sections):
    children = list(node["children"].values())
    if children:
        kept = sorted(children, key=lambda c: -c["size"])[:MOST_CHILDREN]
        finished = [_finish(child, spread, sections) for child in children if child in kept]
    else:
        most = TERMS_PER_SECTION if sections > 1 else MOST_CHILDREN
        finished = [_label(term) | {"children": []} for term in _terms(node, spread, sections, most)]
    return _label(node["full"]) | {"children": finished}


def _label(full):
    short = full if len(full) <= LABEL_CHARACTERS else full[: LABEL_CHARACTERS - 1].rstrip() + "…"
    return {"label": short, "full": full}


def labels(tree):
    """Every label of the tree, top first: what was written."""
    yield tree["full"]
    for child in tree["children"]:
        yield from labels(child)


ROW, COLUMN, BOX, MARGIN = 29, 270, 25, 12
CHARACTER_WIDTH, BOLD_WIDTH = 6.9, 8.0


def draw(tree):
    """The tree as an SVG element (a str of safe markup); sizes in CSS pixels."""
    parts, row = [], 0

    def place(node, depth, branch):
        nonlocal row
        tops = [place(c, depth + 1, i if depth == 0 else branch) for i, c in enumerate(node["children"])]
        if tops:
            y = (tops[0] + tops[-1]) / 2
        else:
            y = MARGIN + row * ROW + ROW / 2
            row += 1
        x = MARGIN + depth * COLUMN
        width = round(len(node["label"]) * (CHARACTER_WIDTH if depth else BOLD_WIDTH) + 20)
        colour = f"branch-{branch % 6}" if depth else "root"
        for child_y in tops:
            start, end = x + width, MARGIN + (depth + 1) * COLUMN
            bend = (start + end) / 2
            tint = colour if depth else f"branch-{tops.index(child_y) % 6}"
            parts.insert(
                0,
                f'<path class="link {tint}" d="M{start} {y:g} C{bend:g} {y:g} {bend:g} {child_y:g}'
                f' {end} {child_y:g}"/>',
            )
        leaf = "" if node["children"] else " leaf"
        parts.append(
            f'<g class="node {colour}{leaf}"><title>{escape(node["full"])}</title>'
            f'<rect x="{x}" y="{y - BOX / 2:g}" width="{width}" height="{BOX}" rx="8"/>'
            f'<text x="{x + 10}" y="{y + 4.5:g}">{escape(node["label"])}</text></g>'
        )
        return y

    place(tree, 0, 0)
    width = MARGIN * 2 + _depth(tree) * COLUMN + round(LABEL_CHARACTERS * CHARACTER_WIDTH + 20)
    height = MARGIN * 2 + row * ROW
    return (
        f'<svg class="mindmap" xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label="Mind map of {escape(tree["full"])}">'
        + "".join(parts)
        + "</svg>"
    )


def _depth(tree):
    return max((1 + _depth(child) for child in tree["children"]), default=0)


def make(session, user, document, key):
    """Read the document, store its map and pay for it, in the caller's transaction.  Returns the MindMap.

    The debit of the boolean feature `mindmap` is an assertion: QT403 where the plan does not give it, and
    nothing charged where it does.  llm_tokens are charged for what was read and written.  Raises QuotaError.
    """
    chunks = documents.chunks_of(session, document)
    tree = extract(document.title, [(chunk.headings, chunk.body) for chunk in chunks])
    cost = tokens.cost_of_mindmap(chunks, labels(tree))
    row = session.merge(MindMap(document_id=document.id, tree=tree, tokens=cost))
    session.flush()
    tokens.charge(
        session,
        user.subject,
        {"mindmap": 1, "llm_tokens": cost},
        key,
        {"action": "mindmap", "document": document.id, "title": document.title[:200]},
    )
    return row
