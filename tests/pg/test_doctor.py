#!/usr/bin/python3
# suite: versions
"""The doctor: each thing that may keep changes from arriving is found, with a fix that mends it."""

import json
import os
import re

import harness
from follower import Follower
from harness import Cluster, Database, check, contains, equal, eventually, test
from pooling import pooler


def attached(database, *more):
    database.sql("create table calls (id bigint primary key, user_id bigint, note text)")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", *more)


def report(database, code=None, **more):
    result = database.trigperf("doctor", "--format", "json", ok=code, **more)
    check(result.code in (0, 1, 2, 3), f"exit code {result!r}")
    told = json.loads(result.out)
    equal(result.code, {"ok": 0, "info": 0, "warn": 1, "critical": 2, "unknown": 3}[told["worst"]], "exit code")
    for finding in told["findings"]:
        check(finding["found"], f"no words: {finding}")
        check(finding["severity"] == "ok" or finding["why"], f"no reason: {finding}")
    return told


def found(database, name):
    """Findings of one check, without those that say that all is well."""
    return [one for one in report(database)["findings"] if one["check"] == name and one["severity"] != "ok"]


def one(database, name):
    several = found(database, name)
    equal(len(several), 1, f"findings of {name}: {several}")
    return several[0]


def mended(database, name, fix=None):
    """Runs the fix of the one finding; afterwards there is none."""
    finding = one(database, name)
    database.sql(fix or finding["fix"])
    equal(found(database, name), [], f"findings of {name} after its fix")
    return finding


@test("a database in order: every check says so, exit code 0, text and JSON")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as web:
        web.ready()
        told = report(installed, code=0)
        equal(told["worst"], "ok", [one for one in told["findings"] if one["severity"] != "ok"])
        equal(told["counts"]["ok"], len(told["findings"]), "counts")
        names = [one["check"] for one in told["findings"]]
        equal(len(names), len(set(names)), "one finding for each check")
        text = installed.trigperf("doctor", ok=0).out
        for name in names:
            contains(text, f" {name}: ", "text")
        quiet = installed.trigperf("doctor", "--quiet", ok=0).out
        equal(len(quiet.strip().split("\n")), 1, quiet)
        web.close()


@test("without the schema, and for whoever may not see it")
def _(db, installed):
    told = report(db, code=2)
    equal([(one["check"], one["severity"]) for one in told["findings"] if one["severity"] == "critical"],
          [("schema", "critical")], "findings")
    contains(one(db, "schema")["fix"], "trigperf install", "fix")
    installed.sql(f"create role poor_{installed.name} login")
    poor = installed.as_user(f"poor_{installed.name}")
    told = report(poor, code=3)
    contains(one(poor, "schema")["found"], "permission denied", "finding")
    contains(one(poor, "schema")["fix"], f"trigperf grants --metrics", "fix")
    equal(one(poor, "rights")["severity"], "warn", "rights of a role that has none")


@test("a server that does not answer: exit code 3")
def _(installed):
    result = installed.trigperf("doctor", "-d", "host=/nonexistent", ok=3)
    contains(result.err, "connecting to PostgreSQL", "words")
    installed.trigperf("doctor", "--format", "xml", ok=3)


@test("a schema that is older, or newer")
def _(installed):
    installed.sql("update trigperf.migration set compatible_from = 99 where version = 1")
    contains(one(installed, "schema")["found"], "needs a library", "newer")
    installed.sql("update trigperf.migration set compatible_from = 1 where version = 1")
    installed.sql("insert into trigperf.migration (version, name, checksum, compatible_from, library) "
                  "values (99, 'later', 'x', 1, '9')")
    equal(one(installed, "schema")["severity"], "info", "newer, and it still fits")
    installed.sql("delete from trigperf.migration where version > 1")
    equal(one(installed, "schema")["severity"], "critical", "older")


