"""quota-relay: nothing is lost, the order is kept, whatever becomes of the relay and of the receiver."""

import signal
import time

import psycopg
import pytest
from relay_kit import wait_until


def test_events_arrive_in_order_and_once(database, receiver, relay_of):
    database.credit_at_once(1, 450)  # more than is read at once
    relay = relay_of(receiver.section("crm"))
    assert relay.call("run", "--once").returncode == 0
    assert receiver.taken == list(range(1, 451))
    assert relay.call("run", "--once").returncode == 0
    assert len(receiver.came) == 450
    assert database.destination("crm")["sent"] == 450
    assert len({message_id for *_, message_id in receiver.came}) == 450


def test_a_late_commit_is_not_skipped(database, receiver, relay_of):
    """The ids of two transactions at once: the smaller becomes visible last, and still comes first."""
    relay = relay_of(receiver.section("crm"))
    with database.connect() as late, late.transaction():
        late.execute("SELECT quota.credit('acme', 't', 1)")
        database.execute("SELECT quota.credit('bolt', 't', 2)")
        relay.start()
        wait_until(lambda: "from (0, 0) on" in relay.said(), "the relay is at work")
        time.sleep(0.5)
        assert receiver.came == []
        assert database.value("SELECT max(id) - min(id) FROM quota.events") == 0  # only the second is visible
    wait_until(lambda: len(receiver.taken) == 2, "both have come")
    assert receiver.taken == [1, 2]


def test_transactions_come_in_the_order_in_which_they_began(database, receiver, relay_of):
    """The first wrote last: its event has the greater id, and the cursor, which counts transactions, is behind both."""
    with database.connect() as first, first.transaction():
        first.execute("SELECT pg_current_xact_id()")
        database.execute("SELECT quota.credit('bolt', 't', 1)")
        first.execute("SELECT quota.credit('acme', 't', 2)")
    relay = relay_of(receiver.section("crm"))
    relay.call("run", "--once")
    relay.call("run", "--once")
    assert receiver.taken == [2, 1]


def test_a_new_destination_begins_now(database, receiver, relay_of):
    database.credit(1)
    relay = relay_of(receiver.section("crm", start="now"))
    relay.call("run", "--once")
    database.credit(2)
    relay.call("run", "--once")
    assert receiver.taken == [2]


def test_types_are_chosen(database, receiver, relay_of):
    database.credit(1)
    database.execute("SELECT quota.set_status('acme', 'paused')")
    database.credit(2)
    relay_of(receiver.section("crm", types="credited, hold_expired")).call("run", "--once")
    assert receiver.taken == [1, 2]
    state = database.destination("crm")
    assert (state["sent"], state["passed_over"]) == (2, 1)


def test_a_killed_relay_goes_on_where_it_was(database, receiver, relay_of):
    database.credit_at_once(1, 600)
    relay = relay_of(receiver.section("crm"))
    for enough in (50, 200, 420):
        process = relay.start()
        wait_until(lambda: len(receiver.first_times()) >= enough, f"{enough} events have come")
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    relay.start()
    wait_until(lambda: len(receiver.first_times()) == 600, "all have come")
    assert receiver.first_times() == list(range(1, 601))
    assert len({message_id for *_, message_id in receiver.came}) == 600  # what came twice has the same id


def test_sigterm_ends_it_cleanly(database, receiver, relay_of):
    """It finishes what it is sending and notes it: nothing comes twice."""
    receiver.behave = lambda amount, times: time.sleep(0.3) or 200
    database.credit(*range(1, 7))
    relay = relay_of(receiver.section("crm"))
    process = relay.start()
    wait_until(lambda: len(receiver.came) >= 2, "it is at work")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    receiver.behave = lambda amount, times: 200
    relay.call("run", "--once")
    assert receiver.taken == [1, 2, 3, 4, 5, 6]


