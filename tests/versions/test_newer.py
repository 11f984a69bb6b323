#!/usr/bin/python3
# suite: versions
"""What only servers newer than PostgreSQL 15 have: it is captured, told, or refused with a sentence."""

import json
import time

import harness
from follower import READY, Follower, turn_all
from harness import Cluster, Database, check, contains, equal, eventually, skip, test

CALLS = "create table calls (id int primary key, user_id int)"


def since(database, version, what):
    """Skips on servers that do not have it yet."""
    found = int(database.value("show server_version_num")) // 10000
    if found < version:
        skip(f"{what} came with PostgreSQL {version}, this is {found}")


def following(database, consumer="web", **settings):
    return Follower(database, consumer, **settings).ready().until(
        lambda f: "*" in f.resyncs() and f.status()["counters"]["pending_batches"] == 0, "the first resync")


def acknowledged(database):
    eventually(lambda: database.value("select count(*) from trigperf.wal_consumer where needs_resync") == "0",
               "the settlement of the resync")


def attached_wal(database, *more):
    database.sql(CALLS + "".join("; " + text for text in more))
    database.attach("calls", "--key", "id", "--rule", "call:{id}", "--granularity", "wal")


def setting(cluster, text):
    Database(cluster, "postgres").sql(f"{text}; select pg_reload_conf()")


# --- slots ------------------------------------------------------------------------------------------


@test("idle_replication_slot_timeout: the slot is gone, the reason is told, and its consumer resyncs")
def _(cluster):
    db = cluster.installed()
    since(db, 18, "idle_replication_slot_timeout")
    attached_wal(db)
    with following(db, source="wal") as web:
        acknowledged(db)
        web.close()
    setting(cluster, "alter system set idle_replication_slot_timeout = '1s'")
    try:
        time.sleep(1.5)
        eventually(lambda: db.sql("checkpoint") or
                   db.value("select invalidation_reason from pg_replication_slots") == "idle_timeout", "the end of it")
        row = next(one for one in json.loads(db.trigperf("consumers", "--format", "json").out))
        equal((row["state"], row["slot_status"]), ("overtaken", "lost"), "the consumer")
        contains(db.trigperf("doctor", ok=None).out, "idle_replication_slot_timeout", "the doctor")
        db.sql("insert into calls values (1)")
        with Follower(db, "web", source="wal") as web:
            web.ready().until(lambda f: f.resyncs() == ["*"], "the resync")
            db.sql("insert into calls values (2)")
            web.until_keys("call:2").close()
    finally:
        setting(cluster, "alter system reset idle_replication_slot_timeout")
    equal(db.value("select count(*) from pg_replication_slots where invalidation_reason is null"), "1", "slots")


def carry_over(primary, standby, slot):
    """Lets the standby keep a copy of the slot, as its manual says."""
    harness.run([harness.PSQL, "-X", "-c", f'ALTER_REPLICATION_SLOT "{slot}" (FAILOVER true)',
                 primary.conninfo() + " replication=database"], ok=True)
    primary.sql("select pg_create_physical_replication_slot('standby', true)")
    standby.sql("alter system set primary_slot_name = 'standby'")
    standby.sql(f"alter system set primary_conninfo = '{primary.conninfo()}'")
    standby.sql("alter system set sync_replication_slots = on")
    standby.sql("select pg_reload_conf()")


@test("a slot that is carried over to the standby: after the promotion all is resynced, with a new slot")
def _():
    with Cluster(fast=False, options=["-c hot_standby_feedback=on"]) as cluster:
        db = cluster.installed()
        since(db, 17, "a failover slot")
        attached_wal(db)
        with following(db, source="wal") as web:
            acknowledged(db)
            web.close()
        slot = db.value("select slot from trigperf.wal_consumer")
        with Cluster(standby_of=cluster) as standby:
            other = Database(standby, db.name)
            carry_over(db, other, slot)
            with Follower(db, "web", source="wal") as web:
                web.until(lambda _: db.sql("insert into calls select coalesce(max(id), 0) + 1 from calls; "
                                           "select pg_log_standby_snapshot()") and
                          other.value(f"select count(*) from pg_replication_slots where slot_name = '{slot}' and "
                                      "synced and not temporary") == "1", "the copy of the slot")
                equal(web.resyncs(), [], "resyncs before")
                cluster.halt("immediate")
            other.sql("select pg_promote()")
            with Follower(other, "web", source="wal") as web:
                web.ready().until(lambda f: f.resyncs() == ["*"], "the resync")
                other.sql("insert into calls values (-2)")
                web.until_keys("call:-2").close()
            equal(other.rows("select slot_name, failover from pg_replication_slots where database is not null"),
                  [[slot, "f"]], "slots")


# --- sessions ---------------------------------------------------------------------------------------


@test("transaction_timeout of the role does not end our connections")
def _(installed):
    since(installed, 17, "transaction_timeout")
    installed.sql(CALLS + "; create role hasty superuser login; alter role hasty set transaction_timeout = '1s'")
    installed.attach("calls", "--key", "id", "--rule", "call:{id}", "--granularity", "statement")
    for source in ("outbox", "notify", "wal"):
        with Follower(installed.as_user("hasty"), source=source) as one:
            one.ready()
            found = installed.rows("select pid from pg_stat_activity where usename = 'hasty'")
            check(found, "no connection")
            with installed.session() as holder:
                holder.run("begin; lock table trigperf.consumer, trigperf.member, trigperf.setting, trigperf.host_process")
                until = time.monotonic() + 1.6  # lock_timeout of ours is two seconds
                turn_all([one], lambda until=until: time.monotonic() > until, "some time")
                holder.run("commit")
            turn_all([one], lambda one=one: one.state() == READY, "ready")
            equal(installed.rows("select pid from pg_stat_activity where usename = 'hasty'"), found, source)
    installed.sql("drop role hasty")


