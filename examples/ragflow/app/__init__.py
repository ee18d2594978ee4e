"""An application that can't be changed: knowledge bases of documents that are parsed, embedded and asked.

Nothing in this package knows of a paywall.
"""
