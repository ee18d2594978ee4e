"""Scenarios that nobody has thought of, from one random.Random.

A first transaction draws from every account; two or three others have a few operations each.
"""

from .protocol import Model
from .scenarios import Charge, Close, Lower, Refund, RollBack, Savepoint, Scenario, Settle, draw, take


def explored(rng, most_states):
    """
    A scenario and its outcome; a deadlock that rows alone have as well is right.  Rows do not refuse
    at sight then: what is at an orphan nobody sees, so charges that cross there wait for each other.
    """
    scenario = a_scenario(rng)
    outcome = Model(scenario).explore(most_states)
    if outcome.verdict == "deadlock":
        rows = Model(scenario, "never refuses at sight", leases=False)
        outcome = outcome._replace(verdict="right") if rows.explore().verdict == "deadlock" else outcome
    return scenario, outcome


def a_scenario(rng):
    accounts = rng.choice((1, 1, 2))
    threshold = rng.choice((None, None, 5, 6, 7)) if accounts == 1 else None
    programs = [tuple(draw(rng.choice((1, 2, 4)), account) for account in range(accounts))]
    holds = {}
    others = rng.choice((2, 3, 3))
    for _ in range(others):
        programs.append(a_program(rng, accounts, holds, threshold, most=4 - others))
    return Scenario(
        with_refunds(rng, programs),
        crashes=rng.choice((0, 0, 1)),
        accounts=accounts,
        draw=rng.choice((2, 4)),
        threshold=threshold,
        aborts=rng.random() < 0.6,
        prepares=rng.random() < 0.3,
        amounts=holds,
        after={1: 0} if rng.random() < 0.6 else {},
    )


def a_program(rng, accounts, holds, threshold, most):
    first = rng.random()
    if first < 0.1:
        return (Close(tuple(range(accounts))),)
    if first < 0.15 and threshold is None:
        return (Lower(rng.randrange(accounts), rng.choice((3, 5, 8))),)
    program = [an_operation(rng, accounts, holds) for _ in range(rng.randint(1, most))]
    if rng.random() < 0.3:
        program.insert(rng.randrange(len(program)), Savepoint())
        program.append(RollBack())
    return tuple(program)


def an_operation(rng, accounts, holds):
    kind, account = rng.random(), rng.randrange(accounts)
    if kind < 0.15 and len(holds) < 2:
        hold = len(holds)
        holds[hold] = rng.choice((2, 3))
        return take(holds[hold], account, hold=hold, draws=rng.random() < 0.3)
    if kind < 0.35 and holds:
        hold = rng.choice(sorted(holds))
        return Settle(hold, rng.randint(0, holds[hold]))
    if kind < 0.5 and accounts == 2:
        return Charge(((0, rng.choice((1, 2, 6))), (1, rng.choice((1, 3, 8)))), draws=rng.random() < 0.3)
    if kind < 0.65:
        return draw(rng.choice((1, 2, 5)), account)
    return take(rng.choice((1, 2, 3, 5, 7, 9)), account, keyed=rng.random() < 0.1)


def with_refunds(rng, programs):
    """Of what the first transaction takes, two others may give something back, never more than all of it."""
    programs = list(programs)
    left = {charge.amounts[0][0]: charge.amounts[0][1] for charge in programs[0]}
    for number in rng.sample(range(1, len(programs)), 2):
        account = rng.choice(sorted(left))
        if rng.random() < 0.5 or left[account] == 0:
            continue
        amount = rng.randint(1, left[account])
        left[account] -= amount
        programs[number] = (Refund(account, amount, debit=0), *programs[number])
    return tuple(programs)
