#!/usr/bin/python3
# suite: versions
"""Named consumers of the source wal whose slots others touch, and copies of databases that name them."""

import contextlib

import harness
from follower import READY, Follower, turn_all
from harness import check, equal, eventually, test

TABLE = "create table calls (id bigint primary key)"
RECREATE = ("select pg_drop_replication_slot(slot_name) from {slots}; "
            "select pg_create_logical_replication_slot('{slot}', 'pgoutput')")
DISTURBANCES = {
    "was advanced": "select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) from {slots}",
    "was made anew": RECREATE,
    "was read": "select count(*) from {slots}, lateral pg_logical_slot_get_binary_changes(slot_name, null, null, "
                "'proto_version', '1', 'publication_names', 'trigperf')",
}


class Wal(Follower):
    def __init__(self, database, consumer="web", **settings):
        super().__init__(database, consumer, source="wal", **settings)


def attached(database):
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")
    database.sql(TABLE)
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity", "wal")


def following(database, **settings):
    return Wal(database, **settings).ready().until(lambda f: f.resyncs(), "the resync")


def stored(database, column):
    return database.value(f"select {column} from trigperf.wal_consumer")


def slots(database):
    return [row[0] for row in database.rows("select slot_name from pg_replication_slots where database = "
                                            "current_database() and not temporary")]


def settled(follower, database):
    """The resync is acknowledged, and that is stored."""
    follower.until(lambda f: stored(database, "needs_resync") == "f", "the acknowledged resync")


def away(database):
    """A consumer that has read up to here and is gone; its slot is free."""
    with following(database) as follower:
        database.sql("insert into calls values (1)")
        follower.until_keys("call:1")
        settled(follower, database)
        follower.close()
    eventually(lambda: database.value("select count(*) from pg_replication_slots where active") == "0", "a free slot")


def disturbed(statements):
    def run(installed):
        attached(installed)
        away(installed)
        installed.sql("insert into calls values (2)")
        (slot,) = slots(installed)
        mine = "(select * from pg_replication_slots where database = current_database()) as s"
        for statement in statements.split("; "):
            installed.sql(statement.format(slots=mine, slot=slot))
        installed.sql("insert into calls values (3)")
        with Wal(installed) as follower:
            follower.until(lambda f: f.resyncs() or "call:3" in f.keys(), "anything")
            equal(follower.resyncs(), ["*"], "resyncs")
            installed.sql("insert into calls values (4)")
            follower.until_keys("call:4")
    return run


for HOW, STATEMENTS in DISTURBANCES.items():
    test(f"a slot that {HOW} while its consumer was away: a resync of everything")(disturbed(STATEMENTS))


@test("a consumer that nobody disturbed goes on without a resync: closed, killed, and after much that others wrote")
def _(installed):
    attached(installed)
    away(installed)
    for turn, leave in enumerate([Wal.close, Wal.free, Wal.close]):
        with Wal(installed) as follower:
            installed.sql(f"insert into calls values ({10 + turn})")
            follower.ready().until_keys(f"call:{10 + turn}")
            installed.sql("create table if not exists noise as select repeat('x', 900) from generate_series(1, 2000)")
            follower.until(lambda f: installed.value(
                "select bool_and(confirmed_flush_lsn <= acked) from pg_replication_slots join trigperf.wal_consumer "
                "on slot = slot_name") == "t", "a slot that is not ahead")
            leave(follower)
            equal(follower.resyncs(), [], f"resyncs of turn {turn}")
        eventually(lambda: installed.value("select count(*) from pg_replication_slots where active") == "0", "its end")


@test("what is confirmed to the server is stored before")
def _(installed):
    attached(installed)
    with following(installed) as follower:
        settled(follower, installed)
        for number in range(30):
            installed.sql(f"insert into calls values ({number})")
            follower.turn(5)
            ahead = installed.value("select count(*) from pg_replication_slots s join trigperf.wal_consumer w "
                                    "on w.slot = s.slot_name where s.confirmed_flush_lsn > w.acked")
            equal(ahead, "0", "slots ahead of what is stored")
        follower.until_keys("call:29")
        before = stored(installed, "acked")
        installed.sql("insert into calls values (30)")
        follower.until_keys("call:30")
        follower.until(lambda f: stored(installed, "acked") != before, "the store")


@contextlib.contextmanager
def copied(database):
    """The database, and a copy of it on the same server."""
    other = harness.Database(database.cluster, database.name + "_copy")
    server = harness.Database(database.cluster, "postgres")
    server.sql(f'create database "{other.name}" template "{database.name}"')
    try:
        yield other
    finally:
        eventually(lambda: server.value("select count(*) from pg_replication_slots where active and database = "
                                        f"'{other.name}'") == "0", "the end of those that read the copy")
        server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                   f"where database = '{other.name}'")
        server.sql(f'drop database "{other.name}" with (force)')


@test("a copy of the database on the same server: both have consumers of one name, and leave each other alone")
def _(installed):
    attached(installed)
    away(installed)
    with copied(installed) as copy, Wal(installed) as original, Wal(copy) as second:
        turn_all([original, second], lambda: original.state() == READY and second.state() == READY, "both ready")
        installed.sql("insert into calls values (100)")
        copy.sql("insert into calls values (200)")
        turn_all([original, second], lambda: "call:100" in original.keys() and "call:200" in second.keys(), "both keys")
        equal(original.resyncs(), [], "resyncs of the original")
        equal(second.resyncs(), ["*"], "resyncs of the copy")
        check(slots(installed) and slots(copy) and slots(installed) != slots(copy), "a slot each")
        equal([f.status()["reconnects"] for f in (original, second)], [0, 0], "reconnects")
        original.close()
        second.close()


@test("dropping or resetting a consumer in a copy, and uninstalling it, leaves the original's slot as it is")
def _(installed):
    attached(installed)
    away(installed)
    with copied(installed) as copy:
        (slot,) = slots(installed)
        equal(stored(copy, "slot"), slot, "the slot that the copy names")
        copy.trigperf("consumers", "reset", "--source", "wal", "web")
        equal(slots(installed), [slot], "slots after reset")
        copy.trigperf("consumers", "drop", "--source", "wal", "web")
        equal(slots(installed), [slot], "slots after drop")
    with copied(installed) as copy:
        copy.trigperf("uninstall")
        equal(slots(installed), [slot], "slots after uninstall")
    with Wal(installed) as follower:
        installed.sql("insert into calls values (7)")
        follower.until_keys("call:7")
        equal(follower.resyncs(), [], "resyncs")
        follower.close()


if __name__ == "__main__":
    harness.main()