@test("what the role lacks is named, and the fix gives it")
def _(installed):
    role = f"reader_{installed.name}"
    installed.sql(f"create role {role} login")
    reader = installed.as_user(role)
    for kind in ("consumer", "metrics"):
        installed.trigperf("grants", f"--{kind}", role, "--apply")
    equal(found(reader, "rights"), [], "rights of a consumer")
    installed.sql(f"revoke select (channel) on trigperf.notifier from {role}; "
                  f"revoke execute on function trigperf.member_seen from {role}; "
                  f"revoke insert on trigperf.alert_history from {role}")
    finding = one(reader, "rights")
    equal(finding["severity"], "critical", "severity")
    for what in ("lacks 3 of", "SELECT on table notifier", "EXECUTE on function member_seen",
                 "INSERT on table alert_history"):
        contains(finding["found"], what, "what is lacking")
    contains(finding["fix"], f"trigperf grants --consumer {role} --apply", "fix")
    installed.trigperf(*finding["fix"].split()[1:])
    equal(found(reader, "rights"), [], "rights after the fix")
    attached(installed, "--granularity", "wal")
    contains(one(reader, "wal_rights")["fix"], "REPLICATION", "fix")
    installed.sql(one(reader, "wal_rights")["fix"])
    equal(found(reader, "wal_rights"), [], "after the fix")


@test("tables: disabled triggers, gone ones, rights of the owner; strays")
def _(installed):
    attached(installed)
    installed.sql("alter table calls disable trigger all")
    equal(mended(installed, "tables")["severity"], "critical", "severity")
    installed.sql("create table other (id int)")
    installed.attach("public.other", "--key", "id", "--rule", "o:{id}")
    installed.sql("drop table other")
    equal(one(installed, "tables")["severity"], "warn", "a table that is gone")
    installed.trigperf("detach", "public.other")
    installed.sql("create table copy (like calls); create trigger trigperf_capture_9_row after insert on copy "
                  "for each row execute function trigperf." +
                  installed.value("select function_name from trigperf.captured_table") + "()")
    installed.sql("delete from trigperf.captured_table")
    contains({one["subject"] for one in found(installed, "strays")}, "public.copy", "strays")


@test("functions that another version generated: named, and made anew by apply")
def _(installed, tmp):
    attached(installed)
    installed.sql("create table logged (id int primary key)")
    installed.attach("public.logged", "--key", "id", "--granularity", "wal")
    installed.trigperf("kpi", "add", "public.daily", "--from", "public.calls", "--by", "user_id", "--value", "n=count(*)")
    equal(found(installed, "generated"), [], "of this version")
    body = "select prosrc from pg_proc where oid = 'trigperf.capture_1'::regproc"
    fresh = installed.value(body)
    installed.sql("""create or replace function trigperf.capture_1() returns trigger language plpgsql security definer
                       as 'begin return null; end';
                     update trigperf.captured_table set generator = generator - 1; update trigperf.kpi set generator = 0""")
    told = {finding["subject"]: finding for finding in found(installed, "generated")}
    equal({name: finding["severity"] for name, finding in told.items()}, {"public.calls": "info", "public.daily": "info"}, "subjects")
    contains(told["public.calls"]["found"], "older version", "found")
    contains(told["public.daily"]["fix"], "trigperf kpi drop public.daily", "fix")
    path = os.path.join(tmp, "tables.ini")
    contains(told["public.calls"]["fix"], "trigperf apply - --dry-run --undo", "fix")
    installed.trigperf("apply", "-", "--dry-run", "--undo", path)
    plan = installed.trigperf("apply", path, "--dry-run").out
    contains(plan, "made by another version", "plan")
    contains(plan, "1 of 2 would change", "a table of the log has no function")
    installed.trigperf("apply", path)
    number = installed.value("select id from trigperf.captured_table where table_name = 'calls'")
    equal(installed.value(body.replace("capture_1'", f"capture_{number}'")),
          fresh.replace("VALUES (1,", f"VALUES ({number},").replace("outbox_coarse(1,", f"outbox_coarse({number},")
          .replace("trigperf.capture_1'", f"trigperf.capture_{number}'"), "the function, made anew")
    equal([finding["subject"] for finding in found(installed, "generated")], ["public.daily"], "after apply")
    contains(installed.trigperf("apply", path).out, "nothing would change", "again")
    installed.sql("update trigperf.captured_table set generator = 1000 where granularity <> 'wal'")
    contains([finding for finding in found(installed, "generated") if finding["subject"] == "public.calls"][0]["found"], "newer version", "newer")


