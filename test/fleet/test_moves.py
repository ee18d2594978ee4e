"""Tenants that move."""

import random
import threading
import time

import psycopg
import pytest
from conftest import one


def refusal(connection, query, *arguments):
    with pytest.raises(psycopg.Error) as refused:
        connection.execute(query, arguments)
    return refused.value


def test_everything_goes_along_and_back(fleet, router, tenant_on):
    tenant = tenant_on(0)
    member = tenant + "/al"
    router.execute("SELECT quota.subscribe(%s, 'pro', quantity => 3, metadata => '{\"vat\": 1}')", [tenant])
    router.execute("SELECT quota.override(%s, 'pages', '{\"allowance\": 500, \"period\": \"day\", \"caps\": [{\"limit\": 400, \"per\": \"5 hours\", \"window\": \"first_use\"}]}')", [member])
    debit = one(router, "SELECT id FROM quota.debit(%s, 'pages', 30, key => 'k')", member)
    hold = one(router, "SELECT id FROM quota.reserve(%s, 'pages', 100)", member)
    grant = one(router, "SELECT id FROM quota.credit(%s, 'pages', 50)", tenant)
    router.execute("SELECT * FROM quota.debit(%s, 'seats', 2)", [member])
    router.execute("SELECT * FROM quota.try_debit(%s, 'pages', 1000)", [member])
    _, secret = one(router, "SELECT * FROM quota.create_api_key(%s, 'ci')", member)

    def all_of_it():
        usage = one(router, "SELECT sum(used) FROM quota.usage(%s, 'pages', now() - interval '1 day')", tenant)
        me = [one(router, "SELECT quota.me(%s)", subject) for subject in (tenant, member)]
        for answer in me:  # those of a rate go by the clock
            answer["features"].pop("api")
        return me, usage, router.execute("SELECT * FROM quota.statement(%s, 'pages')", [tenant]).fetchall()

    before = all_of_it()
    for source, target in ((0, 1), (1, 0), (0, 1)):
        assert one(router, "SELECT fleet.move(%s, %s)", tenant, target) is True
        assert one(router, "SELECT fleet.move(%s, %s)", tenant, target) is False
        assert all_of_it() == before
        assert one(router, "SELECT subject FROM quota.authenticate(%s)", secret) == member
        with fleet.connect(f"s{source}") as left:
            assert one(left, "SELECT quota_internal._is_somebody(%s)", tenant) is False
    assert one(router, "SELECT id FROM quota.debit(%s, 'pages', 30, key => 'k')", member) == debit
    assert one(router, "SELECT refunded FROM quota.refund(%s, 10)", debit) == 10
    assert one(router, "SELECT refunded FROM quota.refund(%s)", debit) == 20
    assert refusal(router, "SELECT * FROM quota.refund(%s)", debit).sqlstate == "22023"
    assert one(router, "SELECT charged FROM quota.settle(%s, 90)", hold) == 90
    assert refusal(router, "SELECT * FROM quota.settle(%s, 80)", hold).sqlstate == "QT410"
    assert one(router, "SELECT quota.revoke(%s)", grant) == 50
    assert refusal(router, "SELECT * FROM quota.debit(%s, 'pages', 311)", member).sqlstate == "QT402"
    id_now = one(router, "SELECT id FROM quota.debit(%s, 'pages', 310)", member)
    assert id_now % 64 == 1 and id_now > hold
    with fleet.connect("s1") as shard:
        assert one(shard, "SELECT count(*) FROM quota.denials WHERE subject = %s", member) == 1


def test_leases_end_at_the_source(fleet, router, tenant_on):
    tenant = tenant_on(0)
    s0 = fleet.connect("s0")
    s0.execute("SET quota.eager_leases = on")  # a lease for every charge, of a few units
    for n in range(5):
        s0.execute("SELECT * FROM quota.debit(fleet.here(%s), 'pages', 1)", [f"{tenant}/m{n % 2}"])
    assert one(s0, "SELECT count(*) FROM quota.leases WHERE subject = %s", tenant) == 1
    assert one(router, "SELECT fleet.move(%s, 1)", tenant) is True
    with fleet.connect("s1") as s1:
        assert one(s1, "SELECT count(*) FROM quota.leases WHERE subject = %s", tenant) == 0
    assert one(router, "SELECT used FROM quota.check(%s, 'pages')", tenant) == 5
    assert one(router, "SELECT remaining FROM quota.debit(%s, 'pages', 95)", tenant) == 0


