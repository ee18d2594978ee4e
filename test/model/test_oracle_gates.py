"""The oracle's gates against examples computed by hand."""

import pytest
from story import Story, metered

OWNER = "r.owner"
FOLDER = "(SELECT f.tenant FROM folder f WHERE f.id = r.folder)"


def row(number, owner="acme", amount=1, tokens=0, folder=None, part=0):
    return [number, part, owner, None, folder, amount, tokens]


class Tables(Story):
    """`doc` with a gate or two."""

    def __init__(self, free, cascade=(), **gates):
        super().__init__(free)
        self.call("create_tables", cascade=cascade)
        for feature, arguments in gates.items():
            self.call("protect", target="app.doc", feature=feature, **{"subject": OWNER} | arguments)

    def write(self, table="doc", **change):
        """How many rows, or the SQLSTATE."""
        answer = self.fails("write", table=table, change={name.replace("_", " "): v for name, v in change.items()})
        return answer if isinstance(answer, str) else answer[0][0]

    def used(self, subject="acme", feature="seats"):
        return self.numbers(subject, feature)[1]


SEATS = {"seats": {"allowance": 3}}


def test_a_statement_is_decided_as_a_whole():
    story = Tables(SEATS, seats={})
    assert story.write(insert=[row(1), row(2), row(3)]) == 3
    assert story.write(insert=[row(4, "zoe"), row(5)]) == "QT402"
    assert story.used() == 3 and story.used("zoe") == 0
    assert story.write(update={"owner": "zoe"}, where={"id": [1, 2]}) == 2
    assert story.used() == 1 and story.used("zoe") == 2
    assert story.write(truncate=True) is None
    assert story.used() == 0 and story.used("zoe") == 0


def test_what_moves_within_a_path_finds_its_own_room():
    story = Tables({"seats": {"allowance": 1}}, seats={})
    assert story.write(insert=[row(1, "acme/a")]) == 1
    assert story.write(update={"owner": "acme/b"}, where={}) == 1
    assert story.used("acme/b") == 1


def test_the_events_of_an_upsert_decide_alone_updates_first():
    story = Tables(SEATS, seats={"amount": "r.amount"})
    assert story.write(insert=[row(1, amount=3)]) == 1
    assert story.write(insert=[row(1, amount=1), row(2, amount=2)], conflict="update") == 2
    assert story.used() == 3
    assert story.write(insert=[row(3, amount=1), row(2, amount=0)], conflict="update") == 2
    assert story.used() == 2


def test_merge_decides_what_goes_then_what_changes_then_what_comes():
    story = Tables(SEATS, seats={"amount": "r.amount"})
    assert story.write(copy=[row(1), row(2), row(3)]) == 3
    assert story.write(copy=[row(4)]) == "QT402"
    assert story.write(merge=[row(1), row(2, "zoe", 3), row(5, amount=2)], gone=[1]) == 3
    assert story.used() == 3 and story.used("zoe") == 3
    assert story.write(merge=[row(3, amount=2), row(5, amount=1)], gone=[]) == 2
    assert story.used() == 3
    assert story.write(merge=[row(3, amount=0), row(6, amount=3)], gone=[]) == "QT402"
    assert story.write(merge=[row(3, amount=0), row(6, amount=2)], gone=[]) == 2


def test_a_row_from_before_the_gate_may_stay_as_bad_as_it_was():
    story = Tables(SEATS)
    assert story.write(insert=[row(1, "a//b"), row(2, None), row(3, amount=None)]) == 3
    story.call("protect", target="app.doc", feature="seats", subject=OWNER, amount="r.amount")
    assert story.write(update={"tokens": 5}, where={}) == 3
    assert story.write(update={"amount": 2}, where={"id": [1]}) == "22023"
    assert story.write(update={"owner": "a//b"}, where={"id": [2]}) == 1
    assert story.write(update={"amount": -1}, where={"id": [3]}) == 1
    assert story.write(update={"owner": "a//b"}, where={"id": [3]}) == "22023"
    assert story.write(update={"owner": "acme", "amount": 3}, where={"id": [1]}) == 1
    assert story.used() == 3
    assert story.write(delete={}) == 3
    assert story.used() == 0


