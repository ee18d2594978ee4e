"""From an uploaded file to pages of blocks.

parse(filename, content) recognises the kind by the file's name *and* its content and returns a Parsed: a
title and a list of Block, each with the page it stands on and whether it is a heading.  PDF goes through
poppler's pdftohtml in a process of its own with limits on time and memory, since PDFs are hostile until
proven otherwise; HTML through BeautifulSoup with lxml; Markdown is rendered to HTML first; text is read as
it is.  A page of a PDF is a page; of everything else, every 3,000 characters begun count as one.
"""

import os
import re
import subprocess
import tempfile
import unicodedata
import warnings
from collections import Counter
from dataclasses import dataclass, field

import markdown
from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from lxml import etree

CHARACTERS_PER_PAGE = 3000
PDF_SECONDS = 30
PDF_MEMORY_BYTES = 1 << 30
MOST_TAGS = 200_000  # an HTML tree takes about a kilobyte of memory for each
LARGEST_MARKDOWN_BYTES = 2_000_000  # the Markdown library takes seconds for each megabyte

KINDS = {
    ".pdf": "pdf",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
}
MEDIA_TYPES = {
    "pdf": "application/pdf",
    "html": "text/html",
    "markdown": "text/markdown",
    "text": "text/plain",
}


class Unreadable(Exception):
    """The file cannot be taken.  `status` is the HTTP status: 415 wrong kind, 422 nothing to read in it."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Block:
    """A paragraph (level 0) or a heading (level 1 = highest) on page `page`, counted from 1."""

    text: str
    level: int
    page: int


@dataclass
class Parsed:
    """What a file says: kind (one of MEDIA_TYPES), title, blocks, and the number of pages."""

    kind: str
    title: str
    blocks: list = field(default_factory=list)
    pages: int = 1


def parse(filename, content):
    """Read the bytes `content` of a file called `filename`.  Raises Unreadable."""
    kind = KINDS.get(os.path.splitext(filename.lower())[1])
    if kind is None:
        raise Unreadable(415, "Only PDF, HTML, Markdown and text files can be read.")
    if (kind == "pdf") != content.startswith(b"%PDF-"):
        raise Unreadable(415, "The content of this file is not what its name says.")
    if kind == "pdf":
        parsed = _parse_pdf(content)
    else:
        parsed = {"html": _parse_html, "markdown": _parse_markdown, "text": _parse_text}[kind](content)
    if not any(block.level == 0 for block in parsed.blocks):
        raise Unreadable(422, "No text was found in this file.")
    parsed.title = parsed.title or os.path.splitext(os.path.basename(filename))[0]
    return parsed


def clean(text):
    """One line of plain text: NFC, control characters gone, white space collapsed."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    return re.sub(r"\s+", " ", text.replace("\u00ad", "")).strip()