def test_a_shard_refuses_who_is_not_there(fleet, router, tenant_on):
    tenant = tenant_on(0)
    s0, s1 = fleet.connect("s0"), fleet.connect("s1")
    assert one(s0, "SELECT remaining FROM quota.debit(fleet.here(%s), 'pages', 1)", tenant + "/x") == 99
    debit = one(s0, "SELECT id FROM quota.debit(fleet.here(%s), 'pages', 1)", tenant)
    for subject in (tenant, tenant + "/x"):
        problem = refusal(s1, "SELECT * FROM quota.debit(fleet.here(%s), 'pages', 1)", subject)
        assert problem.sqlstate == "QT421"
        assert problem.diag.message_primary == f'"{tenant}" lives on shard 0'
    assert one(router, "SELECT fleet.move(%s, 1)", tenant) is True
    problem = refusal(s0, "SELECT fleet.here(%s)", tenant)
    assert problem.sqlstate == "QT421" and problem.diag.message_detail.startswith('{"code": "misdirected", "shard": 1, "moving": false')
    assert one(s1, "SELECT fleet.here(%s)", tenant) == tenant
    assert one(s1, "SELECT refunded FROM quota.refund(fleet.here('debit', %s))", debit) == 1
    # nobody's id, and no subject, are quota's to refuse
    assert refusal(s0, "SELECT * FROM quota.refund(fleet.here('debit', %s))", debit).sqlstate == "QT404"
    assert refusal(s0, "SELECT * FROM quota.debit(fleet.here(NULL), 'pages')").sqlstate == "22004"
    assert refusal(s0, "SELECT * FROM quota.debit(fleet.here(repeat('x', 1000000)), 'pages')").sqlstate == "22001"
    with s1.transaction():
        s1.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert refusal(s1, "SELECT fleet.here(%s)", tenant).sqlstate == "0A000"
        s1.execute("ROLLBACK")


def test_a_move_waits_for_who_is_at_work(fleet, router, tenant_on):
    tenant = tenant_on(0)
    s0 = fleet.connect("s0")
    moved = []
    mover = threading.Thread(target=lambda: moved.append(one(fleet.connect(), "SELECT fleet.move(%s, 1)", tenant)))
    with s0.transaction():
        s0.execute("SELECT * FROM quota.debit(fleet.here(%s), 'pages', 40)", [tenant])
        mover.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 30
        while one(s0, waiting) == 0:
            assert time.monotonic() < deadline, "the move did not wait"
            time.sleep(0.02)
        # others go on
        assert one(router, "SELECT remaining FROM quota.debit(%s, 'pages', 1)", tenant_on(0)) == 99
    mover.join()
    assert moved == [True]
    assert one(router, "SELECT used FROM quota.check(%s, 'pages')", tenant) == 40
    # and the next one does not wait for the old place
    assert refusal(s0, "SELECT fleet.here(%s)", tenant).sqlstate == "QT421"


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_a_move_that_stops_half_way(fleet, router, tenant_on, steps):
    tenant = tenant_on(0)
    router.execute("SELECT * FROM quota.debit(%s, 'pages', 40, key => 'k')", [tenant])
    assert one(router, "SELECT fleet_remote.fence(0, %s, 1)", tenant) == "fenced"
    if steps > 1:
        document = one(router, "SELECT fleet_remote.pack(0, %s)::text", tenant)
    if steps > 2:
        assert one(router, "SELECT fleet_remote.arrive(1, %s, %s::jsonb)", tenant, document) is True
        assert one(router, "SELECT fleet_remote.arrive(1, %s, %s::jsonb)", tenant, document) is False
    if steps > 3:
        assert one(router, "SELECT fleet_remote.leave(0, %s)", tenant) == 1
    # the router does not know, the shard does
    problem = refusal(router, "SELECT * FROM quota.debit(%s, 'pages', 1)", tenant)
    assert problem.sqlstate == "QT421"
    assert ("is moving" in problem.diag.message_primary) == (steps < 4)
    if steps < 3:
        # it can be given up, which is not half-way any more
        assert one(router, "SELECT fleet.stay(%s)", tenant) is True
        assert one(router, "SELECT fleet.stay(%s)", tenant) is False
        assert one(router, "SELECT remaining FROM quota.debit(%s, 'pages', 1)", tenant) == 59
        assert refusal(router, "SELECT fleet_remote.leave(0, %s)", tenant).sqlstate == "55000"
        assert one(router, "SELECT fleet_remote.fence(0, %s, 1)", tenant) == "fenced"
    else:
        assert "has arrived on shard 1" in refusal(router, "SELECT fleet.stay(%s)", tenant).diag.message_primary
    if steps < 4 and one(router, "SELECT count(*) FROM fleet.shard") > 2:
        assert refusal(router, "SELECT fleet.move(%s, 2)", tenant).sqlstate == "55000"
    assert one(router, "SELECT fleet.move(%s, 1)", tenant) is True
    assert one(router, "SELECT remaining FROM quota.debit(%s, 'pages', 40, key => 'k')", tenant) == (59 if steps < 3 else 60)