def test_what_was_charged_at_any_time_covers_rows_of_its_own_subject():
    story = Tables(metered(100))
    story.call("debit", subject="acme/alice", feature="tokens", amount=10)
    story.call("reserve", subject="acme/bob", feature="tokens", amount=10)
    assert story.write(insert=[row(1, "acme/alice", tokens=7), row(2, "acme/bob", tokens=7), row(3, tokens=7)]) == 3
    story.call("protect", target="app.doc", feature="tokens", subject=OWNER, amount="r.tokens")
    assert story.used("acme", "tokens") == 34
    story.call("unprotect", target="app.doc", feature="tokens")
    story.call("protect", target="app.doc", feature="tokens", subject=OWNER, amount="r.tokens")
    assert story.used("acme", "tokens") == 34


def test_metered_charges_growth_alone_to_the_new_owner():
    story = Tables(metered(100), tokens={"amount": "r.tokens"})
    assert story.write(insert=[row(1, tokens=10)]) == 1
    assert story.write(update={"owner": "zoe"}, where={}) == 1
    assert story.used("acme", "tokens") == 10 and story.used("zoe", "tokens") == 0
    assert story.write(update={"owner": "acme", "tokens": ["+", 5]}, where={}) == 1
    assert story.write(update={"tokens": ["-", 9]}, where={}) == 1
    assert story.write(delete={}) == 1
    assert story.used("acme", "tokens") == 15


def test_metered_gives_back_where_it_is_told_to():
    story = Tables(metered(100), tokens={"amount": "r.tokens", "refund": "on_decrease"})
    assert story.write(insert=[row(1, tokens=10)]) == 1
    assert story.write(delete={}) == 1
    assert story.used("acme", "tokens") == 0


def test_overdraw_is_not_refused():
    story = Tables(metered(5), tokens={"amount": "r.tokens", "exceed": "overdraw"}, seats={"exceed": "overdraw"})
    assert story.write(insert=[row(1, tokens=7)]) == 1
    assert story.used("acme", "tokens") == 7
    assert story.world.capacity["acme", "seats"] == 1  # counted where nobody gives it
    assert sorted(key[2:] for key in story.world.denials) == [("seats", "not_entitled"), ("tokens", "quota_exceeded")]


@pytest.mark.parametrize("bad, sqlstate", [
    (row(1, None), "22004"), (row(1, "a//b"), "22023"), (row(1, amount=None), "22004"), (row(1, amount=-1), "22023"),
    (row(1, "nobody", amount=4), "QT402"),
])
def test_bad_rows(bad, sqlstate):
    story = Tables(SEATS, seats={"amount": "r.amount"})
    assert story.write(insert=[row(2), bad]) == sqlstate
    assert not story.world.rows


@pytest.mark.parametrize("cascade, used, differences", [(["doc"], 0, []), ([], 1, [("acme", 1, 0)])])
def test_parents_that_go_first(cascade, used, differences):
    story = Tables(SEATS, cascade, seats={"subject": FOLDER})
    assert story.write("folder", folder=1, tenant="acme") == 1
    assert story.write(insert=[row(1, folder=1)]) == 1
    assert story.write("folder", delete_folders=[1]) == 1
    assert story.used() == used
    assert story.call("recount", feature="seats") == differences
    story.call("recount", feature="seats", dry_run=False)
    assert story.used() == 0


def test_rows_that_are_there_are_counted():
    story = Tables(SEATS)
    assert story.write(insert=[row(number) for number in range(5)]) == 5
    assert story.one("protect", target="app.doc", feature="seats", subject=OWNER) == ("quota_seats",)
    assert story.used() == 5
    assert story.fails("protect", target="app.doc", feature="seats", subject=OWNER) == "42710"
    story.call("unprotect", target="app.doc", feature="seats")
    assert story.write(delete={}) == 5
    assert story.used() == 5


def test_partitions():
    story = Tables(SEATS)
    story.call("protect", target="app.part", feature="seats", subject=OWNER)
    assert story.write("part_1", insert=[row(1, part=0)]) == "23514"
    assert story.write("part_1", insert=[row(1, part=1), row(2, part=1)]) == 2
    assert story.write("part", update={"part": 3}, where={"id": [1]}) == 1
    assert story.used() == 2
    assert story.write("part_rest", truncate=True) is None
    assert story.used() == 1
