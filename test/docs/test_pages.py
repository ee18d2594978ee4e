"""The manual is true: every SQL example in README.md and docs/ runs, and prints what the page shows."""

import pytest
from pages import ROOT, read_page, run_blocks, same_text

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = {path: read_page(path) for path in PAGES}
CASES = [
    pytest.param(path, block, id=f"{path.name}:{block.line}")
    for path, blocks in BLOCKS.items()
    for block in blocks
    if block.is_run
]


@pytest.fixture(scope="session")
def outcome_of(new_database, tmp_path_factory):
    """Runs a page when its first block is asked for; returns a block's outcome."""
    pages = {}

    def run_page(path):
        main = [block for block in BLOCKS[path] if block.is_run and not block.is_alone]
        outcomes = {}
        for blocks in [main, *([block] for block in BLOCKS[path] if block.is_alone)]:
            installs = any("CREATE EXTENSION quota" in block.sql for block in blocks)
            outcomes |= run_blocks(new_database(extension=not installs), blocks, tmp_path_factory.mktemp("page"))
        return outcomes

    def outcome(path, block):
        if path not in pages:
            try:
                pages[path] = run_page(path)
            except Exception as problem:
                pages[path] = problem
        if isinstance(pages[path], Exception):
            raise pages[path]
        return pages[path][block.line]

    return outcome


@pytest.mark.parametrize("path, block", CASES)
def test_example(path, block, outcome_of):
    assert block.is_complete(), "its last statement has no semicolon"
    outcome = outcome_of(path, block)
    assert outcome.errors == block.marks(), "\n".join(outcome.messages)
    unexpected = [line for line in outcome.messages if line.startswith(("WARNING", "FATAL", "PANIC"))]
    assert not unexpected
    assert outcome.printed is not None, "psql did not come to the end of the block"
    if block.text is not None:
        shown, came = same_text(block.text, outcome)
        assert came == shown


@pytest.mark.parametrize("name", ["tour.md", "reference.md", "operations.md"])
def test_page_has_examples(name):
    """A page whose fences are spelled otherwise must not pass for want of blocks."""
    found = [case for case in CASES if case.values[0].name == name]
    assert len(found) >= 8


def test_results_are_shown():
    assert len([block for block in BLOCKS[ROOT / "docs/reference.md"] if block.text]) >= 8


def test_comments_are_known():
    """A comment that is misspelled would be no comment."""
    for path, blocks in BLOCKS.items():
        for block in blocks:
            if block.comment and block.is_run and not block.needs:
                assert block.is_alone, f"{path.name}:{block.line}: {block.comment}"