def test_bad_moves(fleet, router, tenant_on):
    tenant = tenant_on(0)
    control = next(name for name in map("a\x01{}".format, range(99)) if one(router, "SELECT fleet.home(%s)", name) == 0)
    for arguments, state in (
        ((None, 1), "22004"), ((tenant, None), "22004"), (("", 1), "22023"), ((tenant + "/x", 1), "22023"), (("x" * 256, 1), "22023"),
        ((tenant, 64), "22023"), ((tenant, -1), "22023"),
        ((control, 1), "22023"),
    ):  # fmt: skip
        assert refusal(router, "SELECT fleet.move(%s, %s)", *arguments).sqlstate == state, arguments
    for argument, state in ((None, "22004"), ("a/b", "22023"), ("", "22023")):
        assert refusal(router, "SELECT fleet.stay(%s)", argument).sqlstate == state
    # what could be done on a shard by hand
    s0, s1 = fleet.connect("s0"), fleet.connect("s1")
    assert refusal(s0, "SELECT fleet.pack(%s)", tenant).sqlstate == "55000"
    assert refusal(s0, "SELECT fleet.leave(%s)", tenant).sqlstate == "55000"
    assert refusal(s0, "SELECT fleet.unfence(%s)", tenant).sqlstate == "55000"
    assert refusal(s1, "SELECT fleet.arrive(%s, '{}')", tenant).sqlstate == "22023"
    assert one(s0, "SELECT fleet.arrive(%s, '{}')", tenant) is False


def test_a_tenant_moves_under_load(fleet, router, tenant_on):
    """Several clients, some of them past the router in transactions with rows of their own: nothing lost, nothing twice."""
    tenant = tenant_on(0)
    router.execute("SELECT quota.subscribe(%s, 'pro')", [tenant])
    shards = [number for (number,) in router.execute("SELECT number FROM fleet.shard")]
    for number in shards:
        fleet.connect(f"s{number}").execute("CREATE TABLE IF NOT EXISTS work (tenant text, amount int)")
    stop = threading.Event()
    charged, redirected, problems = [], [], []

    def routed(client):
        connection = fleet.connect()
        while not stop.is_set():
            key = f"{client}-{len(charged)}-{random.random()}"
            for _ in range(2):  # the second is a retry
                connection.execute("SELECT * FROM quota.debit(%s, 'pages', 3, key => %s)", [f"{tenant}/{client}", key])
            charged.append(3)

    def streaming(client):
        connection = fleet.connect()
        while not stop.is_set():
            hold = one(connection, "SELECT id FROM quota.reserve(%s, 'pages', 50)", f"{tenant}/{client}")
            time.sleep(0.03)
            connection.execute("SELECT * FROM quota.extend(%s, amount => 60)", [hold])
            connection.execute("SELECT * FROM quota.settle(%s, 20)", [hold])
            debit = one(connection, "SELECT id FROM quota.debit(%s, 'pages', 9)", tenant)
            connection.execute("SELECT * FROM quota.refund(%s, 4)", [debit])
            charged.append(25)

    def direct(client):
        home = fleet.connect()
        connections = {number: fleet.connect(f"s{number}") for number in shards}
        while not stop.is_set():
            connection = connections[one(home, "SELECT fleet.route(%s)", tenant)]
            try:
                with connection.transaction():
                    connection.execute("SELECT fleet.here(%s)", [tenant])
                    connection.execute("INSERT INTO work VALUES (%s, 2)", [tenant])
                    connection.execute("SELECT * FROM quota.debit(%s, 'pages', 2)", [f"{tenant}/{client}"])
            except psycopg.Error as problem:
                if problem.sqlstate != "QT421":
                    raise
                redirected.append(problem)
            else:
                charged.append(2)

    def at_work(what, client):
        try:
            what(client)
        except Exception as problem:
            problems.append(problem)

    clients = [threading.Thread(target=at_work, args=[what, f"c{n}"]) for n, what in enumerate([routed, routed, streaming, direct, direct])]
    for client in clients:
        client.start()
    for target in [1, 0] * 5 + shards[1:]:
        time.sleep(0.3)
        one(router, "SELECT fleet.move(%s, %s)", tenant, target)
    stop.set()
    for client in clients:
        client.join()
    assert problems == []
    assert len(charged) > 50 and len({amount for amount in charged}) == 3
    assert one(router, "SELECT used FROM quota.check(%s, 'pages')", tenant) == sum(charged)
    assert one(router, "SELECT sum(used) FROM quota.usage(%s, 'pages', now() - interval '1 day')", tenant) == sum(charged)
    home = one(router, "SELECT fleet.route(%s)", tenant)
    assert one(fleet.connect(f"s{home}"), "SELECT sum(amount) FROM quota.ledger WHERE account = %s", tenant) == sum(charged)
    # rows of the application stayed where they were written: a charge for each
    rows = sum(one(fleet.connect(f"s{number}"), "SELECT count(*) FROM work WHERE tenant = %s", tenant) for number in shards)
    assert rows == charged.count(2)
