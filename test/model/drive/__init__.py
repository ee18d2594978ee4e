"""Drives the extension and the oracle side by side and compares their answers."""
