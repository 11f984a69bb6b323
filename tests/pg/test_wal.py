#!/usr/bin/python3
# suite: versions
"""The source wal: slots, replica identities, visibility, large transactions, schema changes."""

import json
import os
import re
import signal
import threading
import time

import harness
from follower import FAILED, LIB, READY, SUPERSEDED, Follower, turn_all
from harness import Cluster, attempts, check, contains, equal, eventually, test

TABLE = "create table calls (id bigint primary key, user_id bigint, note text)"


class Wal(Follower):
    def __init__(self, database, consumer="", conninfo=None, **settings):
        super().__init__(database, consumer, conninfo, source="wal", **settings)


def drop_slots(database):
    database.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")


def attached(database, *more, full=True, table="calls"):
    drop_slots(database)
    database.sql(TABLE)
    if full:
        database.sql("alter table calls replica identity full")
    database.attach(f"public.{table}", "--key", "user_id", "--key", "id", "--rule",
                    "dashboard:{user_id}", "--rule", "call:{id}", "--granularity", "wal", *more)


def following(database, consumer="", **settings):
    return Wal(database, consumer, **settings).ready().until(lambda f: f.resyncs(), "the resync")


def slots(database):
    return int(database.value("select count(*) from pg_replication_slots where database = "
                              "current_database()"))


@test("inserts, updates, deletes, moved keys; no trigger on the table")
def _(installed):
    attached(installed)
    equal(installed.value("select count(*) from pg_trigger where tgrelid = 'calls'::regclass"), "0", "triggers")
    with following(installed) as follower:
        installed.sql("insert into calls values (1, 7, 'x')")
        follower.until_keys("call:1", "dashboard:7")
        change = follower.batches[-1]["changes"]
        equal(change, [{"table": "public.calls", "ops": ["insert"], "count": 1,
                        "keys": {"user_id": "7", "id": "1"}}], "changes")
        check(re.fullmatch("[0-9A-F]+/[0-9A-F]+", follower.batches[-1]["lsn"]), "an lsn")
        installed.sql("update calls set user_id = 8")
        follower.until_keys("dashboard:8")
        equal(follower.batches[-1]["keys"], ["call:1", "dashboard:7", "dashboard:8"], "moved")
        installed.sql("update calls set user_id = 8; delete from calls")
        follower.until(lambda f: f.batches[-1]["changes"][0]["ops"] == ["delete"], "the delete")
        equal(follower.batches[-1]["keys"], ["call:1", "dashboard:8"], "keys of the delete")
        equal(follower.resyncs(), ["*"], "resyncs")
        follower.close()
    eventually(lambda: slots(installed) == 0, "the temporary slot to go")


@test("rolled back transactions and savepoints are not told")
def _(installed):
    attached(installed)
    with following(installed) as follower:
        installed.sql("begin; insert into calls values (1, 7); rollback;"
                      "begin; insert into calls values (2, 7); savepoint a; insert into calls values"
                      " (3, 7); rollback to a; insert into calls values (4, 7); commit")
        follower.until_keys("call:2", "call:4")
        check(not {"call:1", "call:3"} & follower.keys(), f"{follower.keys()}")


@test("a named consumer continues where it acknowledged, without a resync")
def _(installed):
    attached(installed)
    with following(installed, "web") as first:
        installed.sql("insert into calls values (1, 7)")
        first.until_keys("call:1")
        first.close()
    equal(slots(installed), 1, "slots")
    installed.sql("insert into calls values (2, 8)")
    with Wal(installed, "web") as second:
        second.until_keys("call:2", "dashboard:8")
        equal(second.resyncs(), [], "resyncs of the second run")
        check("call:1" not in second.keys(), "call:1 was acknowledged before")
        second.close()


@test("only what was acknowledged is confirmed to the server")
def _(installed):
    attached(installed)
    follower = following(installed, "web")
    installed.sql("insert into calls values (1, 7)")
    eventually(lambda: LIB.trigperf_wait(follower.context, 20, None) == 0 or True and
               follower.status()["counters"]["pending_batches"] > 0, "a batch")
    for _ in range(20):
        LIB.trigperf_process(follower.context, None)
        installed.sql("insert into calls values (2, 7) on conflict do nothing")
        time.sleep(0.02)
    follower.free()
    with Wal(installed, "web") as again:
        again.until_keys("call:1")
        equal(again.resyncs(), [], "resyncs")
        again.close()


