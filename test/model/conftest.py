"""Says at the end of a run which seeds it tried, so that it can be repeated."""

OUTCOMES = []  # lines, from test_model


def pytest_terminal_summary(terminalreporter):
    for line in OUTCOMES:
        terminalreporter.write_line(f"model: {line}")
