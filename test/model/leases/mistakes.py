"""Mistakes that the protocol can be made to have, each with the scenario that shows it.

A mistake is a branch somewhere in memory.py, decide.py or protocol.py that asks for its name.  A
rule of the protocol that no mistake goes against is a rule that nothing here has shown to be
needed.
"""

from typing import NamedTuple


class Mistake(NamedTuple):
    what: str
    shown_by: str


# What looks like a mistake and is none: whoever goes by memory need not have seen the lease in the row.
NO_MISTAKE = "takes unseen"

MISTAKES = {
    # taking
    "takes uncommitted draws": Mistake("others take of a draw before it has committed", "two draws, debit"),
    "publishes before commit": Mistake("a draw is in the memory before it has committed", "draw, two debits"),
    "takes returned units": Mistake("units on their way back to the row can be taken", "draw, debit, recall, debit"),
    "recalled stays takeable": Mistake("a recall takes nothing away from the memory", "draw, debit, refund, debit"),
    "old terms": Mistake("a lease is used under a limit that has been lowered", "draw, lower, two debits"),
    "early id": Mistake("an id from before the lease is booked to it: the orphan's sum misses it", "a key beside a new lease"),
    # its end
    "abort gives nothing": Mistake("an aborted take does not come back", "draw, two debits"),
    "abort gives twice": Mistake("an aborted take comes back twice", "draw, two debits"),
    "abort keeps a recall": Mistake("what an aborted recall was to return cannot be taken again", "draw, debit, recall"),
    "late callback": Mistake("a callback changes what somebody has read over meanwhile", "two draws, debit"),
    "savepoint keeps what was written": Mistake(
        "the memory waits for what a savepoint has undone", "asks for too much after a savepoint"
    ),
    "prepare ends a take": Mistake("PREPARE counts a take as ended", "draw, two debits"),
    "prepare ends a refund": Mistake("PREPARE counts a refund as ended", "prepared refund"),
    "prepare publishes": Mistake("PREPARE publishes a draw", "draw, two debits"),
    "lost is taken": Mistake("what prepared transactions took counts without asking the ledger", "prepared refund"),
    # drawing, recalling, closing
    "opens after commit": Mistake("the memory hears of a lease only after its row is visible", "draw, two debits"),
    "reads nothing over": Mistake("who has the row locked believes what the memory waits for", "two draws, debit"),
    "closes over takes": Mistake("a lease is closed while takes are in flight", "draw, debit, recall"),
    "closes over refunds": Mistake("a lease is closed while refunds are in flight", "draw, debit, refund, recall"),
    "orphan beside prepared": Mistake("an orphan is summed while prepared takes are in flight", "draw, two debits"),
    "orphan counts as unused": Mistake("after a crash a lease counts as unused", "draw, two debits"),
    "administration does not drain": Mistake("a row is written over takes in flight", "a drain beside two accounts"),
    # refusing
    "refuses without recall": Mistake("refuses by the row's room alone", "draw, debit, recall"),
    "refuses by row and left": Mistake("adds up the row's room and what is left", "draw, two debits"),
    "refuses beside refunds": Mistake("refuses at sight beside a refund in flight", "draw, debit, refund, debit"),
    "refuses by an old row": Mistake("a row and a memory of two moments", "refused while use comes and goes"),
    "own draws are no room": Mistake("what one has drawn oneself is not room", "a savepoint around a draw"),
    "own refunds are no room": Mistake("what one has given back oneself is not room", "gives back and takes again"),
    # waiting
    "waits with the row": Mistake("waits for takers with the row locked", "asks for all beside a taker"),
    "waits with an earlier row": Mistake("the same, with the row locked by an operation before", "draws twice beside a taker"),
    "waits with another's row": Mistake(
        "the same, with the row of another account", "a drain with a row from before"
    ),
    "does not ask": Mistake(
        "who may not wait takes for in flight what is not", "asks after a prepared take has been undone"
    ),
    "takers drain": Mistake("two that have taken wait for each other", "two that ask for all"),
    "drains alone": Mistake("of two that drain, one keeps the other out", "refunds what it has just taken"),
    # giving back
    "gives before commit": Mistake("what is given back can be taken before it has committed", "draw, debit, refund, debit"),
    "gives while closing": Mistake("gives to a lease that is being closed", "draw, debit, close, refund"),
    "refunds are not noted": Mistake("two give back the same units", "draw, debit, refund twice"),
    "gives own use only": Mistake("the row gives back only what was taken by the row", "draw, debit, refund twice"),
    # holds
    "a hold is closed twice": Mistake("a settle and an expiry both give it back", "settle, expiry"),
    "gives by the hold's entry": Mistake(
        "the entry names the lease that the hold was taken from", "a hold outlives its lease"
    ),
    "settles are not noted": Mistake("a settle that gives nothing back is not in flight", "a settle beside a threshold"),
    # thresholds
    "draws over a threshold": Mistake("a lease reaches over a threshold", "a draw below a threshold"),
    "row passes a threshold": Mistake("a lease stays where the row passes a threshold", "a draw below a threshold"),
    "gives below a threshold": Mistake("takes of holds make up for what is given back", "a refund of what a hold has"),
    "row gives below a threshold": Mistake("the row gives back below a threshold", "a refund passes a threshold"),
    "holds straddle": Mistake("holds count as use for the threshold below", "a hold straddles a threshold"),
}
