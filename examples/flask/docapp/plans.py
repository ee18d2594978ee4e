"""The plan manager: lists plans, changes them, sets members' limits, makes API keys.

It alone holds the connection of level admin.  A plan changes only through an event signed with
CALLBACK_SECRET, as payment providers send them (callbacks.py); the demo checkout button makes and signs one
itself and then goes the same way.
"""

import hashlib

import quota_client
from quota_client import QuotaError
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from . import callbacks, config
from .callbacks import BadCallback
from .models import TrialTaken

_CHANGES = text(
    """
    SELECT e.id, e.at, e.type, e.feature, e.data FROM quota.events AS e
     WHERE e.subject = :workspace AND (e.feature IS NULL OR e.type IN ('credited', 'grant_revoked'))
       AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since)
       AND (CAST(:until AS timestamptz) IS NULL OR e.at < :until)
     ORDER BY e.id DESC LIMIT :most
    """
)
_API_KEYS = text("SELECT * FROM quota.api_keys WHERE subject = :subject ORDER BY id DESC")

#: the feature of which a member may have a limit of their own, set by the workspace's owner
LIMITED_BY_MEMBER = "llm_tokens"
_ORDER = list(config.catalog()["features"])


def _as_in_catalog_file(entitlement):
    """Sort key: JSON from the database has lost the order that people should read in."""
    return _ORDER.index(entitlement[0]) if entitlement[0] in _ORDER else len(_ORDER)


def _person(email):
    """What is kept of a person who has had their trial."""
    return hashlib.sha256(email.lower().encode()).digest()