@test("keys are written as the outbox writes them")
def _(installed):
    installed.sql("""
        create domain yes as boolean; create type mood as enum ('glad');
        create table every (b yes, c char(5), i inet, j inet, ci cidr, f float8, r real, n numeric,
            d date, t timestamptz, iv interval, by bytea, u uuid, m mood, a timestamptz[], e text,
            mo money, js jsonb, bb boolean[], vc varchar(9));
        alter table every replica identity full;
        create table other (like every)""")
    names = [row[0] for row in installed.rows("select attname from pg_attribute where attrelid = "
                                              "'every'::regclass and attnum > 0 order by attnum")]
    keys = [part for name in names if name not in ("mo", "js", "bb", "vc", "e", "a", "m", "u", "by")
            for part in ("--key", name)]
    rest = [part for name in ("mo", "js", "bb", "vc", "a", "m", "by", "e")
            for part in ("--key", name)]
    row = ("(true, 'ab', '10.0.0.1', 'fe80::1/64', '10.0.0.0/8', 0.1, 0.1, 1.00, '1 March 2024', "
           "'2024-03-01 12:30+01', '26 hours', '\\x00FF', '3F2504E0-4F89-41D3-9A0C-0305E82C3301', "
           "'glad', '{2024-03-01 12:30+01}', '', 1234.5, '{\"b\": 1,  \"a\": 2}', '{t,f}', 'Ab  c')")
    for part in (keys[:16], rest):
        installed.attach("every", *part, "--granularity", "wal")
        installed.attach("other", *part, "--granularity", "statement")
        with following(installed) as wal, Follower(installed) as outbox:
            outbox.ready()
            installed.sql("set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set "
                          "extra_float_digits = -3; set bytea_output = 'escape'; "
                          f"insert into every values {row}; insert into other values {row}")
            def change(follower):
                return [c["keys"] for b in follower.batches for c in b["changes"]]
            turn_all([wal, outbox], lambda: change(wal) and change(outbox), "both")
            equal(change(wal)[0], change(outbox)[0], "keys")
            check(len(change(wal)[0]) == len(part) // 2, "all keys")
        installed.sql("delete from every; delete from other")
        installed.trigperf("detach", "every")
        installed.trigperf("detach", "other")


@test("watched columns: others do not count; an unchanged TOAST value is unchanged")
def _(installed):
    installed.sql("create table docs (id int primary key, user_id int, body text, seen int);"
                  "alter table docs alter body set storage external, replica identity full")
    installed.attach("docs", "--key", "id", "--watch", "body", "--rule", "doc:{id}",
                     "--granularity", "wal")
    with following(installed) as follower:
        installed.sql("insert into docs select i, i, repeat('x', 100000) from generate_series(1, 3) i")
        follower.until_keys("doc:1", "doc:2", "doc:3")
        before = len(follower.batches)
        installed.sql("update docs set seen = 1 where id = 1; update docs set body = body || 'y' "
                      "where id = 2")
        follower.until(lambda f: len(f.batches) > before, "the second update")
        installed.sql("update docs set body = repeat('x', 100000) where id = 3; insert into docs values (4)")
        follower.until_keys("doc:4")
        equal([b["keys"] for b in follower.batches[before:]], [["doc:2"], ["doc:4"]], "batches")


@test("without FULL: keys in the primary key suffice; a moved key is told twice")
def _(installed):
    installed.sql(TABLE)
    installed.attach("calls", "--key", "id", "--rule", "call:{id}", "--granularity", "wal")
    equal(installed.value("select array_to_string(attnames, ',') from pg_publication_tables"), "id",
          "published columns")
    with following(installed) as follower:
        installed.sql("insert into calls values (1, 1); update calls set note = 'x'; "
                      "update calls set id = 2")
        follower.until_keys("call:1", "call:2")
        installed.sql("delete from calls; insert into calls values (3)")
        follower.until_keys("call:3")
        equal(follower.resyncs(), ["*"], "resyncs")


@test("attaching refuses what the log does not tell, with the SQL to change it")
def _(installed):
    installed.sql(TABLE + "; create table bare (id int); create unlogged table un (id int primary key);"
                  "create table gen (id int primary key, two int generated always as (id * 2) stored);"
                  "alter table gen replica identity full; create view v as select 1 as id")

    def refused(*args):
        done = installed.attach(*args, "--granularity", "wal", ok=1)
        return done.err

    error = refused("calls", "--key", "user_id")
    contains(error, 'key "user_id" is not part of the table\'s replica identity')
    contains(error, "ALTER TABLE public.calls REPLICA IDENTITY FULL")
    contains(refused("bare", "--key", "id"), "has no replica identity")
    contains(refused("calls", "--key", "id", "--watch", "note"), "the whole old row")
    contains(refused("calls", "--key", "twice=id*2"), "is an expression")
    contains(refused("un", "--key", "id"), "a logged table")
    contains(refused("gen", "--key", "two"), "is generated")
    contains(refused("v", "--key", "id"), "a view")
    contains(refused("calls", "--key", "id", "--where", "user_id > 1"), "row filter")
    contains(installed.attach("calls", "--key", "id", "--where", "id > 1", ok=1).err, "granularity wal")
    installed.sql("insert into calls values (1); update calls set note = 'x'")
    equal(installed.value("select count(*) from pg_publication_rel"), "0", "published")


@test("partitions are attached one by one, and told under their own names")
def _(installed):
    drop_slots(installed)
    installed.sql("create table part (id int primary key) partition by range (id); "
                  "create table part_1 partition of part for values from (0) to (10); "
                  "create table part_2 partition of part for values from (10) to (20)")
    leaves = installed.rows("SELECT relid FROM pg_partition_tree('public.part') WHERE isleaf")
    for leaf in leaves:
        installed.attach(leaf[0], "--key", "id", "--rule", "part:{id}", "--granularity", "wal")
    with following(installed, "web") as follower:
        installed.sql("insert into part values (1), (11); update part set id = 12 where id = 1")
        follower.until_keys("part:1", "part:11", "part:12")
        follower.close()


@test("a row filter publishes what meets it")
def _(installed):
    attached(installed, "--where", "user_id > 10")
    with following(installed) as follower:
        installed.sql("insert into calls values (1, 7), (2, 11); update calls set user_id = 12 "
                      "where id = 1; update calls set user_id = 1 where id = 2")
        follower.until_keys("call:1", "call:2", "dashboard:12", "dashboard:11")
        check("dashboard:7" not in follower.keys(), "a row that does not meet it was told")
    contains(installed.trigperf("tail", "-o", "source=wal").out, "resync")


@test("a declarative file describes such tables too")
def _(installed):
    drop_slots(installed)
    installed.sql(TABLE + "; alter table calls replica identity full")
    path = os.path.join(harness.tempfile.mkdtemp(prefix="tpw.", dir="/tmp"), "wanted")
    text = ("[table public.calls]\nkeys = id, user_id\ngranularity = wal\nwhere = user_id > 10\n"
            "rule = call:{id}\n")

    def apply(content):
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return installed.trigperf("apply", path).out

    apply(text)
    equal(installed.rows("select granularity, row_filter from trigperf.captured_table"),
          [["wal", "user_id > 10"]], "registry")
    apply(text)
    equal(installed.value("select max(id) from trigperf.captured_table"), "1", "attached once")
    apply(text.replace("> 10", "> 11"))
    contains(installed.value("select rowfilter from pg_publication_tables"), "> 11")
    installed.sql("alter publication trigperf drop table calls")
    apply(text)
    contains(installed.value("select rowfilter from pg_publication_tables"), "> 10")
    os.unlink(path)
    os.rmdir(os.path.dirname(path))


@test("a large transaction is streamed in pieces; above max_keys it is one resync of its table")
def _(cluster):
    database = cluster.installed()
    database.sql("alter system set logical_decoding_work_mem = '64kB'; select pg_reload_conf()")
    attached(database, "--max-keys", "5000")
    with following(database, **{"batch.max_keys": 100000}) as follower:
        database.sql("begin; insert into calls select i, 1 from generate_series(1, 3000) i; savepoint a; "
                     "insert into calls select i, 2 from generate_series(3001, 3900) i; "
                     "rollback to a; insert into calls values (4000, 3); commit")
        follower.until_keys("call:1", "call:3000", "call:4000", "dashboard:1", "dashboard:3")
        check("dashboard:2" not in follower.keys() and "call:3001" not in follower.keys(),
              "what was rolled back")
        eventually(lambda: int(database.value("select coalesce(max(stream_txns), 0) from pg_stat_replication_slots")),
                   "the server to have streamed it")
        database.sql("insert into calls select i, 1 from generate_series(10001, 16000) i")
        follower.until(lambda f: f.resyncs() == ["*", "public.calls"], "the table's resync")
        check("call:10001" not in follower.keys(), "keys beside the resync")
        database.sql("begin; insert into calls select i, 1 from generate_series(20001, 23000) i; rollback;"
                     "insert into calls values (30000, 1)")
        follower.until_keys("call:30000")
        check("call:20001" not in follower.keys(), "a rolled back large transaction")
    database.sql("alter system reset logical_decoding_work_mem; select pg_reload_conf()")


@test("TRUNCATE is a resync of its table; so is trigperf.resync()")
def _(installed):
    attached(installed)
    with following(installed) as follower:
        installed.sql("truncate calls")
        follower.until(lambda f: f.resyncs() == ["*", "public.calls"], "the TRUNCATE")
        installed.sql("select trigperf.resync(id) from trigperf.captured_table")
        follower.until(lambda f: f.resyncs() == ["*", "public.calls", "public.calls"], "a resync")
        installed.sql("select trigperf.resync()")
        follower.until(lambda f: f.resyncs()[3:] == ["*"], "a resync of all")


@test("tables and rules that come while it runs, and go")
def _(installed):
    attached(installed)
    with following(installed) as follower:
        installed.sql("create table users (id int primary key)")
        installed.attach("users", "--key", "id", "--rule", "user:{id}", "--granularity", "wal")
        installed.sql("insert into users values (1)")
        follower.until_keys("user:1")
        installed.trigperf("rules", "add", "users", "--rule", "profile:{id}", ok=None)
        installed.trigperf("rules", "add", "users", "profile:{id}", ok=None)
        installed.sql("insert into users values (2)")
        follower.until_keys("profile:2")
        installed.trigperf("detach", "users")
        installed.sql("insert into users values (3); insert into calls values (9, 9)")
        follower.until_keys("call:9")
        check("user:3" not in follower.keys(), "a detached table is told")
        equal(installed.value("select count(*) from pg_publication_rel"), "1", "published tables")


@test("changes of a table that was detached before they were read: a resync of everything")
def _(installed):
    attached(installed)
    with following(installed, "web") as follower:
        follower.close()
    installed.sql("insert into calls values (1, 1)")
    installed.trigperf("detach", "calls")
    with Wal(installed, "web") as follower:
        follower.until(lambda f: f.resyncs() == ["*"], "the resync")
        follower.close()


@test("schema changes in mid-stream: what may have been rewritten, or has lost a key, is resynced")
def _(installed):
    attached(installed)
    installed.sql("insert into calls values (1, 7, 'x')")
    with following(installed) as follower:
        installed.sql("update calls set note = 'y'")
        follower.until_keys("call:1")
        installed.sql("alter table calls add extra int; update calls set extra = 5")
        follower.until(lambda f: "public.calls" in f.resyncs(), "after a new column")
        count = len(follower.resyncs())
        installed.sql("alter table calls rename user_id to owner; update calls set owner = 8")
        follower.until(lambda f: len(f.resyncs()) > count, "after a renamed key")
        installed.sql("alter table calls rename owner to user_id; update calls set user_id = 77")
        installed.sql("update calls set user_id = 78")
        follower.until_keys("dashboard:78")


@test("a replica identity changed afterwards: writers go on, the table is resynced and reported")
def _(installed):
    installed.sql(TABLE)
    installed.attach("calls", "--key", "id", "--rule", "call:{id}", "--granularity", "wal")
    with following(installed) as follower:
        installed.sql("insert into calls values (1, 1); alter table calls replica identity full")
        follower.until(lambda f: "public.calls" in f.resyncs() and installed.value(
            "select state from trigperf.wal_tables()") == "ok", "publishing without a list of columns")
        installed.sql("update calls set note = 'now'")
        count = len(follower.resyncs())
        installed.sql("alter table calls replica identity nothing")
        follower.until(lambda f: len(f.resyncs()) > count and installed.value(
            "select published from trigperf.wal_tables()") == "f", "taking it out")
        equal(installed.value("select state from trigperf.wal_tables()"), "untold", "state")
        installed.sql("update calls set note = 'still works'")
        contains(installed.trigperf("status").out, "untold")
        check(int(installed.value("select count(*) from trigperf.trigger_error_log")) > 0, "log")
        installed.sql("alter table calls replica identity default")
        follower.until(lambda f: installed.value(
            "select state from trigperf.wal_tables()") == "ok", "publishing it again")
        installed.sql("insert into calls values (5, 5)")    # its table looks different: a resync
        installed.sql("insert into calls values (6, 6)")
        follower.until_keys("call:6")


@test("a generated column of the replica identity, which the server does not publish: refused, and watched for")
def _(installed):
    installed.sql("create table by_index (id int, twice int generated always as (id * 2) stored, primary key (id, twice));"
                  "create table calls (id int primary key, a int, twice int not null generated always as (a * 2) stored);"
                  "create unique index calls_twice on calls (id, twice); alter table calls replica identity full")
    error = installed.attach("by_index", "--key", "id", "--granularity", "wal", ok=1).err
    contains(error, "or one with a generated column that cannot be published")
    contains(error, "ALTER TABLE public.by_index REPLICA IDENTITY FULL")
    installed.sql("insert into by_index values (1); update by_index set id = 2")
    installed.attach("calls", "--key", "id", "--key", "a", "--rule", "call:{id}", "--rule", "a:{a}", "--granularity", "wal")
    with following(installed) as follower:
        installed.sql("insert into calls values (1, 1); update calls set a = 2")
        follower.until_keys("call:1", "a:1", "a:2")
        equal(follower.resyncs(), ["*"], "resyncs")
        installed.sql("alter table calls replica identity using index calls_twice")
        follower.until(lambda f: installed.value("select state || published from trigperf.wal_tables()") ==
                       "untoldfalse", "taking it out")
        installed.sql("update calls set a = 3")
        installed.sql("alter table calls replica identity full")
        follower.until(lambda f: installed.value("select state from trigperf.wal_tables()") == "ok", "publishing it again")
        installed.sql("update calls set a = 4")
        follower.until_keys("a:4")


def cut(database):
    database.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = "
                 "'trigperf' and datname = current_database()")


