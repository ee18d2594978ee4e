"""The pure parts: tokens, parsing, chunks, embeddings, mind maps, answers.  No database."""

import random
import subprocess
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from docapp import answering, chunking, embedding, mindmap, parsing, tokenizer
from lxml import etree

MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")
PDF = Path("/usr/share/doc/shared-mime-info/shared-mime-info-spec.pdf")


# -- tokens


@pytest.mark.parametrize(
    "given, expected",
    [
        ("", []),
        (" \n\t", []),
        ("The index", ["The", "index"]),
        ("indexing", ["indexi", "ng"]),
        ("don't", ["don", "'", "t"]),
        ("1234567", ["123", "456", "7"]),
        ("x=3.5;", ["x", "=", "3", ".", "5", ";"]),
        ("snake_case", ["snake", "_", "case"]),
        ("日本語", ["日", "本", "語"]),
        ("naïve", ["naïve"]),
        ("🙂👍", ["🙂", "👍"]),
    ],
)
def test_tokens(given, expected):
    assert tokenizer.tokens(given) == expected


def test_tokens_do_not_depend_on_normal_form():
    text = "Ångström façade Ünïcode"
    assert tokenizer.count(unicodedata.normalize("NFD", text)) == tokenizer.count(text)


def test_tokens_lose_nothing_but_white_space():
    random_text = random.Random(7)
    for _ in range(200):
        text = "".join(random_text.choice("abcXYZ 019.,_-\n日é🙂") for _ in range(60))
        assert "".join(tokenizer.tokens(text)) == "".join(text.split())


# -- parsing


def test_markdown_headings_lists_and_code():
    parsed = parsing.parse("notes.md", b"# Top\n\nSome *text*.\n\n## Sub\n\n- one\n- two\n\n```\ncode here\n```\n")
    assert [(b.text, b.level) for b in parsed.blocks] == [
        ("Top", 1), ("Some text.", 0), ("Sub", 2), ("one", 0), ("two", 0), ("code here", 0),
    ]  # fmt: skip
    assert (parsed.kind, parsed.title, parsed.pages) == ("markdown", "Top", 1)


def test_html_leaves_scripts_and_navigation_out():
    parsed = parsing.parse(
        "a.html",
        b"<title>T</title><style>p{}</style><nav>menu</nav><div class=navheader>Prev</div>"
        b"<h2>H</h2><p>Hello <b>there</b>.<script>alert(1)</script></p><table><tr><td>a</td><td>b</td></tr></table>",
    )
    assert [(b.text, b.level) for b in parsed.blocks] == [("H", 2), ("Hello there.", 0), ("a b", 0)]
    assert parsed.title == "T"


def test_html_text_around_inner_blocks_is_kept_once():
    parsed = parsing.parse("a.html", b"<ul><li>outer <p>inner</p> tail</li></ul>")
    assert sorted(b.text for b in parsed.blocks) == ["inner", "outer tail"]


def test_text_headings():
    parsed = parsing.parse("a.txt", b"TITLE\n\nA sentence.\n\nSub\n---\nMore words here.\n\n1.2 Numbered\n\nEnd.")
    assert [(b.text, b.level) for b in parsed.blocks] == [
        ("TITLE", 1), ("A sentence.", 0), ("Sub", 2), ("More words here.", 0), ("1.2 Numbered", 2), ("End.", 0),
    ]  # fmt: skip


def test_pages_of_formats_without_pages():
    assert parsing.parse("a.txt", b"word " * 1000).pages == 2
    assert parsing.parse("a.txt", b"x" * parsing.CHARACTERS_PER_PAGE).pages == 1


def test_windows_text_and_control_characters():
    parsed = parsing.parse("a.txt", "caf\u00e9 \u0002mark\u0003 done".encode("cp1252"))
    assert parsed.blocks[0].text == "café mark done"


@pytest.mark.parametrize(
    "name, content, status",
    [
        ("a.exe", b"MZ", 415),
        ("noextension", b"text", 415),
        ("a.pdf", b"not a pdf", 415),
        ("a.txt", b"%PDF-1.4 but named text", 415),
        ("a.txt", b"nul\x00byte", 415),
        ("a.pdf", b"%PDF-1.4 rubbish", 422),
        ("a.txt", b"   \n ", 422),
        ("a.html", b"<script>only()</script>", 422),
        ("a.md", b"# Heading alone", 422),
        ("a.md", b"word " * 400_001, 422),
        ("a.html", b"<p>a" * 200_001, 422),
    ],
)
def test_unreadable(name, content, status):
    with pytest.raises(parsing.Unreadable) as caught:
        parsing.parse(name, content)
    assert caught.value.status == status


def test_deeply_nested_html_is_read_or_refused():
    try:
        parsing.parse("a.html", b"<div>" * 50_000 + b"deep words")
    except parsing.Unreadable as refusal:
        assert refusal.status == 422


def test_real_pdf_has_its_pages_title_and_headings():
    assert PDF.is_file(), "Debian package shared-mime-info ships the PDF this test reads"
    parsed = parsing.parse(PDF.name, PDF.read_bytes())
    shown = subprocess.run(["pdfinfo", str(PDF)], capture_output=True, text=True, check=True).stdout
    assert f"Pages:           {parsed.pages}\n" in shown
    assert parsed.title == "Shared MIME-info Database"
    headings = [b.text for b in parsed.blocks if b.level]
    assert "2.1. Directory layout" in headings and "1. Introduction" in headings
    # the running head and the page numbers are not part of the text
    assert not any(b.text == "Shared MIME-info Database" and not b.level for b in parsed.blocks)