@test("a rule that was spoilt")
def _(installed):
    attached(installed)
    installed.sql("update trigperf.cascade_rule set template = 'call:{nothing}'")
    contains(one(installed, "rules")["found"], "nothing", "finding")


@test("a database without an encoding")
def _(cluster, installed):
    equal(found(installed, "encoding"), [], "a database in UTF-8")
    installed.sql("create database ascii template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    equal(one(Database(cluster, "ascii"), "encoding")["severity"], "warn", "severity")


@test("roles and databases that switch triggers off")
def _(installed):
    attached(installed)
    role = f"loader_{installed.name}"
    installed.sql(f"create role {role}; alter role {role} in database {installed.name} "
                  "set session_replication_role = replica")
    finding = mended(installed, "replication_role")
    contains(finding["fix"], f"ALTER ROLE {role} IN DATABASE {installed.name} RESET", "fix")
    installed.sql(f"alter database {installed.name} set session_replication_role = replica")
    contains(mended(installed, "replication_role")["fix"], f"ALTER DATABASE {installed.name} RESET", "fix")


@test("publications that carry our tables")
def _(installed):
    attached(installed)
    equal(found(installed, "publications"), [], "our own publication")
    installed.sql("create table other (id int); create publication everything for all tables")
    mended(installed, "publications")
    installed.sql("drop publication everything; create publication part for tables in schema trigperf, public")
    equal(mended(installed, "publications")["subject"], "part", "of the schema")
    installed.sql("alter publication part add table trigperf.outbox_0, trigperf.setting, other")
    equal(mended(installed, "publications")["subject"], "part", "of tables")
    equal(installed.value("select count(*) from pg_publication_tables where pubname = 'part' and schemaname = 'public'"),
          "2", "what is left in it")


@test("our own publication: gone, altered, filtered by hand")
def _(installed):
    attached(installed, "--granularity", "wal")
    equal(found(installed, "wal_publication"), [], "as it was made")
    with Follower(installed, source="wal") as reader, installed.session() as keeper:
        reader.ready()
        keeper.run("select pg_advisory_lock(7460391845612004)")    # nobody else puts it right meanwhile
        installed.sql("alter publication trigperf set (publish = 'insert')")
        contains(mended(installed, "wal_publication")["found"], "was altered", "finding")
        reader.until(lambda f: f.resyncs().count("*") > 1, "the resync of everything")
        installed.sql("alter publication trigperf set table calls (id) where (id > 100)")
        before = reader.resyncs().count("public.calls")
        equal(mended(installed, "wal_publication")["subject"], "public.calls", "subject")
        reader.until(lambda f: f.resyncs().count("public.calls") > before, "being published again")
        reader.close()
        keeper.run("select pg_advisory_unlock(7460391845612004)")
        installed.sql("create table other (id int)")
        for sql, subject in (("add table other", "public.other"), ("drop table calls", "public.calls"),
                             ("set (publish_via_partition_root)", None)):
            installed.sql("alter publication trigperf " + sql)
            finding = mended(installed, "wal_publication")
            equal((finding["subject"], finding["severity"]), (subject, "critical"), f"the finding of {sql}")
        installed.sql("drop publication trigperf")
        contains(mended(installed, "wal_publication")["found"], "gone", "finding")
        installed.sql("drop publication trigperf; create publication trigperf for all tables")
        contains(mended(installed, "wal_publication")["found"], "FOR ALL TABLES", "finding")


@test("a published table without a replica identity, whose writers the server refuses; one whose columns are gone")
def _(installed):
    attached(installed, "--granularity", "wal")
    installed.sql("insert into calls values (1); alter table calls drop constraint calls_pkey")
    contains(installed.fails("update calls set id = 2"), "does not have a replica identity")
    finding = one(installed, "tables")
    equal(finding["severity"], "critical", "severity")
    contains(finding["found"], "the server refuses its UPDATE")
    equal(one(installed, "wal_publication")["severity"], "critical", "of the publication")
    installed.sql(finding["fix"] + "; update calls set id = 2")
    contains(one(installed, "tables")["found"], "is not in the publication")
    mended(installed, "tables")
    installed.sql("alter table calls replica identity nothing; alter publication trigperf drop table calls")
    finding = one(installed, "tables")
    contains(finding["found"], "it has no replica identity")
    installed.sql(finding["fix"])
    mended(installed, "tables")
    installed.sql("update calls set id = 3; alter table calls rename id to number")
    finding = one(installed, "tables")
    equal(finding["severity"], "warn", "severity")
    contains(finding["fix"], "gone or generated now: id.")


@test("slots without a consumer, and log that slots keep")
def _(installed):
    attached(installed, "--granularity", "wal")
    oid = installed.value("select oid from pg_database where datname = current_database()")
    installed.sql(f"select pg_create_logical_replication_slot('trigperf_{oid}_left', 'pgoutput')")
    mended(installed, "slots")
    with Follower(installed, "web", source="wal") as web:
        web.ready()
        mended(installed, "wal_lag")
        installed.sql("update trigperf.setting set value = '1' where name = 'wal.alert_bytes'")
        contains(one(installed, "wal_lag")["found"], "alert_bytes", "finding")
        web.close()
    installed.trigperf("consumers", "drop", "web")


@test("consumers that are away, expired, overtaken; contexts that gave no sign of life")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as web:
        web.ready()
        web.free()
    installed.sql("update trigperf.member set seen_at = now() - interval '10 min'")
    equal(one(installed, "members")["severity"], "warn", "a context that went without a word")
    equal(one(installed, "consumers")["severity"], "info", "away for a moment")
    installed.sql("update trigperf.consumer set seen_at = now() - interval '2 hours'")
    equal(one(installed, "consumers")["severity"], "warn", "away for hours")
    installed.sql("update trigperf.consumer set seen_at = now() - interval '2 days'")
    contains(one(installed, "consumers")["found"], "retention.max_age_s", "away for days")
    installed.sql("update trigperf.outbox_slot set removed_max = (select pg_snapshot_xmax(position) "
                  "from trigperf.consumer), removed_snapshot = pg_current_snapshot() where slot = 0")
    contains(one(installed, "consumers")["found"], "resyncs everything", "overtaken")
    contains(one(installed, "rotation")["fix"], "outbox_rotate", "nobody is connected")
    installed.trigperf("consumers", "drop", "web")
    equal(found(installed, "consumers"), [], "after it was dropped")


@test("jobs that fail again and again, or run for long")
def _(installed):
    installed.sql("insert into trigperf.job (name, outcome, attempt, error) values ('kpi', 'failed', 2, 'no \x1b room')")
    equal(found(installed, "jobs"), [], "what failed twice")
    installed.sql("update trigperf.job set attempt = 3")
    contains(one(installed, "jobs")["found"], "3 times in a row: no", "what failed three times")
    installed.sql("update trigperf.job set running = true, begun_at = now() - interval '20 min'")
    contains(one(installed, "jobs")["found"], "has run for 12", "what runs for long")


@test("the outbox above its limit, settings that are no numbers, errors of capture")
def _(installed):
    attached(installed)
    installed.sql("update trigperf.setting set value = '1000' where name = 'retention.max_bytes'")
    equal(one(installed, "outbox")["severity"], "critical", "size")
    installed.sql("update trigperf.setting set value = 'much' where name = 'retention.max_bytes'")
    installed.sql(next(f["fix"] for f in found(installed, "settings")))
    equal(found(installed, "settings"), [], "settings after the fix")
    installed.sql("insert into trigperf.trigger_error_log (table_name, operation, error_message) "
                  "values ('public.calls', 'update', 'division by zero')")
    contains(one(installed, "errors")["found"], "division by zero", "errors")


def query(name, interval):
    """A check's query with another time than minutes."""
    with open(os.path.join(harness.ROOT, "lib", "db", "doctor_checks.c"), encoding="utf-8") as file:
        text = re.search(rf"{name}\[\] =(.*?);\n", file.read(), re.S)[1]
    text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
    return re.sub(r"interval '\d+ minutes'", f"interval '{interval}'", text)


@test("transactions that hold the outbox, of whichever database")
def _(cluster, installed):
    attached(installed)
    installed.sql("begin; insert into calls values (1); prepare transaction 'forgotten'")
    equal(found(installed, "open"), [], "prepared a moment ago")
    with installed.session() as other:
        other.run("begin; insert into calls values (2)")
        rows = [row for row in installed.rows(query("open_sql", "0 seconds")) if row[0] == "warn"]
        equal(sorted(row[1] for row in rows), sorted(["forgotten", f"pid {other.pid}"]), "what is open for long")
        other.run("rollback")
    with installed.session() as other:
        other.run("begin; insert into calls values (2)")
        for row in installed.rows(query("open_sql", "0 seconds")):
            installed.sql(row[3])
    equal(installed.rows(query("open_sql", "0 seconds")), [], "after the fixes")
    elsewhere = cluster.database()
    elsewhere.sql("create table t (i int); begin; insert into t values (1); prepare transaction 'far'")
    row = installed.rows(query("open_sql", "0 seconds"))[0]
    contains(row[2], f"in the database {elsewhere.name}, and holds back", "a transaction of another database")
    elsewhere.sql(row[3])
    equal(installed.rows(query("open_sql", "0 seconds")), [], "after its fix")


@test("a pooler: session mode is told, transaction mode is critical and says what to do")
def _(installed):
    for mode, severity, words in (("session", "info", "lets notifications through"),
                                  ("transaction", "critical", "transaction mode")):
        with pooler(installed, mode) as conninfo:
            result = installed.trigperf("doctor", "--format", "json", "-d", str(conninfo), ok=None)
            finding = next(one for one in json.loads(result.out)["findings"] if one["check"] == "pooler")
            equal(finding["severity"], severity, f"{mode} mode: {finding}")
            contains(finding["found"], words, f"{mode} mode")
            check(mode == "session" or "pool_mode = session" in finding["fix"], finding)


@test("server settings: wal_level, slots, synchronous standbys, untimed functions")
def _():
    with Cluster(options=["-c wal_level=replica", "-c max_replication_slots=1", "-c track_functions=none",
                          "-c synchronous_commit=off", "-c synchronous_standby_names=*"]) as cluster:
        db = cluster.installed()
        equal([one(db, name)["severity"] for name in ("wal_level", "wal_room", "track_functions")],
              ["info", "info", "info"], "while no table uses the log")
        equal(found(db, "wal_synchronous"), [], "standbys")
        db.sql("create table calls (id bigint primary key)")
        db.sql("insert into trigperf.wal_consumer (name, claim, slot, needs_resync) values ('web', 1, 'none', false)")
        equal([one(db, name)["severity"] for name in ("wal_level", "wal_synchronous")], ["critical", "warn"],
              "when the log is used")


@test("a standby is named")
def _():
    with Cluster(fast=False) as cluster:
        db = cluster.installed()
        eventually(lambda: True, "nothing")
        cluster.halt()
        folder = cluster.env["TRIGPERF_PG_SOCKET"].rsplit("/", 1)[0]
        harness.run(["touch", f"{folder}/data/standby.signal"], ok=True)
        harness.run(["chown", "--reference", f"{folder}/data", f"{folder}/data/standby.signal"])
        cluster.resume()
        told = report(db, code=2)
        contains(one(db, "primary")["fix"], "target_session_attrs", "fix")
        equal([f["check"] for f in told["findings"] if f["severity"] == "unknown"], [], "what could not be told")
        for refused in (["report"], ["collect"], ["alerts", "--silence", "all", "--for", "1h"]):
            contains(db.trigperf(*refused, ok=1).err, "hint: this server is a standby: connect to the primary", refused[0])
        contains(db.trigperf("check", ok=3).out, "UNKNOWN", "check")


if __name__ == "__main__":
    harness.main()