@test("broken connections: a named consumer loses nothing and needs no resync; an ephemeral one resyncs")
def _(installed):
    attached(installed)
    for name in ("web", ""):
        with following(installed, name) as follower:
            base = 1000 if name else 2000
            for i in range(10):
                installed.sql(f"insert into calls values ({base + i}, {i})")
                if i % 3 == 0:
                    cut(installed)
                follower.turn(1)
            if name:
                follower.until_keys(*(f"call:{base + i}" for i in range(10)))
                equal(follower.resyncs(), ["*"], "resyncs")
            else:
                follower.ready().until(lambda f: len(f.resyncs()) > 1, "resyncs")
            check(follower.status()["reconnects"] > 0, "no reconnect was counted")
            follower.close()


@test("the newest claimant of a name wins; the other is told, and can claim it back")
def _(installed):
    attached(installed)
    with following(installed, "web") as old:
        with Wal(installed, "web") as new:
            turn_all([old, new], lambda: old.error is not None and new.state() == READY, "the change")
            equal(old.error.status, SUPERSEDED, "status of the superseded context")
            equal(old.state(), FAILED, "state")
            installed.sql("insert into calls values (1, 7)")
            new.until_keys("call:1")
            equal(new.resyncs(), [], "resyncs of the new one")
            new.close()
        LIB.check("trigperf_context_retry", old.context)
        old.error = None
        installed.sql("insert into calls values (2, 7)")
        old.until_keys("call:2")
        equal(old.resyncs(), ["*", "*"], "resyncs")
        old.close()


