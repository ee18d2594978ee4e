"""The pages of docs/stacks are true: each is walked as its reader would.  (The one for Node.js is walked by the suite
node, which has its modules; SQL blocks are run by test_pages.)"""

import psycopg
import pytest
from pages import ROOT
from walk import Walk, Wrong

STACKS = ROOT / "docs" / "stacks"
PAGES = [page for page in sorted(STACKS.glob("*.md")) if "```sh\n" in page.read_text(encoding="utf-8")]


@pytest.fixture(scope="module", autouse=True)
def server(maintenance):
    with psycopg.connect(maintenance) as connection:
        place = connection.info
        known = {"PGHOST": place.host, "PGPORT": str(place.port), "PGUSER": place.user}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in known.items():
            patch.setenv(name, value)
        yield


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "node"], ids=lambda page: page.stem)
def test_page(page, tmp_path):
    Walk(page, tmp_path).run()


def test_pages_are_found():
    assert {page.stem for page in PAGES} == {"django", "fastapi", "flask-sqlalchemy", "node", "workers"}


GOOD = """# A page
<!-- not run: it would fail -->
```sh
false
```

```sh
createdb shop
cat words.py
```

```text
# words.py
print(…)
```

<!-- stays: listening -->
```sh
echo listening; sleep 60
```

```python
# words.py
print("words")
```

```sh
python3 words.py
```

```text
words
```
"""


@pytest.mark.parametrize(
    "old, new",
    [
        ("", ""),
        ('print("words")', 'print("others")'),
        ("createdb shop", "createdb shop; false"),
        ("echo listening", "echo nothing; exit"),
        ("print(…)", "print(…) and more"),
        ("python3 words.py\n```\n", "python3 words.py >&2; exit 3\n```\n"),
        ("\nwords\n", "\nword?\n"),
    ],
)
def test_a_fault_is_found(old, new, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(GOOD.replace(old, new, 1) if old else GOOD, encoding="utf-8")
    if old:
        assert old in GOOD
        with pytest.raises(Wrong):
            Walk(page, tmp_path).run()
    else:
        Walk(page, tmp_path).run()
