"""Calls that the router passes on."""

import psycopg
import pytest
import quota_client
from conftest import one
from psycopg.types.json import Jsonb

# What is about no subject, or about all: administration of a shard, and the catalog's.
NOT_ROUTED = {
    "apply_catalog", "export_catalog", "export_subject", "import_subject", "forget", "rename", "gate", "grant_access", "revoke_access", "maintain", "migrate",
    "note_denial", "plans", "protect", "unprotect", "quote", "recount", "simulate", "verify",
}  # fmt: skip


def names(connection):
    return {name for (name,) in connection.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'quota'::regnamespace AND proname !~ '_range|multirange'")}


def test_every_function_is_routed_or_known_not_to_be(fleet, router):
    shard = names(fleet.connect("s0"))
    assert names(router) == shard - NOT_ROUTED
    assert NOT_ROUTED <= shard


@pytest.mark.parametrize("shard", [0, 1])
def test_calls_reach_the_shard_of_their_tenant(fleet, router, tenant_on, shard):
    tenant = tenant_on(shard)
    subject = tenant + "/alice"
    debit, remaining, _ = one(router, "SELECT * FROM quota.debit(%s, 'pages', 3, key => 'k', metadata => '{\"a\": 1}')", subject)
    assert remaining == 97 and debit % 64 == shard
    assert one(router, "SELECT id FROM quota.debit(%s, 'pages', 3, key => 'k', metadata => '{\"a\": 1}')", subject) == debit
    assert one(router, "SELECT allowed, reason, debited FROM quota.try_debit(%s, 'pages', 500)", subject) == (False, "quota_exceeded", 0)
    assert one(router, "SELECT refunded, remaining FROM quota.refund(%s, 1)", debit) == (1, 98)
    hold = one(router, "SELECT id FROM quota.reserve(%s, 'pages', 10, ttl => '1 minute')", subject)
    assert one(router, "SELECT reserved FROM quota.extend(%s, amount => 20)", hold) == 20
    assert one(router, "SELECT charged, overdrawn, remaining FROM quota.settle(%s, 15)", hold) == (15, 0, 83)
    hold = one(router, "SELECT id FROM quota.reserve(%s, 'pages', 10)", subject)
    assert one(router, "SELECT released FROM quota.release(%s)", hold) == 10
    assert one(router, "SELECT used FROM quota.check(%s, 'pages')", subject) == 17
    assert one(router, "SELECT sum(charged) FROM quota.charge_units(%s, 'parse', '{\"sheets\": 2}')", subject) == 4
    assert one(router, "SELECT charged FROM quota.charge(%s, 'print', 2)", subject) == 6
    assert len(router.execute("SELECT * FROM quota.debit_many(%s, '{\"pages\": 1, \"seats\": 1}')", [subject]).fetchall()) == 2
    assert one(router, "SELECT remaining FROM quota.give_back(%s, 'seats')", subject) == 3
    assert one(router, "SELECT allowed FROM quota.throttle(%s, 'api')", subject) is True
    assert one(router, "SELECT quota.subscribe(%s, 'pro', metadata => '{\"n\": null}')", tenant) % 64 == shard
    assert one(router, "SELECT quota.has(%s, 'export')", subject) is True
    assert one(router, "SELECT quota.set_status(%s, 'past_due')", tenant) == ""  # void
    assert one(router, "SELECT quota.me(%s) #>> '{plan,status}'", subject) == "past_due"
    router.execute("SELECT quota.set_status(%s, 'active')", [tenant])
    grant = one(router, "SELECT id FROM quota.credit(%s, 'pages', 5)", tenant)
    assert one(router, "SELECT quota.revoke(%s)", grant) == 5
    assert [row[0] for row in router.execute("SELECT feature FROM quota.status(%s)", [subject])] == ["api", "export", "pages", "seats"]
    kinds = [row[3] for row in router.execute("SELECT * FROM quota.statement(%s, 'pages')", [subject])]
    assert kinds == ["debit", "refund", "hold", "hold", "settle", "hold", "release", "debit", "debit", "debit"]
    key, secret = one(router, "SELECT * FROM quota.create_api_key(%s, 'ci')", subject)
    assert one(router, "SELECT subject, key_id FROM quota.authenticate(%s)", secret) == (subject, key)
    router.execute("SELECT quota.revoke_api_key(%s)", [key])
    with pytest.raises(psycopg.Error) as refused:
        router.execute("SELECT * FROM quota.authenticate(%s)", [secret])
    assert refused.value.sqlstate == "QT401"
    with fleet.connect(f"s{1 - shard}") as other:
        assert one(other, "SELECT count(*) FROM quota.ledger WHERE subject = %s", subject) == 0


def test_a_refusal_is_that_of_the_shard(fleet, router, tenant_on):
    tenant = tenant_on(1)
    with pytest.raises(psycopg.Error) as routed:
        router.execute("SELECT * FROM quota.debit(%s, 'pages', 500)", [tenant])
    with pytest.raises(psycopg.Error) as direct:
        fleet.connect("s1").execute("SELECT * FROM quota.debit(%s, 'pages', 500)", [tenant])
    for part in ("sqlstate", "message_primary", "message_detail", "message_hint"):
        assert getattr(routed.value.diag, part) == getattr(direct.value.diag, part)
    # so the package for Python cannot tell the router from a shard
    with pytest.raises(quota_client.QuotaExceeded) as refused:
        quota_client.debit(router, tenant, "pages", 500)
    assert refused.value.detail["remaining"] == 100
    with quota_client.hold(fleet.connect, tenant, "pages", 10) as hold:
        hold.count(4)
    assert quota_client.check(router, tenant, "pages").used == 4


@pytest.mark.parametrize(
    "call, state",
    [
        ("debit(NULL, 'pages')", "22004"),
        ("debit('', 'pages')", "22023"),
        ("debit('/a', 'pages')", "22023"),
        ("debit('a//b', 'pages')", "22023"),
        ("debit(repeat('x', 256), 'pages')", "22001"),
        ("debit(repeat('x', 100000000), 'pages')", "22001"),
        ("debit('a', 'nix')", "QT404"),
        ("debit('a', 'pages', 0)", "22023"),
        ("debit('a''; DROP TABLE fleet.tenant; --', 'pages', -1)", "22023"),
        ("subscribe('a', 'nix')", "QT404"),
        ("refund(NULL)", "22004"),
        ("refund(0)", "QT404"),
        ("refund(-7)", "QT404"),
        ("refund(9223372036854775807)", "QT404"),
        ("settle(12345, 1)", "QT404"),
        ("revoke(12345)", "QT404"),
        ("revoke_api_key(12345)", "QT404"),
        ("authenticate(NULL)", "22004"),
        ("authenticate('qk_1_00')", "QT401"),
        ("authenticate('qk_99999999999999999999_00')", "QT401"),
        ("authenticate(repeat('x', 100000000))", "QT401"),
    ],
)
def test_bad_arguments(router, call, state):
    with pytest.raises(psycopg.Error) as refused:
        router.execute(f"SELECT * FROM quota.{call}")
    assert refused.value.sqlstate == state


def test_rights_are_those_on_the_shard(fleet, router, tenant_on):
    tenant = tenant_on(0)
    app = fleet.connect(user="app")
    assert one(app, "SELECT remaining FROM quota.debit(%s, 'pages', 1)", tenant) == 99
    reader = fleet.connect(user="reader")
    assert one(reader, "SELECT used FROM quota.check(%s, 'pages')", tenant) == 1
    for user, call in (
        ("app", "quota.subscribe(%s, 'pro')"),
        ("reader", "quota.debit(%s, 'pages')"),
        ("nobody", "quota.check(%s, 'pages')"),
        ("app", "fleet.move(%s, 1)"),
        ("app", "fleet.stay(%s)"),
        ("app", "fleet.apply_catalog(to_jsonb(%s::text))"),
        ("app", "fleet_remote.fence(0, %s, 1)"),
        ("app", "fleet_remote.pack(0, %s)"),
        ("app", "fleet_remote.leave(0, %s)"),
        ("app", "fleet_remote.arrive(0, %s, '{}')"),
        ("app", "fleet_remote.take_catalog(0, 9, to_jsonb(%s::text))"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            fleet.connect(user=user).execute(f"SELECT * FROM {call}", [tenant])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("INSERT INTO fleet.tenant VALUES (%s, 1)", [tenant])


def test_a_shard_commits_before_the_router(router, tenant_on):
    """What docs/scale.md says of PL/Proxy."""
    tenant = tenant_on(1)
    with router.transaction(force_rollback=True):
        router.execute("SELECT * FROM quota.debit(%s, 'pages', 3, key => 'k')", [tenant])
    assert one(router, "SELECT used FROM quota.check(%s, 'pages')", tenant) == 3
    router.execute("SELECT * FROM quota.debit(%s, 'pages', 3, key => 'k')", [tenant])
    assert one(router, "SELECT used FROM quota.check(%s, 'pages')", tenant) == 3


def test_reports_over_all(router, tenant_on):
    tenants = [tenant_on(0), tenant_on(1)]
    for tenant in tenants:
        router.execute("SELECT * FROM quota.debit(%s, 'pages', 7)", [tenant])
        router.execute("SELECT * FROM quota.try_debit(%s, 'pages', 700)", [tenant])
    query = "SELECT fleet.self(), d.subject, d.times FROM quota.denials d WHERE d.subject = ANY (%L)"
    found = router.execute(
        "SELECT * FROM fleet.everywhere(format(%s, %s::text[])) AS (shard int, subject text, times bigint) ORDER BY shard", [query, tenants]
    ).fetchall()
    assert found == [(0, tenants[0], 1), (1, tenants[1], 1)]
    usage = "SELECT sum(u.used)::bigint FROM unnest(%L::text[]) s, quota.usage(s, 'pages', now() - interval '1 day') u"
    assert one(router, "SELECT sum(used) FROM fleet.everywhere(format(%s, %s::text[])) AS (used bigint)", usage, tenants) == 14
    assert one(router, "SELECT count(*) FROM fleet.everywhere('SELECT m.name FROM quota.metrics m') AS (name text)") > 10
    with pytest.raises(psycopg.Error, match="syntax error"):
        router.execute("SELECT * FROM fleet.everywhere('SELEC') AS (a int)")


def test_json_goes_through_as_it_is(router, tenant_on):
    tenant = tenant_on(0)
    metadata = {"quote": "'\"\\ $1 %s", "null": None, "text": "ä\u2028", "big": 9007199254740993}
    router.execute("SELECT * FROM quota.debit(%s, 'pages', metadata => %s)", [tenant, Jsonb(metadata)])
    assert one(router, "SELECT metadata FROM quota.statement(%s, 'pages')", tenant) == metadata