@test("a slot that was dropped or lost: a new one, and a resync")
def _(installed):
    attached(installed)
    with following(installed, "web") as follower:
        slot = follower.status()["slot"]
        follower.close()
    installed.sql(f"select pg_drop_replication_slot('{slot}'); insert into calls values (1, 1)")
    with following(installed, "web") as follower:
        equal(follower.resyncs(), ["*"], "resyncs")
        installed.sql("insert into calls values (2, 2)")
        follower.until_keys("call:2")
        follower.close()


def limit(database, name, value):
    database.sql(f"update trigperf.setting set value = '{value}' where name = 'wal.{name}'")


@test("a slot above wal.alert_bytes warns, above wal.max_bytes it is given up with a resync")
def _(installed):
    attached(installed)
    with following(installed, "web") as follower:
        limit(installed, "alert_bytes", 1)
        installed.sql("insert into calls select i, 1 from generate_series(1, 20000) i")
        follower.until(lambda f: f.status()["retained_alert"], "the alert")
        check(any("wal.alert_bytes" in text for _, text in follower.log_lines), "a warning")
        shown = json.loads(installed.trigperf("status", "--format", "json").out)
        equal([(c["name"], c["slot"]) for c in shown["wal_consumers"]],
              [("web", follower.status()["slot"])], "consumers in the status")
        equal([(slot["consumer"], slot["alert"]) for slot in shown["wal_slots"]], [("web", True)],
              "slots in the status")
        limit(installed, "max_bytes", 1)
        follower.until(lambda f: f.resyncs().count("*") > 1, "giving its slot up")
        limit(installed, "max_bytes", 0)
        follower.ready()
        installed.sql("insert into calls values (30000, 30000)")
        follower.until_keys("call:30000")
        follower.close()


