"""Shards that are down, that are added, and whose catalogs differ."""

import copy
import threading
import time

import psycopg
import pytest
from conftest import CATALOG, one
from psycopg.types.json import Jsonb


def test_a_shard_is_down(fleet, router, tenant_on):
    here, away = tenant_on(0), tenant_on(1)
    moved = tenant_on(1)
    hold = one(router, "SELECT id FROM quota.reserve(%s, 'pages', 5)", away)
    debit = one(router, "SELECT id FROM quota.debit(%s, 'pages', 5)", moved)
    assert one(router, "SELECT fleet.move(%s, 0)", moved) is True
    fleet.servers("stop", "s1")
    try:
        for _ in range(2):  # over a connection that has died, and over none
            with pytest.raises(psycopg.Error) as down:
                router.execute("SELECT * FROM quota.debit(%s, 'pages', 1, key => 'k')", [away])
            assert down.value.sqlstate == "08006"
            assert down.value.diag.message_primary == 'database "s1" cannot be reached'
        # the others go on; so does one whose debit the shard has drawn, but who has left it
        assert one(router, "SELECT remaining FROM quota.debit(%s, 'pages', 1)", here) == 99
        assert one(router, "SELECT refunded FROM quota.refund(%s)", debit) == 5
        for call in (f"quota.settle({hold}, 3)", "quota.settle(999999, 3)", f"fleet.move('{away}', 0)", f"fleet.move('{here}', 1)"):
            with pytest.raises(psycopg.Error) as down:
                router.execute(f"SELECT * FROM {call}")
            assert down.value.sqlstate == "08006"
        with pytest.raises(psycopg.Error, match="s1"):
            router.execute("SELECT * FROM fleet.differences()")
        with pytest.raises(psycopg.Error, match="s1"):
            router.execute("SELECT fleet.apply_catalog(%s)", [Jsonb(CATALOG | {"plans": CATALOG["plans"] | {"new": {"entitlements": {}}}})])
    finally:
        fleet.servers("start", "s1")
    assert one(router, "SELECT charged FROM quota.settle(%s, 3)", hold) == 3
    # a move that did not come about leaves the tenant where it was
    assert one(router, "SELECT remaining FROM quota.debit(%s, 'pages', 1)", here) == 98
    assert router.execute("SELECT * FROM fleet.differences()").fetchall() == []


def test_retries_with_a_key_while_a_shard_crashes(fleet, router, tenant_on):
    tenant = tenant_on(1)
    router.execute("SELECT quota.subscribe(%s, 'pro')", [tenant])
    done, failures, stop = [], [], threading.Event()

    def charge(client):
        connection = fleet.connect()
        number = 0
        while not stop.is_set():
            try:
                connection.execute("SELECT * FROM quota.debit(%s, 'pages', 2, key => %s)", [tenant, f"{client}-{number}"])
            except psycopg.Error as problem:
                failures.append(problem.sqlstate)
                time.sleep(0.05)
                continue  # with the same key
            done.append(number)
            number += 1

    clients = [threading.Thread(target=charge, args=[n]) for n in range(4)]
    for client in clients:
        client.start()
    for _ in range(2):
        time.sleep(0.7)
        fleet.crash("s1")
        time.sleep(0.2)
        fleet.servers("start", "s1")
    time.sleep(0.7)
    stop.set()
    for client in clients:
        client.join()
    assert set(failures) == {"08006"}
    charged = one(router, "SELECT used FROM quota.check(%s, 'pages')", tenant)
    # a client may have stopped before it heard of its last charge
    assert 2 * len(done) <= charged <= 2 * (len(done) + len(clients))
    assert one(fleet.connect("s1"), "SELECT sum(amount), count(DISTINCT key) * 2 FROM quota.ledger WHERE subject = %s", tenant) == (charged, charged)


def test_a_shard_is_added(fleet, router, tenant_on):
    tenants = [tenant_on(n % 2) for n in range(20)]
    before = [one(router, "SELECT fleet.home(%s)", tenant) for tenant in tenants]
    # a version of a plan that a shard to come has to have as well
    second = CATALOG | {"plans": CATALOG["plans"] | {"pro": {"entitlements": {"pages": {"allowance": 2000000, "period": "month"}}}}}
    subscriber = tenant_on(0)
    router.execute("SELECT quota.subscribe(%s, 'pro')", [subscriber])
    assert one(router, "SELECT fleet.apply_catalog(%s)", Jsonb(second)) == 2

    done = fleet.fleet("add", fleet.where("router"), fleet.where("s1"))
    assert done.returncode != 0 and "not the next shard" in done.stderr
    done = fleet.fleet("add", fleet.where("router"), "host=/nix dbname=nix")
    assert done.returncode != 0
    with pytest.raises(psycopg.Error, match="must not name a user"):
        router.execute("SELECT fleet.add_shard(%s)", [fleet.where("s2") + " user=postgres"])
    assert one(router, "SELECT count(*) FROM fleet.shard") == 2

    assert fleet.add_shard("s2") == 2
    assert router.execute("SELECT * FROM fleet.differences()").fetchall() == []
    assert [one(router, "SELECT fleet.home(%s)", tenant) for tenant in tenants] == before
    # old and new customers can go there
    assert one(router, "SELECT fleet.move(%s, 2)", subscriber) is True
    assert one(router, "SELECT (quota.me(%s) #>> '{plan,version}')::int", subscriber) == 1
    assert one(router, "SELECT allowance FROM quota.check(%s, 'pages')", subscriber) == 1000000
    new = tenant_on(1)
    assert one(router, "SELECT fleet.move(%s, 2)", new) is True
    assert one(router, "SELECT id %% 64 FROM quota.debit(%s, 'pages', 1)", new) == 2


