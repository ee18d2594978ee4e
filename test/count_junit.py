"""Prints how many tests of a JUnit file passed and failed: "12 0"."""
import sys
import xml.etree.ElementTree as ElementTree

passed = failed = 0
try:
    for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" not in kinds:
            passed += 1
except (OSError, ElementTree.ParseError):
    pass
print(passed, failed)