@test("the slot of a consumer that stays away is dropped above wal.max_bytes; it resyncs afterwards")
def _(installed):
    attached(installed)
    with following(installed, "gone") as follower:
        follower.close()
    installed.sql("insert into calls select i, 1 from generate_series(1, 20000) i; checkpoint")
    with following(installed, "web") as follower:
        limit(installed, "max_bytes", int(installed.value(
            "select retained_bytes - 1000 from trigperf.wal_slots() where consumer = 'gone'")))
        follower.until(lambda f: f.status()["slots_given_up"] == 1, "dropping the other")
        equal(follower.resyncs(), ["*"], "resyncs of the one that reads")
        limit(installed, "max_bytes", 0)
        follower.close()
    with Wal(installed, "gone") as follower:
        follower.until(lambda f: f.resyncs() == ["*"], "the resync of the one that was away")
        follower.close()


@test("a first resync is not forgotten when the stream breaks before it")
def _(installed):
    attached(installed)
    with Wal(installed, "web") as follower:
        def stop(f):
            installed.sql("select pg_terminate_backend(pid) from pg_stat_activity where "
                          "backend_type = 'walsender' and datname = current_database()")
            return f.status()["reconnects"] > 0
        follower.until(stop, "a broken stream").ready()
        follower.until(lambda f: f.resyncs(), "the resync")
        follower.close()


