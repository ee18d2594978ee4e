"""Token management: what an action costs and the one place where it is charged.

What is a fact of rows (documents, storage_bytes) is charged by their table instead: see models.GATES.
Everything that is charged together is charged in one order (by the feature's name), after the action's own
rows are written and just before the commit: so two requests never wait for each other in a circle, and a
hot account is locked for as short as can be.
"""

from quota_client import debit, give_back

from . import tokenizer


def charge(session, subject, amounts, key, metadata):
    """Charge {feature: amount} to `subject`, all or none, inside the caller's transaction.

    Amounts of 0 cost nothing.  `key` (or None) makes each charge happen once however often it is sent;
    `metadata` says in the ledger what it was for.  Returns {feature: remaining or None}.  Raises QuotaError,
    after which the caller's transaction can only roll back: nothing of it stays.
    """
    return {
        feature: debit(
            session, subject, feature, amount, key=f"{key}:{feature}" if key else None, metadata=metadata
        ).remaining
        for feature, amount in sorted(amounts.items())
        if amount
    }


def hand_back(session, subject, amounts, metadata):
    """Give capacity {feature: amount} back to the subject that was charged for it, in the same order."""
    for feature, amount in sorted(amounts.items()):
        if amount:
            give_back(session, subject, feature, amount, metadata=metadata)


def cost_of_answer(question, chunks, answer_text):
    """Tokens of an answer: the question and every chunk that was read, plus what was written."""
    return tokenizer.count(question) + sum(chunk.tokens for chunk in chunks) + tokenizer.count(answer_text)


def cost_of_mindmap(chunks, labels):
    """Tokens of a mind map: every chunk that was read, plus the labels that were written."""
    return sum(chunk.tokens for chunk in chunks) + sum(tokenizer.count(label) for label in labels)