class PlanManager:
    """One for each application, over the engine of level admin."""

    def __init__(self, admin_engine):
        self._engine = admin_engine

    def plans(self):
        """Every plan on offer, cheapest first: dicts with plan, title, default, price_cents, summary, trial_days and
        features [{feature, title, unit, kind, and allowance (None: unlimited) with period, or value; members: the
        same for each member}]."""
        with self._engine.connect() as connection:
            catalog = quota_client.export_catalog(connection)
        listed = []
        for name, plan in catalog["plans"].items():
            features = [
                {"feature": feature, **catalog["features"][feature], **terms}
                for feature, terms in sorted(plan["entitlements"].items(), key=_as_in_catalog_file)
            ]
            metadata = plan.get("metadata") or {}
            listed.append(
                {
                    "plan": name,
                    "title": plan.get("title") or name,
                    "default": bool(plan.get("default")),
                    "price_cents": metadata.get("price_cents", 0),
                    "summary": metadata.get("summary", ""),
                    "trial_days": metadata.get("trial_days"),
                    "features": features,
                }
            )
        return sorted(listed, key=lambda p: (p["price_cents"], p["plan"]))

    def _default(self):
        return next(plan["plan"] for plan in self.plans() if plan["default"])

    def member_limit(self, plan):
        """llm_tokens a month that a plan gives each member of a workspace at most, or None."""
        features = next((p["features"] for p in self.plans() if p["plan"] == plan), [])
        terms = next((f for f in features if f["feature"] == LIMITED_BY_MEMBER), {})
        return terms.get("members", {}).get("allowance")

    def with_value(self, feature, least):
        """Offers for a static feature whose value is a number: the plans whose value is at least `least`,
        smallest first, as quota.offers answers for what is counted (plan, title, allowance, metadata)."""
        fitting = []
        for plan in self.plans():
            value = next((f.get("value") for f in plan["features"] if f["feature"] == feature), None)
            if value is not None and value >= least:
                fitting.append(
                    {
                        "plan": plan["plan"],
                        "title": plan["title"],
                        "allowance": value,
                        "metadata": {"price_cents": plan["price_cents"]},
                    }
                )
        return sorted(fitting, key=lambda offer: (offer["allowance"], offer["plan"]))

    def carry_out(self, event):
        """Change the plan as the verified `event` says, if it is "new"; or "repeated" or "overtaken": see callbacks.

        A paid plan starts at once: what is held (documents, storage) goes on; metered use starts at 0 with a
        first subscription and is kept between paid plans; a trial is over, and its plan or another paid for.  The
        default plan needs no subscription: going back to it cancels the one there is.  Raises BadCallback.
        """
        default = self._default()
        with self._engine.begin() as connection:
            standing = callbacks.receive(connection, event)
            if standing != "new":
                return standing
            try:
                if event["plan"] != default:
                    quota_client.change_plan(
                        connection, event["workspace"], event["plan"], effective=event["effective"], usage="keep"
                    )
                    if event["effective"] == "now":
                        self._end_trial(connection, event["workspace"])
                else:
                    self._cancel(connection, event["workspace"], event["effective"])
            except QuotaError as error:
                raise BadCallback(error.status, error.message) from error
        return standing

    @staticmethod
    def _end_trial(connection, workspace):
        if quota_client.me(connection, workspace)["plan"]["status"] == "trialing":
            quota_client.set_status(connection, workspace, "active")

    @staticmethod
    def _cancel(connection, workspace, effective):
        """Cancel; a workspace without subscription is on the default plan already."""
        try:
            with connection.begin_nested():
                quota_client.cancel(connection, workspace, effective)
        except QuotaError as error:
            if error.sqlstate != "QT404":
                raise

    def top_up(self, event):
        """Credit what the verified callback `event` says was paid for; returns the grant's id, the same for an event
        that comes again.  Its id is the key, so that quota credits it once.  Raises BadCallback."""
        pack = config.TOP_UPS.get(event["top_up"])
        if pack is None:
            raise BadCallback(404, "There is no such top-up.")
        try:
            with self._engine.begin() as connection:
                return quota_client.credit(
                    connection,
                    event["workspace"],
                    pack["feature"],
                    pack["amount"],
                    source="top-up",
                    key=f"payment:{event['id']}",
                    metadata={"top_up": event["top_up"]},
                ).id
        except QuotaError as error:
            raise BadCallback(error.status, error.message) from error

    def has_had_trial(self, email):
        """Has this person had their trial?"""
        with self._engine.connect() as connection:
            query = TrialTaken.__table__.select().where(TrialTaken.person == _person(email))
            return connection.execute(query).first() is not None

    def start_trial(self, workspace, plan, email):
        """Begin the trial of a plan that has one, once for each person; False if they have had theirs.  Raises
        BadCallback: no trial of this plan, or a plan that is there."""
        days = next((listed["trial_days"] for listed in self.plans() if listed["plan"] == plan), None)
        if not days:
            raise BadCallback(404, "There is no trial of this plan.")
        with self._engine.begin() as connection:
            taken = insert(TrialTaken).values(person=_person(email), workspace=workspace)
            if connection.execute(taken.on_conflict_do_nothing().returning(TrialTaken.person)).first() is None:
                return False
            if quota_client.me(connection, workspace)["plan"]["name"] != self._default():
                raise BadCallback(409, "There is a plan already.")
            quota_client.subscribe(connection, workspace, plan, trial=f"{days} days")
        return True

    def changes(self, workspace, since=None, until=None, most=200):
        """What happened to the workspace's plan in [since, until), newest first: rows (id, at, type, data) of
        quota.events."""
        asked = {"workspace": workspace, "since": since, "until": until, "most": most}
        with self._engine.connect() as connection:
            return connection.execute(_CHANGES, asked).all()

    def maintain(self):
        """quota.maintain(): [(task, rows)].  It tidies and adds up; no limit depends on its having run."""
        with self._engine.begin() as connection:
            return quota_client.maintain(connection)

    def create_api_key(self, subject, name, expires_at, scopes):
        """Make an API key that acts for `subject`: its secret, which nothing else ever shows."""
        with self._engine.begin() as connection:
            return quota_client.create_api_key(connection, subject, name, expires_at, scopes).secret

    def api_keys(self, subject):
        """The API keys that act for exactly this subject, newest first: rows of quota.api_keys."""
        with self._engine.connect() as connection:
            return connection.execute(_API_KEYS, {"subject": subject}).all()

    def revoke_api_key(self, subject, key_id):
        """End a key of `subject`; False if it has none of that id."""
        if all(key.id != key_id for key in self.api_keys(subject)):
            return False
        with self._engine.begin() as connection:
            quota_client.revoke_api_key(connection, key_id)
        return True

    def revoke_api_keys(self, subject):
        """End all keys of `subject`."""
        for key in self.api_keys(subject):
            self.revoke_api_key(subject, key.id)

    def limit_member(self, subject, tokens_per_month):
        """Give one member a limit of their own on llm_tokens, in place of what the plan gives each (None: that again)."""
        terms = None
        if tokens_per_month is not None:
            terms = {"allowance": tokens_per_month, "period": "month", "anchor": "subscription"}
        with self._engine.begin() as connection:
            quota_client.override(connection, subject, LIMITED_BY_MEMBER, terms)