def test_real_html_page():
    page = MANUAL / "transaction-iso.html"
    assert page.is_file(), "Debian package postgresql-doc-15 ships the manual"
    parsed = parsing.parse(page.name, page.read_bytes())
    assert parsed.title == "13.2. Transaction Isolation"
    assert "13.2.3. Serializable Isolation Level" in [b.text for b in parsed.blocks if b.level]
    assert not any(b.text.startswith("Prev") for b in parsed.blocks)


# -- chunks


def test_chunks_keep_every_word_once_and_within_the_limit():
    parsed = parsing.parse("x.html", (MANUAL / "transaction-iso.html").read_bytes())
    chunks = chunking.chunk(parsed.blocks)
    words = [w for b in parsed.blocks if not b.level for w in b.text.split()]
    assert [w for c in chunks for w in c.body.split()] == words
    assert max(c.tokens for c in chunks) <= chunking.TOKENS_PER_CHUNK
    assert all(c.tokens == tokenizer.count(c.body) for c in chunks)
    assert [c.position for c in chunks] == list(range(len(chunks)))


def test_a_word_longer_than_a_chunk_is_cut():
    chunks = chunking.chunk([parsing.Block("x" * 5000 + " end", 0, 1)], limit=50)
    assert "".join(c.body for c in chunks).replace(" ", "").replace("\n", "") == "x" * 5000 + "end"
    assert max(c.tokens for c in chunks) <= 50


def test_random_texts_chunk_within_the_limit():
    dice = random.Random(11)
    for _ in range(50):
        words = ["".join(dice.choice("abcd1.") for _ in range(dice.randint(1, 40))) for _ in range(300)]
        chunks = chunking.chunk([parsing.Block(" ".join(words), 0, 1)], limit=37)
        assert [w for c in chunks for w in c.body.split()] == words
        assert max(c.tokens for c in chunks) <= 37


def test_headings_follow_their_level():
    blocks = [("A", 1), ("a", 0), ("B", 2), ("b", 0), ("C", 2), ("c", 0), ("D", 1), ("d", 0)]
    chunks = chunking.chunk([parsing.Block(text, level, 1) for text, level in blocks])
    assert [c.headings for c in chunks] == [("A",), ("A", "B"), ("A", "C"), ("D",)]


def test_sentences():
    text = 'He said "Stop." Then e.g. nothing happened. 42 went on! Why?'
    assert chunking.sentences(text) == ['He said "Stop."', "Then e.g. nothing happened.", "42 went on!", "Why?"]


# -- embeddings


def test_embedding_is_a_unit_vector_and_stable():
    vector = embedding.embed("Row locks block writers but never readers.")
    assert len(vector) == embedding.DIMENSIONS
    assert sum(x * x for x in vector) == pytest.approx(1)
    assert vector == embedding.embed("Row locks block writers but never readers.")
    assert embedding.embed("") == [0.0] * embedding.DIMENSIONS


def test_related_texts_are_nearer():
    lock = embedding.embed("A transaction takes a row lock before it updates the row.")
    near = embedding.embed("Row locks are held until the transaction ends.")
    far = embedding.embed("The kitchen serves soup and fresh bread at noon.")
    assert embedding.cosine(lock, near) > 0.2 > embedding.cosine(lock, far)


# -- mind maps


def _sections():
    parsed = parsing.parse("x.html", (MANUAL / "indexes-types.html").read_bytes())
    return parsed.title, [(c.headings, c.body) for c in chunking.chunk(parsed.blocks)]


def test_mind_map_has_the_headings_and_telling_terms():
    tree = mindmap.extract(*_sections())
    assert tree["full"] == "11.2. Index Types"
    branches = {child["full"]: child for child in tree["children"]}
    assert "11.2.6. BRIN" in branches and "11.2.1. B-Tree" in branches
    assert "block range" in [leaf["full"] for leaf in branches["11.2.6. BRIN"]["children"]]


def test_mind_map_without_headings_uses_terms():
    tree = mindmap.extract("Plain", [((), "Locks protect rows. Locks wait. Rows change under locks.")])
    assert "locks" in [child["full"] for child in tree["children"]]


def test_drawing_is_well_formed_and_escapes():
    tree = mindmap.extract('<b>"&', [(("<script>x</script>",), "alpha beta <i> gamma")])
    drawing = etree.fromstring(mindmap.draw(tree))
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert not drawing.findall(".//{http://www.w3.org/2000/svg}script")
    assert "style=" not in mindmap.draw(tree)


def test_big_branches_are_cut_to_the_longest_in_order():
    sections = [((f"Section {n:02}",), "word " * (50 - n)) for n in range(20)]
    tree = mindmap.extract("Doc", sections)
    assert [c["full"] for c in tree["children"]] == [f"Section {n:02}" for n in range(mindmap.MOST_CHILDREN)]


# -- answers


def _passage(number, body):
    return SimpleNamespace(
        id=number, document_id=1, title="T", page=1, heading="", body=body, tokens=tokenizer.count(body)
    )


def test_answer_cites_the_passages_it_takes_from():
    passages = [
        _passage(10, "Cooking needs water and some salt. Bread is baked in an oven every morning."),
        _passage(11, "A savepoint lets you roll back part of a transaction. The weather is fine today."),
    ]
    body = answering.compose("How do I roll back part of a transaction?", passages)
    assert body["sentences"] == [{"text": "A savepoint lets you roll back part of a transaction.", "cite": 1}]
    assert [c["chunk"] for c in body["citations"]] == [11]


def test_no_passage_no_answer():
    assert answering.compose("anything?", []) == {"sentences": [], "citations": []}
