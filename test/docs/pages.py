"""The SQL examples of the manual, found and run.

A page is a Markdown file.  Every ```sql block in it is run by psql, all blocks of
a page in order in one session of one database.  Nothing may fail, but for a
statement whose last line says so:

    SELECT * FROM quota.debit('bob', 'mindmap');   -- ERROR: QT403

A ```text block directly after is what the sql block prints (psql's aligned
format, NULL for NULL, no row counts; errors at the end as psql prints them).

What is in an HTML comment on a line of its own directly before a block counts
for it and shows in no rendered page:

    <!-- not run -->                the block is not run
    <!-- needs quota.NAME -->       the block is not run while docs/reference.md lists
                                    NAME under "Not in this version"
    <!-- alone -->                  the block is run as it stands, in a new
                                    database of its own
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

FENCE = re.compile(r"^(`{3,})\s*(\w*)\s*$")
COMMENT = re.compile(r"^<!-- *(.*?) *-->$")
MARK = re.compile(r"-- ERROR: (\w{5})\b")
# psql's word for its standard input, the line where the statement ended, and what it said
MESSAGE = re.compile(r"^psql:<stdin>:(\d+): (\w+): +(?:(\w{5}): )?(.*)$")
# What psql says beside that and no page shows: places in the C code, names of a constraint
UNSTABLE = re.compile(r"^(LOCATION|CONTEXT|(SCHEMA|TABLE|COLUMN|DATA TYPE|CONSTRAINT) NAME): ")
END = "-- end of the block"


def names_to_come():
    """What docs/reference.md lists as not in this version."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    return set(re.findall(r"`(\w+)`", text.partition("\n## Not in this version\n")[2]))


TO_COME = names_to_come()

SETTINGS = {
    "client_min_messages": "warning",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "statement_timeout": "60s",
}


@dataclass
class Block:
    """One sql block: the lines between its fences, and what is written about it."""

    line: int  # of the opening fence, from 1
    lines: list
    comment: str = ""
    text: str = None  # what it prints, where the page shows it

    @property
    def is_run(self):
        return not self.comment.startswith("not run") and self.needs not in TO_COME

    @property
    def needs(self):
        """The function or view that it needs beyond those of every version, or None."""
        found = re.match(r"needs quota\.(\w+)$", self.comment)
        return found and found.group(1)

    @property
    def is_alone(self):
        """Is it run in a database of its own?"""
        return self.comment == "alone"

    @property
    def sql(self):
        return "\n".join(self.lines)

    def marks(self):
        """The errors that are announced: {(line, SQLSTATE)}."""
        found = set()
        for number, line in enumerate(self.lines, self.line + 1):
            mark = MARK.search(line)
            if mark:
                found.add((number, mark.group(1)))
        return found

    def is_complete(self):
        """Ends with a whole statement, so that nothing runs on into the next block."""
        code = [re.sub(r"\s*--[^'\"]*$", "", line).rstrip() for line in self.lines]
        code = [line for line in code if line]
        return not code or code[-1].endswith(";") or code[-1].startswith("\\")


@dataclass
class Outcome:
    """What became of a block."""

    printed: str = None  # None: psql did not come to its end
    errors: set = field(default_factory=set)  # {(line, SQLSTATE)}
    messages: list = field(default_factory=list)  # all that psql said, in order


def read_page(path):
    """The sql blocks of a page, in order."""
    blocks = []
    fence = language = None
    start, body = 0, []
    comment = ""
    follows = False  # nothing but blank lines since a sql block
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if fence:
            if line.rstrip() != fence:
                body.append(line)
                continue
            if language == "sql":
                blocks.append(Block(start, body, comment))
            elif language == "text" and follows:
                blocks[-1].text = "\n".join(body)
            follows, comment, fence = language == "sql", "", None
            continue
        opening = FENCE.match(line)
        if opening:
            fence, language = opening.groups()
            start, body = number, []
        elif COMMENT.match(line):
            comment, follows = COMMENT.match(line).group(1), False
        elif line.strip():
            comment, follows = "", False
    assert fence is None, f"{path}: a block that is not closed"
    return blocks


def database_url(maintenance, database):
    """The URL of another database of the same cluster, as psql reads it."""
    parts = urlsplit(maintenance)
    return parts._replace(scheme="postgresql", path=f"/{database}").geturl()


def psql(url, script):
    """Runs a script, errors and all; returns psql's exit status and what it said."""
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    command = ["psql", "-X", "-q", "-v", "VERBOSITY=verbose", "-v", "SHOW_CONTEXT=never"]
    command += ["-P", "null=NULL", "-P", "footer=off", "-P", "pager=off", "-d", url, "-f", "-"]
    done = subprocess.run(
        command,
        input=script,
        env=os.environ | {"PGOPTIONS": options, "PGCLIENTENCODING": "UTF8", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


def script_of(blocks, folder):
    """The blocks as a script in which every line has the number that it has in the page."""
    lines = []
    for block in blocks:
        lines += [""] * (block.line - 1 - len(lines))
        lines.append(f"\\o '{folder}/{block.line}'")
        lines += block.lines
        lines.append(f"\\qecho '{END}'")
    return "\n".join(lines) + "\n\\o\n"


def outcomes_of(blocks, folder, said):
    """What became of each block: {line of its fence: Outcome}."""
    found = {block.line: Outcome() for block in blocks}
    last = None
    for line in said.splitlines():
        message = MESSAGE.match(line)
        if message:
            number = int(message.group(1))
            last = max((b for b in blocks if b.line < number), key=lambda b: b.line)
            if message.group(2) == "ERROR":
                found[last.line].errors.add((number, message.group(3)))
            line = line.split(": ", 1)[1]
        if last and not UNSTABLE.match(line):
            found[last.line].messages.append(line)
    for block in blocks:
        file = folder / str(block.line)
        if file.exists():
            printed, end, _ = file.read_text(encoding="utf-8").rpartition(END)
            found[block.line].printed = printed if end else None
    return found


def run_blocks(url, blocks, folder):
    """Runs the blocks in one session; {line: Outcome}."""
    status, said = psql(url, script_of(blocks, folder))
    assert status == 0, f"psql ended with {status}:\n{said}"
    return outcomes_of(blocks, folder, said)


def same_text(shown, outcome):
    """Pairs of what a page shows and what came, in a form in which they can be compared.

    Blank lines and blanks at line ends are not compared; of errors no line breaks either.
    """
    shown_lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    first_error = next((n for n, line in enumerate(shown_lines) if line.startswith("ERROR:")), len(shown_lines))
    tables, errors = shown_lines[:first_error], " ".join(" ".join(shown_lines[first_error:]).split())
    came = [line.rstrip() for line in outcome.printed.splitlines() if line.strip()]
    said = " ".join(" ".join(outcome.messages).split())
    return (tables, errors), (came, said if errors else "")
