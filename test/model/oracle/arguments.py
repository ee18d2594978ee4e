"""Arguments that are refused before anything is read."""

from .errors import Fault, invalid


def check_amount(amount):
    if amount is None:
        raise Fault("22004", "amount is NULL")
    if amount <= 0:
        raise invalid("amount is not positive")


def check_subject(subject):
    """1 to 8 segments, 255 bytes, no control characters."""
    if subject is None:
        raise Fault("22004", "subject is NULL")
    if len(subject.encode()) > 255:
        raise Fault("22001", "subject is too long")
    segments = subject.split("/")
    if len(segments) > 8 or not all(segments) or any(ord(c) < 32 or ord(c) == 127 for c in subject):
        raise invalid("subject")


def check_key(key):
    if key == "":
        raise invalid("empty key")
    if key is not None and len(key.encode()) > 255:
        raise Fault("22001", "key is too long")


def check_feature(feature):
    if feature is None:
        raise Fault("22004", "feature is NULL")