# --- what is captured -------------------------------------------------------------------------------


@test("the expression of a stored generated column is replaced: rows are rewritten, the table is resynced")
def _(installed):
    since(installed, 17, "SET EXPRESSION")
    installed.sql("create table calls (id int primary key, twice int generated always as (id * 2) stored); "
                  "insert into calls values (1)")
    installed.attach("calls", "--key", "twice", "--rule", "call:{twice}", "--granularity", "statement")
    with following(installed) as web:
        web.until(lambda _: installed.value("select fingerprint from trigperf.captured_table"), "the first look at the table")
        installed.sql("alter table calls alter twice set expression as (id * 3)")
        web.until(lambda f: "public.calls" in f.resyncs(), "the resync")
        installed.sql("insert into calls values (2)")
        web.until_keys("call:6").close()


@test("MERGE that deletes what has no source, and RETURNING old and new")
def _(installed):
    since(installed, 17, "WHEN NOT MATCHED BY SOURCE")
    for granularity in ("statement", "row"):
        installed.sql(CALLS.replace("calls", f"calls_{granularity}"))
        installed.sql(f"insert into calls_{granularity} values (1, 1), (2, 2)")
        installed.attach(f"calls_{granularity}", "--key", "id", "--key", "user_id", "--rule",
                         granularity + ":{id}:{user_id}", "--granularity", granularity)
    with following(installed) as web:
        for granularity in ("statement", "row"):
            installed.sql(f"""merge into calls_{granularity} c using (values (2, 7), (3, 8)) s(id, v) on c.id = s.id
                when matched then update set user_id = s.v when not matched then insert values (s.id, s.v)
                when not matched by source then delete returning merge_action(), c.*""")
            web.until_keys(*(f"{granularity}:{part}" for part in ("1:1", "2:2", "2:7", "3:8")))
        web.close()


@test("a primary key WITHOUT OVERLAPS: moved periods are told with their old and new values")
def _(installed):
    since(installed, 18, "WITHOUT OVERLAPS")
    for granularity in ("statement", "row", "wal"):
        table = f"stays_{granularity}"
        installed.sql(f"create table {table} (room int4range, during int4range, guest int, "
                      "primary key (room, during without overlaps))")
        installed.attach(table, "--key", "room", "--key", "during", "--rule", granularity + ":{room}:{during}",
                         "--granularity", granularity)
    with following(installed) as web, following(installed, source="wal") as log:
        for granularity, follower in (("statement", web), ("row", web), ("wal", log)):
            installed.sql(f"insert into stays_{granularity} values ('[1,2)', '[1,5)', 7), ('[1,2)', '[5,9)', 8);"
                          f"update stays_{granularity} set during = '[2,5)' where guest = 7")
            turn_all([web, log], lambda follower=follower, granularity=granularity: {
                f"{granularity}:[1,2):{during}" for during in ("[1,5)", "[5,9)", "[2,5)")} <= follower.keys(), granularity)
        web.close()
        log.close()


@test("REPLICA IDENTITY FULL with stored generated columns: writers go on, also after an upgrade in place")
def _(installed):
    since(installed, 18, "publishing generated columns")
    attached_wal(installed, "alter table calls add twice int generated always as (id * 2) stored",
                 "alter table calls replica identity full")
    with following(installed, source="wal") as web:
        installed.sql("insert into calls values (1); update calls set id = 2")
        web.until_keys("call:1", "call:2")
        installed.sql("alter publication trigperf set (publish_generated_columns = none)")  # as pg_upgrade leaves it
        contains(installed.fails("update calls set id = 3"), "unpublished generated columns")
        web.until(lambda _: installed.value("select pubgencols from pg_publication where pubname = 'trigperf'") == "s",
                  "publishing them")
        installed.sql("update calls set id = 4")
        web.until_keys("call:4").close()


@test("virtual generated columns: REPLICA IDENTITY FULL is refused, one that comes later is taken out of the way")
def _(installed):
    since(installed, 18, "a virtual column")
    installed.sql(CALLS + "; alter table calls add twice int generated always as (id * 2); "
                          "alter table calls replica identity full")
    error = installed.attach("calls", "--key", "id", "--granularity", "wal", ok=1).err
    contains(error, "has REPLICA IDENTITY FULL and a generated column that cannot be published", "why")
    contains(error, "ALTER TABLE public.calls REPLICA IDENTITY DEFAULT", "what to do")
    installed.sql("insert into calls values (1); update calls set id = 2; alter table calls drop twice")
    installed.attach("calls", "--key", "id", "--rule", "call:{id}", "--granularity", "wal")
    with following(installed, source="wal") as web:
        installed.sql("alter table calls add twice int generated always as (id * 2)")
        web.until(lambda _: installed.value("select state || published from trigperf.wal_tables()") == "untoldfalse",
                  "taking it out")
        installed.sql("update calls set id = 3; alter table calls drop twice")
        web.until(lambda _: installed.value("select state from trigperf.wal_tables()") == "ok", "publishing it again")
        installed.sql("update calls set id = 4")
        web.until_keys("call:4").close()


if __name__ == "__main__":
    harness.main()
