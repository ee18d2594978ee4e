"""What open holds have reserved, account by account and window by window."""


def reserved_in(world, account):
    """Units of open holds in the account's present window: {(source, grant): units}; capacity: {None: units}."""
    found = {}
    for number, hold in world.holds.items():
        operation = world.operations[number]
        if hold.state != "open" or operation.feature != account.feature:
            continue
        if world.features[account.feature].kind == "capacity":
            if account.prefix in operation.levels:
                found[None] = found.get(None, 0) + hold.reserved
            continue
        for part in (world.parts[n] for n in operation.parts):
            if part.window == account.window and part.left:
                found[part.source, part.grant] = found.get((part.source, part.grant), 0) + part.left
    return found


def reserved_by_window(world):
    """Units of open holds in every window."""
    found = {}
    for number, hold in world.holds.items():
        for part in (world.parts[n] for n in world.operations[number].parts) if hold.state == "open" else ():
            found[part.window] = found.get(part.window, 0) + part.left
    return found
