"""Buckets and ledger: what a charge takes and what comes back."""

from . import caps, rollover
from .accounts import plan_of, prefixes
from .errors import fits
from .rooms import bucket_of, limit_of, room_of
from .world import Bucket, Part


def add(world, window, source, grant, amount):
    """To one count of a bucket, and to its grant."""
    bucket = world.buckets.get(window, Bucket())
    bucket = bucket._replace(**{source: fits(getattr(bucket, source) + amount)})
    fits(bucket.used)
    world.buckets[window] = bucket
    if source == "grant":
        world.grant_used[grant] = world.grant_used.get(grant, 0) + amount
        world.grant_taken[window, *grant] = world.grant_taken.get((window, *grant), 0) + amount


def count_of(world, window, source, grant):
    """Units that a bucket has of a source."""
    if source == "grant":
        return world.grant_taken.get((window, *grant), 0)
    return getattr(world.buckets.get(window, Bucket()), source)


def take_from(world, number, subject, account_name, window, counted, source, grant, amount, kind, metadata, debit, at=None):
    """From one bucket; gives the number of the part."""
    add(world, window, source, grant, amount)
    world.post(number, subject, account_name, window[1], kind, source, amount, window, metadata, debit)
    index = len(world.parts)
    world.parts[index] = Part(debit or number, account_name, source, grant, window, counted, world.now if at is None else at, amount)
    return index


def take(world, number, subject, account, amount, kind, metadata=None, debit=None, at=None):
    """From a metered account, what finds no room being overdrawn: (numbers of the parts, units overdrawn)."""
    rollover.fix(world, account)
    if account.window in world.moved:  # it has come back: what left the window before stays where it is
        del world.moved[account.window]
    world.buckets[account.window] = bucket_of(world, account)._replace(
        limit=limit_of(world, account), plan=plan_of(world, account))
    taken, overdrawn, counted = room_of(world, account, at).take(amount)
    if overdrawn:
        taken.append(("overdrawn", None, overdrawn))
    if counted:
        caps.count(world, account, counted, at)
    return [
        take_from(world, number, subject, account.prefix, account.window, account.source, source, grant, units, kind,
                  metadata, debit, at)
        for source, grant, units in taken
    ], overdrawn


def give_part(world, number, subject, index, amount, kind, debit):
    """Back into the bucket that a part came from, which stops at 0: a correction says what was not there."""
    part = world.parts[index]
    there = min(amount, count_of(world, part.window, part.source, part.grant))
    world.parts[index] = part._replace(left=part.left - amount)
    add(world, part.window, part.source, part.grant, -there)
    if part.source != "grant" or not world.grants[part.grant[0]].beyond_caps:
        caps.restore(world, index, amount)
    feature = part.window[1]
    world.post(number, subject, part.account, feature, kind, part.source, -amount, part.window, None, debit)
    if there < amount:
        world.post(number, subject, part.account, feature, "correction", part.source, amount - there, part.window,
                   None, debit)


def give(world, number, operation, level, amount, kind, debit):
    """Up to `amount` of what an operation holds at a level, last first; what was taken back."""
    left = amount
    for index in reversed(operation.parts):
        part = world.parts[index]
        units = min(left, part.left)
        if part.account == level and units:
            give_part(world, number, operation.subject, index, units, kind, debit)
            left -= units
    return amount - left


def held(world, operation, level):
    """Units that an operation holds at a level."""
    return sum(world.parts[n].left for n in operation.parts if world.parts[n].account == level)


# ---- capacity --------------------------------------------------


def raise_capacity(world, number, subject, feature, amount, kind, metadata=None, debit=None):
    """At every level of the path."""
    for level in prefixes(subject):
        world.capacity[level, feature] = fits(world.capacity.get((level, feature), 0) + amount)
        world.post(number, subject, level, feature, kind, "capacity", amount, None, metadata, debit)


def lower_capacity(world, number, kind, subject, feature, amount, debit):
    """What a hold had reserved comes back at every level."""
    for level in prefixes(subject):
        world.capacity[level, feature] -= amount
        if amount:
            world.post(number, subject, level, feature, kind, "capacity", -amount, None, None, debit)


def capacity_in_use(world, subject, feature):
    """Without what open holds have reserved there."""
    reserved = sum(
        hold.reserved for number, hold in world.holds.items()
        if hold.state == "open" and world.operations[number].feature == feature
        and subject in world.operations[number].levels
    )
    return world.capacity.get((subject, feature), 0) - reserved


def give_capacity(world, number, subject, feature, amount, metadata):
    """Something ceased to exist: every level stops at what open holds have reserved there."""
    for level in prefixes(subject):
        given = min(capacity_in_use(world, level, feature), amount)
        if given:
            world.capacity[level, feature] -= given
            world.post(number, subject, level, feature, "give_back", "capacity", -given, None, metadata)
