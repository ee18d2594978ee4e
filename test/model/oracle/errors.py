"""What a call can answer other than rows."""

MAX = 2**63 - 1  # the greatest bigint


class Fault(Exception):
    """An error of the contract: its SQLSTATE, and its DETAIL where fixed."""

    def __init__(self, sqlstate, why, detail=None):
        super().__init__(f"{sqlstate} {why}")
        self.sqlstate = sqlstate
        self.why = why
        self.detail = detail


def invalid(why):
    """A bad value."""
    return Fault("22023", why)


def not_found(why):
    return Fault("QT404", why)


def fits(number):
    """The number, which must be a bigint."""
    if not -MAX - 1 <= number <= MAX:
        raise Fault("22003", "bigint out of range")
    return number


def answer(function, *arguments):
    """What it returns, or the Fault that it raises."""
    try:
        return function(*arguments)
    except Fault as fault:
        return fault


def gone(why):
    """A hold that is closed."""
    return Fault("QT410", why)