def test_catalogs_that_differ_are_found(fleet, router, tenant_on):
    shards = [fleet.connect(f"s{number}") for (number,) in router.execute("SELECT number FROM fleet.shard ORDER BY 1")]
    agreed = one(shards[1], "SELECT quota.export_catalog()")
    other = copy.deepcopy(agreed)
    other["plans"]["pro"]["entitlements"]["pages"]["allowance"] = 7
    version = one(shards[1], "SELECT (fleet.state()).versions -> 'pro'")
    shards[1].execute("SELECT * FROM quota.apply_catalog(%s)", [Jsonb(other)])
    assert router.execute("SELECT * FROM fleet.differences()").fetchall() == [
        (1, 'its catalog differs from that of shard 0 in plans "pro"'),
        (1, f'its plan "pro" has come to version {version + 1}, that of shard 0 to {version}'),
    ]
    # what such a tenant has, another shard does not: it stays, and goes on
    tenant = tenant_on(1)
    router.execute("SELECT quota.subscribe(%s, 'pro')", [tenant])
    with pytest.raises(psycopg.Error, match="document cannot be imported") as refused:
        router.execute("SELECT fleet.move(%s, 0)", [tenant])
    assert refused.value.sqlstate == "QT404" and refused.value.diag.message_detail == f'Plan "pro" has no version {version + 1} here.'
    assert one(router, "SELECT remaining FROM quota.debit(%s, 'pages', 1)", tenant) == 6
    # the same catalog again, but a version more
    shards[1].execute("SELECT * FROM quota.apply_catalog(%s)", [Jsonb(agreed)])
    assert [row[0] for row in router.execute("SELECT * FROM fleet.differences()")] == [1]
    for shard in shards[:1] + shards[2:]:
        for catalog in (other, agreed):
            shard.execute("SELECT * FROM quota.apply_catalog(%s)", [Jsonb(catalog)])
    assert router.execute("SELECT * FROM fleet.differences()").fetchall() == []
    assert one(router, "SELECT fleet.move(%s, 0)", tenant) is True

    shards[1].execute("ALTER SEQUENCE quota_internal.event_id_seq INCREMENT BY 1")
    assert "fleet.space_ids()" in one(router, "SELECT problem FROM fleet.differences()")
    shards[1].execute("SELECT fleet.space_ids()")
    assert router.execute("SELECT * FROM fleet.differences()").fetchall() == []


def test_a_catalog_that_is_refused_is_applied_nowhere(router):
    applied = one(router, "SELECT count(*) FROM fleet.catalog")
    for catalog in (None, {"plans": []}, {"features": {"pages": {"kind": "capacity"}}}, {"nix": 1}):
        with pytest.raises(psycopg.Error) as refused:
            router.execute("SELECT fleet.apply_catalog(%s)", [None if catalog is None else Jsonb(catalog)])
        assert refused.value.sqlstate in ("22004", "22023")
    assert one(router, "SELECT count(*) FROM fleet.catalog") == applied
    assert router.execute("SELECT * FROM fleet.differences()").fetchall() == []


def test_a_catalog_that_did_not_reach_all_is_repeated(fleet, router):
    number = one(router, "SELECT count(*) + 1 FROM fleet.catalog")
    catalog = one(fleet.connect("s0"), "SELECT quota.export_catalog()")
    catalog["plans"]["pro"]["title"] = f"Pro {number}"
    fleet.connect("s0").execute("SELECT fleet.take_catalog(%s, %s)", [number, Jsonb(catalog)])
    assert [row[0] for row in router.execute("SELECT shard FROM fleet.differences()")] != []
    with pytest.raises(psycopg.Error) as refused:  # another one must not take its place
        router.execute("SELECT fleet.apply_catalog(%s)", [Jsonb(catalog | {"actions": {}})])
    assert refused.value.sqlstate == "55000"
    assert one(router, "SELECT fleet.apply_catalog(%s)", Jsonb(catalog)) == number
    assert router.execute("SELECT * FROM fleet.differences()").fetchall() == []


def test_bad_commands(fleet):
    for arguments in ([], ["init"], ["init", fleet.where("router"), "0"], ["init", fleet.where("router"), "65"], ["nix", "a", "b"]):
        assert fleet.fleet(*arguments).returncode != 0
    done = fleet.fleet("init", fleet.where("router"), "2")
    assert done.returncode != 0 and "already exists" in done.stderr