@test("a server that falls silent is given up, and followed again without a loss")
def _(installed):
    attached(installed)
    with following(installed, "web", **{"connect.silence_ms": 1000}) as follower:
        pid = int(installed.value("select pid from pg_stat_activity where backend_type = 'walsender' "
                                  "and datname = current_database()"))
        before = follower.status()["reconnects"]
        os.kill(pid, signal.SIGSTOP)
        try:
            installed.sql("insert into calls values (1, 7)")
            follower.until(lambda f: f.status()["reconnects"] > before, "giving it up")
        finally:
            os.kill(pid, signal.SIGCONT)
        follower.until_keys("call:1")
        equal(follower.resyncs(), ["*"], "resyncs")
        follower.close()


@test("a host that stood still for longer than that asks before it gives the server up")
def _(installed):
    attached(installed)

    def stands_still(silence_ms):
        with following(installed, **{"connect.silence_ms": silence_ms}) as follower:
            before = follower.status()["reconnects"]
            for _ in range(8):
                time.sleep(1.2 * silence_ms / 1000)
                follower.turn()
            installed.sql("insert into calls (id) select coalesce(max(id), 0) + 1 from calls")
            told = "call:" + installed.value("select max(id) from calls")
            follower.until(lambda f: told in f.keys() or f.resyncs().count("*") > 1, "the change")
            equal((follower.status()["reconnects"], follower.resyncs()), (before, ["*"]), "reconnects, resyncs")
            follower.close()

    attempts((500, 1000, 2000), stands_still)


