#!/usr/bin/python3
# suite: versions
"""Rows that arrive by logical replication, and writes under session_replication_role = replica."""

import harness
from follower import Follower
from harness import contains, equal, eventually, test

CALLS = "create table calls (id bigint primary key, user_id bigint)"
STATE = "select state from trigperf.status_tables()"


def looked(database):
    """What the leader does every few seconds."""
    database.value("select trigperf.table_check_all()")


class Replica:
    """A publisher and a subscriber, two databases of one cluster."""

    def __init__(self, cluster, ddl=CALLS):
        self.cluster = cluster
        self.publisher, self.subscriber = cluster.database(), cluster.installed()
        self.name = f"sub_{self.subscriber.name}"
        for database in (self.publisher, self.subscriber):
            database.sql(ddl)
        self.publisher.sql(f"create publication pub for table calls; select "
                           f"pg_create_logical_replication_slot('{self.name}', 'pgoutput')")

    def attach(self, *more, ok=True):
        return self.subscriber.attach("public.calls", "--key", "id", "--key", "user_id", "--rule",
                                      "call:{id}", "--rule", "user:{user_id}", *more, ok=ok)

    def subscribe(self, more=""):
        self.subscriber.sql(f"""create subscription {self.name} connection '{self.publisher.conninfo()}'
            publication pub with (create_slot = false, slot_name = '{self.name}' {more})""")
        eventually(lambda: self.subscriber.value(
            "select bool_and(srsubstate = 'r') from pg_subscription_rel") == "t", "the first copy")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.subscriber.sql(f"drop subscription if exists {self.name}")


def forwarding(follower):
    """A context that leads, and has had its first resync."""
    follower.ready().until(lambda f: f.resyncs() and f.status()["notifier"], "leading")
    follower.batches.clear()
    return follower


def leaves_traces(replica, follower):
    """Every operation on the publisher becomes a key on the subscriber."""
    replica.publisher.sql("insert into calls values (101, 1), (102, 2)")
    follower.until_keys("call:101", "user:1", "call:102", "user:2")
    follower.batches.clear()
    replica.publisher.sql("update calls set user_id = 9 where id = 101")
    follower.until_keys("call:101", "user:9")
    follower.batches.clear()
    replica.publisher.sql("delete from calls where id = 102")
    follower.until_keys("call:102")
    follower.batches.clear()
    replica.publisher.sql("truncate calls")
    follower.until(lambda f: "public.calls" in f.resyncs(), "the truncation")
    replica.subscriber.sql("insert into calls values (500, 5)")
    follower.until_keys("call:500", "user:5")


@test("a table that a subscription writes to is attached so that replicated rows are captured")
def _(cluster):
    with Replica(cluster) as replica:
        replica.subscribe()
        contains(replica.attach("--granularity", "statement", ok=False).err, "row triggers alone")
        contains(replica.attach().out, "replication")
        equal(replica.subscriber.rows(
            "select granularity, replicated, state from trigperf.status_tables()"),
            [["row", "t", "ok"]], "status")
        with Follower(replica.subscriber, "web") as follower:
            leaves_traces(replica, forwarding(follower))
            equal(replica.subscriber.value("select count(*) from trigperf.trigger_error_log"), "0",
                  "errors")
            follower.close()


@test("a subscription made later is noticed, resynced, reported, and mended by apply; so are triggers "
      "that were enabled the plain way")
def _(cluster, tmp):
    with Replica(cluster) as replica:
        replica.publisher.sql("insert into calls values (1, 1)")
        replica.attach()
        path = f"{tmp}/wanted.ini"
        with open(path, "w", encoding="utf-8") as file:
            file.write("[table public.calls]\nkeys = id, user_id\nrule = call:{id}\n"
                       "rule = user:{user_id}\n")
        with Follower(replica.subscriber, "web") as follower:
            forwarding(follower)
            looked(replica.subscriber)
            replica.subscribe()
            looked(replica.subscriber)
            follower.until(lambda f: "public.calls" in f.resyncs(), "the resync")
            equal(replica.subscriber.value(STATE), "subscribed", "state")
            contains(replica.subscriber.value("select error_message from trigperf.trigger_error_log"),
                     "subscribed")
            contains(replica.subscriber.trigperf("apply", path).out, "replicated rows as well")
            equal(replica.subscriber.value(STATE), "ok", "state")
            leaves_traces(replica, follower)
            replica.subscriber.sql("alter table calls disable trigger user; "
                                   "alter table calls enable trigger user")
            equal(replica.subscriber.value(STATE), "disabled", "state")
            fix = replica.subscriber.value("select fix from trigperf.status_tables()")
            contains(fix, "ENABLE ALWAYS")
            replica.subscriber.sql(fix)
            equal(replica.subscriber.value(STATE), "ok", "state")
            leaves_traces(replica, follower)
            follower.close()


@test("partitions on the subscriber, also one made later")
def _(cluster):
    ddl = CALLS + """ partition by range (id); create table "Low" partition of calls for values from
                 (minvalue) to (200)"""
    with Replica(cluster, ddl) as replica:
        replica.subscribe()
        replica.attach()
        high = "create table high partition of calls for values from (200) to (maxvalue)"
        for database in (replica.publisher, replica.subscriber):
            database.sql(high)
        replica.subscriber.sql(f"alter subscription {replica.name} refresh publication")
        with Follower(replica.subscriber, "web") as follower:
            leaves_traces(replica, forwarding(follower))
            replica.publisher.sql("insert into calls values (300, 3)")
            follower.until_keys("call:300")
            follower.close()


@test("--replicated: writes under session_replication_role = replica; without it they are not seen")
def _(installed):
    installed.sql("create table calls (id bigint primary key); create table heir () inherits (calls); "
                  "create table plain (id bigint primary key)")
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--replicated")
    installed.attach("public.plain", "--key", "id", "--rule", "plain:{id}")
    write = "; ".join(("set session_replication_role = replica", "insert into calls values ({0})",
                       "insert into heir values (1{0})", "insert into plain values ({0})"))
    with Follower(installed, "web") as follower:
        forwarding(follower)
        installed.sql(write.format(1))
        follower.until_keys("call:1", "call:11")
        looked(installed)
        installed.sql("create table later () inherits (calls)")
        looked(installed)
        follower.until(lambda f: "public.calls" in f.resyncs(), "the resync of a new heir")
        installed.sql("set session_replication_role = replica; insert into later values (77); "
                      "truncate later")
        follower.until_keys("call:77")
        installed.sql("insert into plain values (5)")
        follower.until_keys("plain:5")
        equal({key for key in follower.keys() if key.startswith("plain")}, {"plain:5"}, "of the other")
        follower.close()


if __name__ == "__main__":
    harness.main(options=["-c wal_retrieve_retry_interval=100ms"])
