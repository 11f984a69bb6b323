#!/usr/bin/python3
# suite: versions
"""The source notify: JSON of triggers, malformed payloads, reconnects, bounds, poolers."""

import json

import harness
from follower import FAILED, LIB, READY, Follower, turn_all
from harness import check, contains, equal, test
from pooling import pooler

CHANNEL = "cache_invalidation"


class Config(Follower):
    """A follower of source = notify with two rules, unless others are given."""

    RULES = (("calls", "dashboard:{user_id}"), ("calls", "call:{record_id}"))

    def __init__(self, database, *, conninfo=None, rules=RULES, **settings):
        self.rules = rules
        super().__init__(database, conninfo=conninfo, source="notify", **settings)

    def configure(self, config):
        for table, template in self.rules:
            LIB.check("trigperf_config_rule", config, table.encode(), None, None,
                      template.encode(), 0)


def notify(database, payload, channel=CHANNEL):
    text = payload if isinstance(payload, str) else json.dumps(payload)
    database.sql(f"select pg_notify('{channel}', $p${text}$p$)")


def listening(database, **settings):
    follower = Config(database, **settings).ready()
    return follower.until(lambda f: f.resyncs(), "the first resync")


@test("payloads of existing triggers become keys; nothing of ours is installed")
def _(db):
    with listening(db) as follower:
        notify(db, {"table": "calls", "operation": "INSERT", "user_id": "7", "record_id": 42,
                    "agent_id": None, "timestamp": 1234567890, "batch_id": "755"})
        follower.until_keys("dashboard:7", "call:42")
        batch = follower.batches[-1]
        equal(batch["changes"], [{"table": "calls", "ops": ["insert"], "count": 1,
                                  "keys": {"user_id": "7", "record_id": "42", "agent_id": None}}],
              "changes")
        equal(batch["lsn"], None, "lsn")
        equal(follower.resyncs(), ["*"], "resyncs")


@test("other channels and other keys, as configured")
def _(db):
    with listening(db, rules=[("Orders", "order:{id}")],
                   **{"notify.channel": 'a, B"c', "notify.keys": "id"}) as follower:
        notify(db, {"table": "Orders", "operation": "delete", "id": "x"}, 'B"c')
        follower.until_keys("order:x")
        notify(db, {"table": "Orders", "operation": "delete", "id": "y"}, "a")
        follower.until_keys("order:y")
        equal(follower.status()["channels"], ["a", 'B"c'], "channels")


@test("malformed payloads are counted, kept as samples and skipped")
def _(db):
    with listening(db) as follower:
        for i in range(20):
            notify(db, f"nonsense {i}")
        notify(db, {"table": "calls", "operation": "MERGE", "user_id": "7"})
        notify(db, {"table": "calls", "operation": "UPDATE", "user_id": "9" * 7000 + "x" * 500})
        follower.until(lambda f: any(len(key) > 7000 for key in f.keys()), "the long key")
        malformed = follower.status()["malformed"]
        equal(malformed["count"], 21, "count")
        equal(len(malformed["samples"]), 8, "samples kept")
        contains(malformed["samples"][-1]["reason"], "operation")
        equal(malformed["samples"][-2]["payload"], "nonsense 19", "payload")
        equal(malformed["samples"][-2]["channel"], CHANNEL, "channel")
        check(any("not understood" in text for _, text in follower.log_lines), "nothing was logged")
        equal(follower.resyncs(), ["*"], "resyncs")


@test("every reconnect is a resync of everything")
def _(db):
    with listening(db) as follower:
        for turn in range(2, 5):
            db.sql("select pg_terminate_backend(pid) from pg_stat_activity where "
                   "application_name = 'trigperf' and datname = current_database()")
            notify(db, {"table": "calls", "operation": "INSERT", "record_id": "lost"})
            follower.until(lambda f: f.resyncs() == ["*"] * turn, f"resync number {turn}").ready()
            notify(db, {"table": "calls", "operation": "INSERT", "record_id": turn})
            follower.until_keys(f"call:{turn}")


@test("a table-level notification and TRUNCATE are resyncs of their table")
def _(db):
    with listening(db) as follower:
        notify(db, {"table": "calls", "operation": "UPDATE", "resync": True})
        follower.until(lambda f: f.resyncs() == ["*", "calls"], "the table's resync")
        equal(follower.batches[-1]["resync"][0]["prefixes"], ["call:", "dashboard:"], "prefixes")
        notify(db, {"table": "calls", "operation": "TRUNCATE"})
        follower.until(lambda f: f.resyncs() == ["*", "calls", "calls"], "the TRUNCATE")
        notify(db, {"table": "unheard", "operation": "UPDATE", "resync": True})
        follower.until(lambda f: f.resyncs()[3:] == ["unheard"], "a table without rules")


