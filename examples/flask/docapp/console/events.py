"""Where events go and which could not be sent, by quota-relay's tables; and what operators have done."""

from flask import flash, redirect, render_template, request, url_for

from .. import clock
from ..web import Problem
from . import acts, forms
from .access import acts as acting
from .access import blueprint, looking
from .queries import journal, relay, stamps

LETTERS, ACTIONS = 20, 50


@blueprint.get("/events")
def events():
    """?letter= and ?action=: the ids where older pages begin."""
    letter, action = (request.args.get(name, type=int) for name in ("letter", "action"))
    with looking() as connection:
        is_relayed = relay.may_look(connection)
        destinations = relay.destinations(connection) if is_relayed else []
        letters = relay.letters(connection, letter, LETTERS + 1) if is_relayed else []
        actions = journal.listed(connection, before=action, most=ACTIONS + 1)
    return render_template(
        "console/events.html",
        is_relayed=is_relayed,
        destinations=destinations,
        letters=letters[:LETTERS],
        older_letters=url_for("console.events", letter=letters[LETTERS - 1].id) if len(letters) > LETTERS else None,
        newer_letters=url_for("console.events") if letter else None,
        actions=actions[:ACTIONS],
        older_actions=url_for("console.events", action=actions[ACTIONS - 1].id, _anchor="journal") if len(actions) > ACTIONS else None,
        newer_actions=url_for("console.events", _anchor="journal") if action else None,
        now=clock.now(),
    )


@blueprint.post("/events/resend")
@acting
def resend():
    """Have a dead letter sent again."""
    letter_id = forms.whole("letter", "Letter")

    def work(connection):
        found = _relayed(connection) and relay.resend(connection, letter_id)
        if not found:
            raise Problem(409, "stale", "This letter is to be sent already, was sent, or is gone. Nothing was done.")
        return f"{found.type} is sent to {found.destination} again."

    flash(acts.carry_out("resend", work, {"letter": letter_id}, stamps.Row("This letter")))
    return redirect(url_for("console.events"), 303)


@blueprint.post("/events/try")
@acting
def try_now():
    """Have a failing destination tried at once."""
    name = forms.words("destination", "Destination")

    def work(connection):
        if not (_relayed(connection) and relay.try_now(connection, name)):
            raise Problem(409, "stale", "This destination is not failing any more, or is gone. Nothing was done.")
        return f"{name} is tried again now."

    flash(acts.carry_out("try_now", work, {"destination": name}, stamps.Row("This destination")))
    return redirect(url_for("console.events"), 303)


def _relayed(connection):
    if not relay.may_look(connection):
        raise Problem(404, "not_found", "There is no relay here, or the console may not see it. Nothing was done.")
    return True