@test("the SQL of a dry run attaches; uninstalling takes slots and publication along")
def _(installed):
    drop_slots(installed)
    installed.sql(TABLE)
    args = ["calls", "--key", "id", "--rule", "call:{id}", "--granularity", "wal"]
    text = installed.attach(*args, "--dry-run").out
    contains(text, "ALTER PUBLICATION trigperf ADD TABLE ONLY public.calls (\"id\")")
    equal(installed.value("select count(*) from trigperf.captured_table"), "0", "attached")
    installed.sql(f"begin; {text} commit")
    with following(installed, "web") as follower:
        installed.sql("insert into calls values (1, 7)")
        follower.until_keys("call:1")
        contains(installed.trigperf("uninstall", ok=1).err, "active")
        installed.sql("insert into calls values (2, 7)")
        follower.until_keys("call:2")
        follower.close()
    eventually(lambda: installed.value("select count(*) from pg_replication_slots where active") == "0",
               "the slot to be let go")
    installed.trigperf("uninstall")
    equal((slots(installed), installed.value("select count(*) from pg_publication")), (0, "0"), "left")


@test("waiting for one's own transaction")
def _(installed):
    attached(installed)
    with following(installed, **{"batch.window_ms": 60000}) as follower:
        xid = installed.sql("begin; insert into calls values (5, 5); "
                            "select pg_current_xact_id(); commit").split()[-1]
        for position in (xid.encode(), None):
            status = -7
            while status == -7:
                status = LIB.trigperf_wait_position(follower.context, position, 120000, None)
                follower.take()
            equal(status, 0, "status")
            check("call:5" in follower.keys(), f"keys {follower.keys()}")


@test("a slow host: reading stops, memory is bounded, nothing is lost")
def _(installed):
    attached(installed)
    with following(installed, "web", **{"memory.max_bytes": 262144, "batch.max_pending": 2,
                                        "batch.window_ms": 0}) as follower:
        for i in range(40):
            installed.sql(f"insert into calls select {i} * 500 + g, {i} from generate_series(1, 500) g")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            LIB.trigperf_process(follower.context, None)
        bytes_held = follower.status()["counters"]["bytes"] + follower.status()["waiting_bytes"]
        check(bytes_held < 3 * 262144, f"{bytes_held} bytes are held")
        follower.until(lambda f: len([k for k in f.keys() if k.startswith("call:")]) == 20000, "all")
        equal(follower.resyncs(), ["*"], "resyncs")
        follower.close()


@test("a crash of the server is another incarnation: everything is resynced, nothing lost")
def _(cluster):
    database = cluster.installed()
    attached(database)
    with following(database, "web") as follower:
        database.sql("insert into calls values (1, 7)")
        follower.until_keys("call:1")
        cluster.halt("immediate")
        follower.until(lambda f: f.state() == 3, "noticing")
        cluster.resume()
        database.sql("insert into calls values (2, 7)")
        follower.until(lambda f: f.resyncs() == ["*", "*"], "the resync")
        database.sql("insert into calls values (3, 7)")
        follower.until_keys("call:3")
        halt = threading.Thread(target=cluster.halt, args=("fast",))
        halt.start()    # the server waits for readers of its log: ours must let go by itself
        follower.until(lambda f: not halt.is_alive(), "the end of the server")
        equal(follower.state(), 3, "state")
        cluster.resume()
        database.sql("insert into calls values (4, 7)")
        follower.until_keys("call:4")
        equal(follower.resyncs(), ["*", "*"], "a clean restart needs no resync")
        follower.close()