@test("a host that does not pull: memory stays bounded, what comes becomes resyncs")
def _(db):
    with listening(db, **{"memory.max_bytes": 65536, "batch.max_pending": 1,
                          "batch.window_ms": 0}) as follower:
        db.sql("select pg_notify('cache_invalidation', json_build_object('table', 'calls', "
               "'operation', 'UPDATE', 'record_id', i)::text) from generate_series(1, 20000) as i")
        LIB.trigperf_wait(follower.context, 50, None)
        harness.eventually(lambda: LIB.trigperf_process(follower.context, None) == 0 and
                           follower.status()["notifications"] == 20000, "all notifications")
        counters = follower.status()["counters"]
        check(counters["bytes"] < 4 * 65536, f"{counters['bytes']} bytes are held")
        check(counters["changes_collapsed"] > 0, "nothing collapsed")
        follower.until(lambda f: "calls" in f.resyncs() or f.resyncs().count("*") > 1, "a resync")


@test("waiting for one's own transaction")
def _(db):
    with listening(db, **{"batch.window_ms": 60000}) as follower:
        xid = db.sql("begin; select pg_notify('cache_invalidation', '{\"table\":\"calls\","
                     "\"operation\":\"UPDATE\",\"record_id\":\"5\"}'); "
                     "select pg_current_xact_id(); commit").split()[-1]
        status = -7
        while status == -7:
            status = LIB.trigperf_wait_position(follower.context, xid.encode(), 120000, None)
            follower.take()
        equal(status, 0, "status")
        check("call:5" in follower.keys(), f"keys {follower.keys()}")


@test("a named consumer is refused: nothing is kept for anybody")
def _(db):
    error = harness.raises(Exception, Config, db, consumer="web")
    contains(str(error), "consumer")


@test("a pooler in transaction mode is refused, in session mode it works")
def _(db):
    with pooler(db, "transaction") as conninfo:
        with Config(db, conninfo=conninfo) as follower:
            follower.until(lambda f: f.error is not None, "the refusal")
            equal(follower.state(), FAILED, "state")
            contains(follower.error.message, "transaction mode")
            check(not follower.batches, "batches came nevertheless")
    with pooler(db, "session") as conninfo:
        with listening(db, conninfo=conninfo) as follower:
            notify(db, {"table": "calls", "operation": "INSERT", "record_id": 1})
            follower.until_keys("call:1")


# --- the trigger function --------------------------------------------------------------------------

TRIGGER = ("create trigger cache_invalidation_{0} after insert or update or delete on {0} "
           "for each row execute function trigperf.notify_cache_invalidation({1})")


