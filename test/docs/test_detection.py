"""The suite notices when an example breaks: pages with a known fault, each of which must be found."""

import pytest
from pages import read_page, run_blocks, same_text

GOOD = """# A page
```sql
SELECT 1 AS one, NULL AS none;
SELECT 1/0;   -- ERROR: 22012
```

```text
 one | none
-----+------
   1 | NULL

ERROR:  22012: division by zero
```

Words in between.

```sql
SET timezone = 'UTC';
```
"""


@pytest.fixture(scope="session")
def database(new_database):
    return new_database()


@pytest.fixture
def faults(database, tmp_path):
    """Run a page; returns what is wrong with it."""

    def run(text):
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        blocks = read_page(page)
        outcomes = run_blocks(database, [block for block in blocks if block.is_run], tmp_path)
        found = []
        for block in blocks:
            if not block.is_run:
                continue
            outcome = outcomes[block.line]
            if not block.is_complete():
                found.append("incomplete")
            if outcome.errors != block.marks():
                found.append("errors")
            if outcome.printed is None:
                found.append("end")
            elif block.text is not None and len(set(map(str, same_text(block.text, outcome)))) != 1:
                found.append("text")
        return found

    return run


def test_a_good_page(faults):
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    "old, new, fault",
    [
        ("SET timezone", "SET time_zone", "errors"),
        ("22012\n```", "22003\n```", "errors"),
        ("SELECT 1/0;", "SELECT 1/1;", "errors"),
        ("   1 | NULL", "   2 | NULL", "text"),
        (": division by zero", ": division", "text"),
        ("'UTC';", "'UTC'", "incomplete"),
        ("'UTC';", "'UTC;", "end"),
        ("'UTC';", "'UTC'; SELECT now() WHERE 1/0 = 1;", "errors"),
    ],
)
def test_a_fault_is_found(faults, old, new, fault):
    assert old in GOOD
    assert fault in faults(GOOD.replace(old, new, 1))


def test_what_is_not_run(faults):
    page = GOOD.replace("```sql\nSET timezone", "<!-- not run -->\n```sql\nSET time_zone")
    assert faults(page) == []