@test("prepared transactions are told when they are committed")
def _(installed):
    attached(installed)
    with following(installed) as follower:
        installed.sql("begin; insert into calls values (1, 7); prepare transaction 'p'")
        installed.sql("insert into calls values (2, 7)")
        follower.until_keys("call:2")
        check("call:1" not in follower.keys(), "told before its commit")
        installed.sql("commit prepared 'p'")
        follower.until_keys("call:1")


@test("a transaction of another database keeps a slot from being made: the log says what is waited for")
def _(cluster, installed):
    attached(installed)
    elsewhere = cluster.database()
    elsewhere.sql("create table t (i int); begin; insert into t values (1); prepare transaction 'far'")
    with Wal(installed) as follower:
        follower.until(lambda f: any("pg_prepared_xacts" in line for _, line in f.log_lines), "a word about it")
        check(follower.state() != READY, "ready before there is a slot")
        elsewhere.sql("rollback prepared 'far'")
        follower.ready()
        equal(len([line for _, line in follower.log_lines if "pg_prepared_xacts" in line]), 1, "lines about it")


@test("a slot that was made while the host stood still was not waited for")
def _(installed):
    attached(installed)
    with Wal(installed) as follower:
        eventually(lambda: follower.turn(0) and slots(installed), "the slot", pause=0)
        eventually(lambda: installed.value("select count(confirmed_flush_lsn) from pg_replication_slots where database = "
                                           "current_database()") == "1", "its end")
        time.sleep(2.5)
        follower.ready()
        equal([text for _, text in follower.log_lines if "waits until" in text], [], "warnings")
        follower.close()


@test("wal_level = replica is refused with a sentence; so is a role that may not replicate")
def _(installed):
    attached(installed)
    installed.sql("create role plain login; select 1")
    installed.trigperf("grants", "--consumer", "plain", "--apply")
    with Wal(installed.as_user("plain")) as follower:
        follower.until(lambda f: f.error is not None, "the refusal")
        equal(follower.state(), FAILED, "state")
        contains(follower.error.hint, "REPLICATION")
    installed.sql("alter role plain replication")
    with following(installed.as_user("plain"), "plain") as follower:
        installed.sql("insert into calls values (1, 7)")
        follower.until_keys("call:1")
        follower.close()
    with Cluster(options=["-c wal_level=replica"]) as other:
        database = other.installed()
        with Wal(database) as follower:
            follower.until(lambda f: f.error is not None, "the refusal")
            contains(follower.error.message, "wal_level")
            contains(follower.error.hint, "ALTER SYSTEM SET wal_level = logical")


def commits_wait(database, session):
    """Returns when commits wait for a standby, that of the session into the table `tried` included: the checkpointer
    sees to it, and may see the setting later than others do."""
    tried = 0

    def waits():
        nonlocal tried
        if int(database.value("select count(*) from tried")) == tried:
            if tried:
                session.finish()
            session.start("insert into tried values (1)")
            tried += 1
        return database.value("select count(*) from pg_stat_activity where wait_event = 'SyncRep' and "
                              "query like 'insert into tried%'") == "1"
    eventually(waits, "a commit that waits")


@test("synchronous standby paused: no batch before its change is visible")
def _(cluster):
    database = cluster.installed()
    attached(database)
    database.sql("create table tried (i int)")
    with following(database, "web") as follower:
        database.sql("alter system set synchronous_standby_names = 'absent'; select pg_reload_conf()")
        with database.session() as first, database.session() as writer:
            commits_wait(database, first)
            writer.start("insert into calls values (1, 7)")
            eventually(lambda: database.value("select count(*) from pg_stat_activity where wait_event"
                                              " = 'SyncRep' and query like 'insert into calls%'") == "1", "the writer to wait")
            slot = follower.status()["slot"]
            eventually(lambda: follower.turn(10).status()["waiting_bytes"] > 0, "the commit in the log")
            for _ in range(30):
                follower.turn(10)
            equal(database.value("select count(*) from calls"), "0", "visible rows")
            check("call:1" not in follower.keys(), "told before it is visible")
            database.sql("alter system reset synchronous_standby_names; select pg_reload_conf()")
            writer.finish()
            follower.until_keys("call:1")
            check(slot, "slot")
        follower.close()


if __name__ == "__main__":
    harness.main()