def _decode(content):
    """Bytes -> str.  UTF-8 (with or without BOM), else Windows-1252; bytes that are no text are refused."""
    if b"\x00" in content:
        raise Unreadable(415, "This file is not text.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _paged(kind, title, blocks):
    """Number the pages of a format that has none."""
    seen, paged = 0, []
    for text, level in blocks:
        paged.append(Block(text, level, seen // CHARACTERS_PER_PAGE + 1))
        seen += len(text)
    return Parsed(kind, title, paged, max(1, -(-seen // CHARACTERS_PER_PAGE)))


# -- HTML and Markdown

_SKIP = ("script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "svg", "head")
_NAVIGATION = re.compile(r"\b(nav(header|footer|bar|igation)?|toc|breadcrumbs?|menu)\b", re.IGNORECASE)
_ADMONITIONS = {"note", "tip", "important", "caution", "warning"}
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
_BLOCKS = {"p", "li", "pre", "dt", "dd", "tr", "blockquote", "figcaption", "caption"} | set(_HEADINGS)


def _parse_html(content, kind="html"):
    if content.count("<" if isinstance(content, str) else b"<") > MOST_TAGS:
        raise Unreadable(422, "This page has too many elements to be read.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # XHTML reads well as HTML
        soup = BeautifulSoup(content, "lxml")
    title = clean(soup.title.get_text(" ")) if soup.title else ""
    for element in soup.find_all(_SKIP):
        element.decompose()
    for element in soup.find_all(class_=_NAVIGATION):
        if element.name not in ("body", "html", "main", "article"):
            element.decompose()
    body = soup.body or soup
    blocks = list(_html_blocks(body))
    if not blocks and clean(body.get_text(" ")):  # text without a single block element
        blocks = [(clean(body.get_text(" ")), 0)]
    headings = [text for text, level in blocks if level]
    return _paged(kind, title or (headings[0] if headings else ""), blocks)


def _html_blocks(body):
    """(text, level) of every innermost block element; text between inner blocks belongs to the outer one."""
    for element in body.find_all(_BLOCKS):
        inner = element.find(_BLOCKS)
        if inner is None:
            text = clean(element.get_text("" if element.name == "pre" else " ", strip=False))
        else:
            text = clean(" ".join(s for s in element.strings if s.find_parent(_BLOCKS) is element))
        text = re.sub(r" ([,.;:!?)\]])", r"\1", text)
        text = re.sub(r"([(\[]) ", r"\1", text)
        if text:
            yield text, 0 if text.lower() in _ADMONITIONS else _HEADINGS.get(element.name, 0)


def _parse_markdown(content):
    if len(content) > LARGEST_MARKDOWN_BYTES:
        raise Unreadable(422, "Markdown of more than 2 MB is not read. Upload it in parts.")
    html = markdown.markdown(_decode(content), extensions=["tables", "fenced_code", "sane_lists"])
    return _parse_html(f"<body>{html}</body>", "markdown")


# -- text

_UNDERLINE = re.compile(r"(={3,}|-{3,}|~{3,})\Z")
_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.?\s+[^\W\d_].{1,70}\Z")


def _parse_text(content):
    blocks = []
    for paragraph in re.split(r"\n[ \t]*\n", _decode(content).replace("\r\n", "\n").replace("\f", "\n\n")):
        lines = [line.strip() for line in paragraph.strip().splitlines()]
        if len(lines) >= 2 and _UNDERLINE.match(lines[1]) and len(lines[0]) <= 80:
            blocks.append((clean(lines[0]), 1 if lines[1].startswith("=") else 2))
            lines = lines[2:]
        text = clean(" ".join(lines))
        if text:
            blocks.append((text, _text_heading_level(text)))
    headings = [text for text, level in blocks if level]
    return _paged("text", headings[0] if headings else "", blocks)


def _text_heading_level(text):
    """1.2 Numbered Titles and SHORT LINES IN CAPITALS are headings; anything else is level 0."""
    numbered = _NUMBERED.match(text)
    if numbered and text[-1] not in ".,;:":
        return min(6, numbered.group(1).count(".") + 1)
    if len(text) <= 60 and text.isupper() and len(text.split()) <= 8 and text[-1] not in ".,;:":
        return 1
    return 0


# -- PDF


def _pdf_xml(content):
    """Poppler's XML of the PDF: text lines with position and font."""
    limits = ["prlimit", f"--as={PDF_MEMORY_BYTES}", f"--cpu={PDF_SECONDS}"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.pdf")
        with open(path, "wb") as file:
            file.write(content)
        try:
            done = subprocess.run(
                [*limits, "pdftohtml", "-xml", "-i", "-stdout", "-enc", "UTF-8", path],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                timeout=PDF_SECONDS,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise Unreadable(422, "This PDF cannot be read: it is damaged or protected.") from error
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=False)
    root = etree.fromstring(done.stdout, parser)
    if root is None:
        raise Unreadable(422, "This PDF cannot be read: it is damaged or protected.")
    return root


def _pdf_lines(root):
    """[(page, top, bottom, font size, text)] in reading order, without what repeats on every page."""
    sizes = {f.get("id"): int(f.get("size")) for f in root.iter("fontspec")}
    lines, repeated, pages = [], Counter(), 0
    for page in root.iter("page"):
        pages += 1
        on_page = []
        for element in page.iter("text"):
            text = clean("".join(element.itertext()))
            if text:
                top = int(element.get("top"))
                size = sizes.get(element.get("font"), 0)
                on_page.append((int(page.get("number")), top, top + int(element.get("height")), size, text))
        repeated.update({_shape(line) for line in on_page})
        lines.extend(on_page)
    often = max(3, pages // 2)
    return [line for line in lines if repeated[_shape(line)] < often], pages


def _shape(line):
    """Font size and text with its digits blotted out: the same for a running head on every page."""
    return line[3], re.sub(r"\d+", "#", line[4])


def _parse_pdf(content):
    lines, pages = _pdf_lines(_pdf_xml(content))
    letters = Counter()
    for line in lines:
        letters[line[3]] += len(line[4])
    body_size = letters.most_common(1)[0][0] if letters else 0
    larger = sorted((s for s in letters if s > body_size * 1.15), reverse=True)
    levels = {size: min(6, rank + 1) for rank, size in enumerate(larger)}
    blocks, previous = [], None
    for page, top, bottom, size, text in lines:
        level = levels.get(size, 0) if re.search(r"[^\W\d_]", text) else 0
        height = bottom - top
        same_line = previous and page == previous[0] and abs(top - previous[1]) < height
        near = previous and page == previous[0] and -height < top - previous[2] < 0.9 * height
        if blocks and level == blocks[-1].level and (same_line or near):
            last = blocks[-1].text
            joined = last[:-1] + text if last.endswith("-") and text[:1].islower() else f"{last} {text}"
            blocks[-1] = Block(joined, level, blocks[-1].page)
        else:
            blocks.append(Block(text, level, page))
        previous = (page, top, bottom)
    title = next((b.text for b in blocks if b.level == 1), "")
    return Parsed("pdf", title, blocks, max(1, pages))
