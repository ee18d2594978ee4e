"""RESULTS.md, of which each benchmark fills the part between its marks."""


def write(path, begin_mark, end_mark, text):
    """Replaces what stands between the marks."""
    with open(path, encoding="utf-8") as file:
        page = file.read()
    before, rest = page.split(begin_mark)
    after = rest.split(end_mark, 1)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin_mark}\n{text}\n{end_mark}{after}")