def test_sigterm_ends_a_long_wait(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 503
    database.credit(1)
    process = relay_of(receiver.section("crm", first_wait=600, longest_wait=600)).start()
    wait_until(lambda: receiver.came, "it has failed")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_a_receiver_that_is_down_loses_nothing(database, receiver, relay_of):
    """Nobody listens for many attempts, then again: all of it, in order, no dead letter."""
    receiver.stop()
    relay = relay_of(receiver.section("crm"))
    relay.start()
    database.credit(1, 2, 3)
    wait_until(lambda: database.value("SELECT coalesce(max(attempts), 0) FROM quota_relay.destination") >= 12, "attempts")
    state = database.destination("crm")
    assert "no answer" in state["error"] and state["retry_at"] is not None
    assert relay.call("status").returncode == 1
    database.credit(4)
    receiver.start()
    wait_until(lambda: len(receiver.taken) == 4, "all have come")
    assert receiver.taken == [1, 2, 3, 4]
    assert database.letters() == []
    wait_until(lambda: database.destination("crm")["attempts"] == 0, "the success is noted")
    assert relay.call("status").returncode == 0


def test_catching_up_is_no_flood(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 503
    relay = relay_of(receiver.section("crm", rate=40))
    relay.start()
    database.credit_at_once(1, 60)
    wait_until(lambda: len(receiver.came) >= 3, "it has failed some times")
    receiver.behave = lambda amount, times: 200
    wait_until(lambda: len(receiver.taken) == 60, "all have come")
    assert receiver.taken == list(range(1, 61))
    when = [at for _, status, at, _ in receiver.came if status == 200]
    for start in when:  # in no second more than the rate, and the tenth of a second that may come at once
        assert sum(start <= at < start + 1 for at in when) <= 40 + 4 + 1


def test_a_failing_event_holds_the_others_back(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 503 if amount == 2 and times < 4 else 200
    database.credit(1, 2, 3)
    relay_of(receiver.section("crm")).start()
    wait_until(lambda: len(receiver.taken) == 3, "all have come")
    assert [amount for amount, *_ in receiver.came] == [1, 2, 2, 2, 2, 3]


def test_what_is_refused_becomes_a_dead_letter_and_may_be_sent_again(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 422 if amount == 2 else 200
    database.credit(1, 2, 3)
    relay = relay_of(receiver.section("crm", refusals=3))
    relay.start()
    wait_until(lambda: len(receiver.taken) == 2, "the others have come")
    assert receiver.taken == [1, 3]
    [(amount, attempts, error, resend_at, resent_at)] = database.letters()
    assert (amount, attempts, error) == (2, 3, "answered 422 ok")
    wait_until(lambda: database.destination("crm")["died"] == 1, "it is counted")

    assert relay.call("resend", "--destination", "crm").stdout == "1 dead letters are to be sent again\n"
    wait_until(lambda: database.letters()[0][1] == 4, "it was tried once more")
    assert database.letters()[0][3] is None  # and is left alone after that
    receiver.behave = lambda amount, times: 200
    database.execute("UPDATE quota_relay.dead_letter SET resend_at = now()")  # as a console does
    wait_until(lambda: database.letters()[0][4] is not None, "it was taken")
    assert receiver.taken == [1, 3, 2]
    assert len({message_id for amount, _, _, message_id in receiver.came if amount == 2}) == 1
    assert relay.call("resend", "--destination", "crm").returncode == 1


def test_a_dead_letter_waits_for_a_receiver_that_is_down(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 400 if times == 1 else 503 if times < 5 else 200
    database.credit(1)
    relay = relay_of(receiver.section("crm", refusals=1))
    relay.start()
    wait_until(database.letters, "it is dead")
    relay.call("resend", "1")
    wait_until(lambda: receiver.taken == [1], "it was tried until it was taken")
    wait_until(lambda: database.letters()[0][4] is not None, "that is noted")


def test_patience_ends(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 503 if amount == 1 else 200
    database.credit(1, 2)
    relay_of(receiver.section("crm", patience_hours=1 / 3600)).start()
    wait_until(lambda: receiver.taken == [2], "the line has moved on")
    [(amount, attempts, error, *_)] = database.letters()
    assert amount == 1 and attempts > 1 and error == "answered 503 ok"


def test_retry_after_is_kept_to(database, receiver, relay_of):
    receiver.behave = lambda amount, times: (429, {"Retry-After": "2"}) if times == 1 else 200
    database.credit(1)
    relay_of(receiver.section("crm")).start()
    wait_until(lambda: receiver.taken, "it has come")
    (_, _, first, _), (_, _, second, _) = receiver.came
    assert second - first >= 1.9


def test_a_wait_can_be_cut_short(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 503 if times == 1 else 200
    database.credit(1)
    relay_of(receiver.section("crm", first_wait=3000, longest_wait=3000)).start()
    wait_until(lambda: receiver.came, "it has failed")
    wait_until(lambda: database.destination("crm")["retry_at"] is not None, "that is noted")
    database.execute("UPDATE quota_relay.destination SET retry_at = now()")
    wait_until(lambda: receiver.taken == [1], "it was tried again")


def test_a_slow_receiver_times_out_and_gets_it_again(database, receiver, relay_of):
    receiver.behave = lambda amount, times: time.sleep(1.5 if times == 1 else 0) or 200
    database.credit(1, 2)
    relay_of(receiver.section("crm", timeout=0.5)).start()
    wait_until(lambda: 2 in receiver.taken, "both have come")
    assert receiver.asked == sorted(receiver.asked) and min(receiver.asked.count(1), receiver.asked.count(2)) >= 2


def test_one_is_at_work_and_another_takes_over(database, receiver, relay_of):
    relay = relay_of(receiver.section("crm"))
    first = relay.start()
    wait_until(lambda: "from (0, 0) on" in relay.said(), "the first is at work")
    relay.start()
    wait_until(lambda: "another relay is at work" in relay.said(), "the second waits")
    database.credit(*range(1, 6))
    wait_until(lambda: len(receiver.taken) == 5, "all have come")
    assert relay.call("run", "--once").returncode == 1
    first.send_signal(signal.SIGKILL)
    first.wait(20)
    database.credit(6, 7)
    wait_until(lambda: len(receiver.taken) == 7, "the second has taken over")
    assert receiver.taken == [1, 2, 3, 4, 5, 6, 7]


def test_a_lost_session_is_begun_again(database, receiver, relay_of):
    relay_of(receiver.section("crm")).start()
    database.credit(1)
    wait_until(lambda: receiver.taken == [1], "it is at work")
    ended = database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'quota-relay crm'")
    assert ended == [(True,)]
    database.credit(2, 3)
    wait_until(lambda: receiver.first_times() == [1, 2, 3], "it has gone on")


def test_nothing_is_sent_by_a_relay_that_has_lost_its_lock(database, receiver, relay_of):
    """It notices before the next event, not after it."""
    receiver.behave = lambda amount, times: 503 if times == 1 else 200
    relay = relay_of(receiver.section("crm", first_wait=3, longest_wait=3))
    database.credit(1)
    relay.start()
    wait_until(lambda: database.value("SELECT count(*) FROM quota_relay.destination WHERE attempts = 1"), "it waits")
    with database.connect() as other:
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'quota-relay crm'")
        wait_until(
            lambda: other.execute("SELECT pg_try_advisory_lock(hashtextextended('quota_relay.crm', 0))").fetchone()[0],
            "another has the lock",
        )
        wait_until(lambda: "another relay is at work" in relay.said(), "it has noticed")
        assert len(receiver.came) == 1
    wait_until(lambda: receiver.taken == [1], "it has come")


def test_two_destinations_do_not_wait_for_each_other(database, receiver, relay_of, tmp_path):
    receiver.behave = lambda amount, times: 503
    database.credit(1, 2)
    log = tmp_path / "events"
    relay_of(receiver.section("crm"), f"[log audit]\nstart = beginning\npath = {log}\n").start()
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 2, "the log has both")
    assert receiver.taken == []


def test_metrics_count(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 400 if amount == 1 else 200
    database.credit(1, 2)
    relay_of(receiver.section("crm", refusals=1, types="credited")).start()
    database.execute("SELECT quota.set_status('acme', 'paused')")
    wait_until(lambda: database.destination("crm")["passed_over"] == 1, "all is done")
    figures = dict(database.execute("SELECT name, value FROM quota_relay.metrics WHERE labels = '{\"destination\": \"crm\"}'"))
    expected = {"sent_total": 1, "passed_over_total": 1, "died_total": 1, "dead_letters": 1, "waiting_events": 0, "lag_seconds": 0}
    assert {name: figures["quota_relay_" + name] for name in expected} == expected


def test_the_role_that_relays_reads_events_and_no_more(database):
    with psycopg.connect(database.relay, autocommit=True) as connection:
        connection.execute("SELECT count(*) FROM quota.events")
        for statement in ("SELECT quota.credit('acme', 't', 1)", "SELECT * FROM quota.ledger", "DROP TABLE quota_relay.dead_letter"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_init_does_not_adopt_a_schema(database, relay_of):
    database.execute("DROP SCHEMA quota_relay CASCADE")
    database.execute(f"CREATE SCHEMA quota_relay AUTHORIZATION {database.role}")
    done = relay_of("[log x]\n").call("init", "--database", database.owner)
    assert done.returncode == 2 and "belongs to" in done.stderr
    assert database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'quota_relay'::regnamespace") == 0


def test_a_restored_database_goes_on_where_the_dump_was(database, receiver, relay_of):
    """Another cluster counts transactions from small numbers on: nothing is lost, and nothing comes twice."""
    relay = relay_of(receiver.section("crm", types="credited"))
    database.credit(1, 2)
    relay.call("run", "--once")
    database.credit(3, 4)
    # what the dump would bring: the transactions of a cluster that had counted far
    database.execute("UPDATE quota_internal.event SET xid = (xid::text::bigint + 1000000000)::text::xid8")
    database.execute("UPDATE quota_relay.destination SET xid = (xid::text::bigint + 1000000000)::text::xid8, system = 1")
    database.credit(5)
    refused = relay.call("run", "--once")
    assert refused.returncode == 1 and "quota-relay restored" in refused.stderr
    assert receiver.taken == [1, 2]

    said = relay.call("restored")
    assert (said.returncode, said.stdout) == (0, "crm: 3 events of before the restore are to be sent\n"), said.stderr
    database.credit(6)
    assert relay.call("run", "--once").returncode == 0
    assert receiver.taken == [1, 2, 3, 4, 5, 6]
    assert relay.call("restored").stdout == ""


def test_a_new_destination_has_missed_nothing_before_a_restore(database, receiver, relay_of):
    database.credit(1)
    relay = relay_of(receiver.section("crm", start="now"))
    relay.call("run", "--once")
    database.execute("UPDATE quota_relay.destination SET system = 1")
    assert relay.call("restored").stdout == "crm: 0 events of before the restore are to be sent\n"