class Listener:
    """What arrives on a channel, as objects: a psql that listens."""

    def __init__(self, database, channel=CHANNEL):
        self.session = database.session()
        self.session.run(f'listen "{channel}"')

    def take(self):
        out = self.session.run("select 1")
        return [json.loads(line.split(" with payload ", 1)[1].rsplit(" received from", 1)[0][1:-1])
                for line in out.split("\n") if "with payload" in line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()


def ids(payloads):
    return sorted((p["user_id"], p["record_id"], p["agent_id"]) for p in payloads)


@test("the function tells each row in the seed's format, both keys of one that moved")
def _(installed):
    installed.sql("create table calls(id int primary key, user_id int, agent_id uuid);"
                  "create table users(id uuid primary key, name text);" +
                  TRIGGER.format("calls", "") + ";" + TRIGGER.format("users", ""))
    agent = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    with Listener(installed) as listener:
        installed.sql(f"insert into calls values (1, 7, '{agent}')")
        payload = listener.take()[0]
        equal(list(payload), ["table", "operation", "user_id", "record_id", "agent_id", "timestamp",
                              "batch_id"], "members")
        equal((payload["table"], payload["operation"]), ("calls", "INSERT"), "what")
        equal(ids([payload]), [("7", "1", agent)], "ids")
        check(int(payload["batch_id"]) > 0 and payload["timestamp"] > 1e9, f"{payload}")
        installed.sql("update calls set user_id = 8; delete from calls")
        payloads = listener.take()
        equal(ids(p for p in payloads if p["operation"] == "UPDATE"),
              [("7", "1", agent), ("8", "1", agent)], "a moved key")
        equal(ids(p for p in payloads if p["operation"] == "DELETE"), [("8", "1", agent)], "delete")
        installed.sql(f"insert into users values ('{agent}', 'Zoe')")
        equal([(p["user_id"], p["record_id"], p["agent_id"]) for p in listener.take()],
              [(agent, agent, None)], "a user")


@test("columns and channel as arguments; a host follows the function")
def _(installed):
    installed.sql("create table deals(number text, owner text);" +
                  TRIGGER.format("deals", "'deals', 'owner', 'number'"))
    with listening(installed, rules=[("deals", "deal:{record_id}"), ("deals", "owner:{user_id}")],
                   **{"notify.channel": "deals"}) as follower:
        installed.sql("insert into deals values ('a\"b', 'Zoë')")
        follower.until_keys('deal:a"b', "owner:Zoë")


@test("statement triggers tell distinct tuples, above 50 the table")
def _(installed):
    installed.sql("""
        create table calls(id int, user_id int);
        create trigger i after insert on calls referencing new table as fresh
            for each statement execute function trigperf.notify_cache_invalidation();
        create trigger u after update on calls referencing old table as before new table as after
            for each statement execute function trigperf.notify_cache_invalidation();
        create trigger t after truncate on calls
            for each statement execute function trigperf.notify_cache_invalidation()""")
    with Listener(installed) as listener:
        installed.sql("insert into calls select i / 2, 7 from generate_series(2, 7) as i")
        equal(ids(listener.take()), [("7", "1", None), ("7", "2", None), ("7", "3", None)], "tuples")
        installed.sql("update calls set user_id = 8 where id = 1")
        equal(ids(listener.take()), [("7", "1", None), ("8", "1", None)], "old and new")
        installed.sql("insert into calls select i, 7 from generate_series(101, 150) as i")
        equal(len(listener.take()), 50, "50 tuples")
        installed.sql("insert into calls select i, 7 from generate_series(201, 251) as i")
        whole = listener.take()
        equal([(p.get("resync"), p["user_id"], p["operation"]) for p in whole],
              [(True, None, "INSERT")], "51 tuples")
        installed.sql("update calls set user_id = 9 where false")
        equal(listener.take(), [], "nothing updated")
        installed.sql("truncate calls")
        equal([(p.get("resync"), p["operation"]) for p in listener.take()], [(True, "TRUNCATE")],
              "truncate")


@test("a payload above 7,999 bytes becomes one about the table; 7,999 still fit")
def _(installed):
    installed.sql("create table notes(id text);" + TRIGGER.format("notes", ""))
    with Listener(installed) as listener:
        installed.sql("insert into notes values ('')")
        room = 7999 - len(installed.value(
            "select json_build_object('table', 'notes', 'operation', 'INSERT', 'user_id', null, "
            "'record_id', '', 'agent_id', null, 'timestamp', 1700000000::bigint, 'batch_id', "
            "(pg_current_xact_id()::text::bigint + 1)::text)::text"))
        listener.take()
        installed.sql(f"insert into notes values (repeat('x', {room}))")
        equal([len(p["record_id"] or "") for p in listener.take()], [room], "fits")
        installed.sql(f"insert into notes values (repeat('x', {room + 1}))")
        equal([(p.get("resync"), p["record_id"]) for p in listener.take()], [(True, None)],
              "too long")


@test("a failure within the function: the statement succeeds, the table is told, the cause is logged")
def _(installed):
    installed.sql("""
        create type sick as enum ('a');
        create function sick_json(sick) returns json language sql as 'select (1 / 0)::text::json';
        create cast (sick as json) with function sick_json(sick);
        create table ill(id int, s sick);""" + TRIGGER.format("ill", ""))
    with Listener(installed) as listener:
        installed.sql("insert into ill values (1, 'a')")
        equal([(p["table"], p.get("resync")) for p in listener.take()], [("ill", True)], "told")
        contains(installed.value("select error_message from trigperf.trigger_error_log"),
                 "division by zero")
        installed.sql("create role writer; grant insert on ill to writer;"
                      "set role writer; insert into ill values (2, 'a')")
        equal([p.get("resync") for p in listener.take()], [True], "told by a writer without rights")
        equal(installed.value("select count(*) from ill"), "2", "rows")


if __name__ == "__main__":
    harness.main()
