"""Use that continues in another window when a plan, an override or the default plan changes."""

from .accounts import entitled, entitlement_window, plan_of, prefixes
from .books import count_of
from .rooms import bucket_of
from .times import period_of
from .world import NEWER, SOURCES, Bucket, Operation


def own_account(world, subject, feature, at=None):
    """The account that a plan or an override gives this very level, or None: that of grants alone
    has a window of its own."""
    for account in entitled(world, subject, feature, world.now if at is None else at):
        if account.prefix == subject:
            return account
    return None


def metered_accounts(world, subject, features, at):
    """feature -> the subject's own metered account."""
    found = {}
    for feature in features or list(world.features):
        if world.features[feature].kind == "metered":
            account = own_account(world, subject, feature, at)
            if account:
                found[feature] = account
    return found


def take_over(world, old, new):
    """Window `new` takes the use of window `old` over, each part as what it was."""
    if old == new:
        return
    world.moved[old] = new
    if new in world.moved:
        del world.moved[new]
    if old not in world.buckets:
        return
    used, into = world.buckets[old], world.buckets.get(new, Bucket())
    for index, part in list(world.parts.items()):  # those of expired holds too, though nothing of them is there
        if part.window == old:
            world.parts[index] = part._replace(window=new)
            world.buckets[new] = into
    if used.open:
        world.buckets[old] = used._replace(prorated=None)
        return
    number, subject, feature = world.next_id(), old[0], old[1]
    for source, grant, amount in _contents(world, old):
        for window, sign in ((old, -1), (new, 1)):
            world.post(number, subject, subject, feature, "transfer", source, sign * amount, window, None)
        if grant:
            del world.grant_taken[old, *grant]
            world.grant_taken[new, *grant] = count_of(world, new, source, grant) + amount
    world.buckets[new] = into._replace(
        **{source: getattr(into, source) + getattr(used, source) for source in SOURCES},
        rolled_in=None if used.rolled_in is into.rolled_in is None else (used.rolled_in or 0) + (into.rolled_in or 0),
        rolled_out=into.rolled_out + used.rolled_out,
    )
    world.buckets[old] = Bucket(limit=used.limit, rolled_in=0)
    world.operations[number] = Operation("transfer", subject, feature, used.debited, 0, (subject,), ())


def _contents(world, window):
    """(source, grant, units) of all that a bucket holds."""
    for source in SOURCES:
        if source == "grant":
            grants = [key[1:] for key in world.grant_taken if key[0] == window]
            contents = [(grant, count_of(world, window, source, grant)) for grant in grants]
        else:
            contents = [(None, count_of(world, window, source, None))]
        yield from ((source, grant, amount) for grant, amount in contents if amount)


def go_on(world, old, new, at_end=False):
    """Use goes on in window `new`: it takes that of `old` over, but begins at 0 at the end of
    a billing period, and where a period follows a window without end."""
    if old == new:
        return
    if at_end or (old[4] is None and new[4] is not None):
        if new in world.moved:
            del world.moved[new]
        return
    take_over(world, old, new)


def keep(world, subject, features, change, at=None, at_end=False):
    """Runs change(); where the current window became another one, use goes on there.
    (accounts before, accounts after)"""
    everyone = with_members(world, subject)
    before = {who: metered_accounts(world, who, features, at) for who in everyone}
    change()
    after = {who: metered_accounts(world, who, features, at) for who in everyone}
    for who in everyone:
        for feature, account in after[who].items():
            old = before[who].get(feature)
            of_members = account.of_members or bool(old and old.of_members)
            if who == subject or of_members:
                begins = at_end or (of_members and not (old and same_series(old.entitlement, account.entitlement)))
                go_on(world, old.window if old else _holder(world, account.window), account.window, begins)
                same = old and who != subject and old.entitlement == account.entitlement
                plan = plan_or_newer(world, account.window, plan_of(world, account)) if same else plan_of(world, account)
                new_limit(world, account.window, account.entitlement.allowance, plan)
    return before[subject], after[subject]


def with_members(world, subject):
    """It and the subjects one segment below that have used something."""
    return [subject] + sorted(name for name in _counted(world) if name.rpartition("/")[0] == subject)


def _counted(world):
    """Subjects that have used something."""
    return {window[0] for window in world.buckets} | {name for name, _ in world.capacity}


def same_series(old, new):
    """Whether two entitlements have the same period and anchor."""
    return (period_of(old.period), old.anchor) == (period_of(new.period), new.anchor)


def keep_below(world, sub, change):
    """As keep(), for a subscription's own accounts and those below that depend on it."""
    levels = dependents(world, sub)
    before = {level: _depending(world, level, sub) for level in levels}
    change()
    for level in levels:
        for feature, account in _depending(world, level, sub).items():
            old = before[level][feature].window if feature in before[level] else _holder(world, account.window)
            go_on(world, old, account.window)
            new_limit(world, account.window, account.entitlement.allowance, plan_of(world, account))


def dependents(world, sub):
    """The subject of a subscription, and those below it that may depend on it."""
    known = {level for level, _ in world.overrides} | _counted(world)
    return [sub.subject] + sorted(level for level in known if level.startswith(sub.subject + "/"))


def _depending(world, level, sub):
    """feature -> the level's own metered account, of those that depend on a subscription."""
    found = metered_accounts(world, level, None, world.now)
    return {feature: a for feature, a in found.items() if a.subscription and a.subscription.id == sub.id}


def new_limit(world, window, allowance, plan):
    """The window goes on under another limit, or plan."""
    if window in world.buckets:
        world.buckets[window] = world.buckets[window]._replace(limit=allowance, plan=plan, prorated=None)


def plan_or_newer(world, window, plan):
    """A plan that a window has already, else NEWER."""
    return plan if window in world.buckets and world.buckets[window].plan == plan else NEWER


def prorate(world, account, allowance):
    """The window has this limit until its end."""
    share = None if allowance == account.entitlement.allowance else allowance
    world.buckets[account.window] = bucket_of(world, account)._replace(
        limit=allowance, plan=plan_of(world, account), prorated=share)


def _holder(world, window):
    """The window in which the use of this one lies now.  A feature that comes back
    after a plan without it finds its use again."""
    while window in world.moved:
        window = world.moved[window]
    return window


def default_windows(world):
    """(feature, segments below) -> (start, end) of the default plan's current metered windows; of members: 1 below."""
    plan = world.default_plan()
    if plan is None:
        return {}
    return {
        (feature, below): entitlement_window(terms, "metered", None, None, world.now)
        for feature, entitlement in world.newest(plan).entitlements.items()
        for below, terms in enumerate((entitlement, entitlement.members))
        if terms is not None and world.features[feature].kind == "metered"
    }


def keep_default_use(world, before):
    """A new version of the default plan acts as change_plan keep for whoever is on it."""
    after = default_windows(world)
    for subject, feature, source, start, end in list(world.buckets):
        below = subject.count("/")
        if (
            source is None
            and below <= 1
            and not any((level, feature) in world.overrides for level in prefixes(subject))
            and before.get((feature, below)) == (start, end)
            and (feature, below) in after
        ):
            window = subject, feature, None, *after[feature, below]
            go_on(world, (subject, feature, None, start, end), window, at_end=below == 1)
            plan = world.default_plan()
            terms = world.newest(plan).entitlements[feature]
            now = plan_or_newer(world, window, (plan, world.plans[plan].version))
            new_limit(world, window, (terms.members if below else terms).allowance, now)
