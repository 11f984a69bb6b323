#!/usr/bin/python3
# suite: versions
"""Refilling a cache from a replica that lags: old without waiting for the batch's lsn, never with it."""

import harness
from follower import LIB, Follower, turn_all
from harness import Cluster, Database, check, equal, eventually, test

TELL = """
create function tell() returns trigger language plpgsql as $$
begin
    perform pg_notify('cache_invalidation', json_build_object('table', 'race', 'operation', tg_op, 'id', new.id)::text);
    return null;
end $$;
create trigger tell after update on items for each row execute function tell()"""

CHANGES = 20


class Ruled(Follower):
    """Follows notifications; a batch of this source has no lsn of its own."""

    def configure(self, config):
        LIB.check("trigperf_config_rule", config, b"race", None, None, b"item:{id}", 0)


def prepared(cluster, source):
    """A database whose table is captured for the source, and a host that follows it."""
    database = cluster.installed()
    database.sql("create table items(id int primary key, v int not null);"
                 f"insert into items select i, 0 from generate_series(1, {CHANGES}) i")
    settings = {"source": source, "batch.window_ms": 0, "poll.min_ms": 1, "poll.max_ms": 1}
    if source == "notify":
        database.sql(TELL)
        return database, Ruled(database, **settings, **{"notify.keys": "id"})
    database.attach("public.items", "--key", "id", "--rule", "item:{id}", "--granularity",
                    "wal" if source == "wal" else "statement")
    return database, Follower(database, **settings)


def lsn_of(batch, session):
    """What a replica must have replayed past before the keys of the batch are read there."""
    return batch["lsn"] or session.run("select pg_current_wal_insert_lsn()")


def passed(replica, lsn):
    return replica.run(f"select pg_last_wal_replay_lsn() >= '{lsn}'") == "t"


def value(replica, number):
    return replica.run(f"select v from items where id = {number}")


def changed(session, follower, number):
    """Changes a row; the batch that tells of it."""
    since, key = len(follower.batches), f"item:{number}"
    session.run(f"update items set v = 1 where id = {number}")
    follower.until(lambda f: any(key in batch["keys"] for batch in f.batches[since:]), f"a batch with {key}")
    return next(batch for batch in follower.batches[since:] if key in batch["keys"])


def paused(session, follower, replica):
    """A replica that stands still: the refill is old, and its position says so."""
    replica.run("select pg_wal_replay_pause()")
    eventually(lambda: replica.run("select pg_get_wal_replay_pause_state()") == "paused", "the pause")
    batch = changed(session, follower, 1)
    lsn = lsn_of(batch, session)
    equal(value(replica, 1), "0", "a refill that does not wait")
    check(not passed(replica, lsn), f"a replica that stands still has passed {lsn}")
    replica.run("select pg_wal_replay_resume()")
    eventually(lambda: passed(replica, lsn), f"the replica to pass {lsn}")
    equal(value(replica, 1), "1", "a refill that waited")
    return batch


def lagging(session, follower, replica):
    """A replica that is always a little late: old refills without waiting, and with it."""
    bare, waited = 0, 0
    for number in range(2, CHANGES + 1):
        batch = changed(session, follower, number)
        bare += value(replica, number) == "0"
        lsn = lsn_of(batch, session)
        while not passed(replica, lsn):
            pass
        waited += value(replica, number) == "0"
    return bare, waited


def exists(database):
    return harness.run([harness.PSQL, "-X", "-c", "select 1 from items"], env=database.env()).code == 0


def refilled(cluster, standby, source):
    primary, follower = prepared(cluster, source)
    copy = Database(standby, primary.name)
    eventually(lambda: exists(copy), "the copy of the table")
    with follower, primary.session() as session, copy.session() as replica:
        follower.ready().until(lambda f: f.resyncs(), "the first resync")
        batch = paused(session, follower, replica)
        equal(batch["lsn"] is None, source == "notify", "whether there is no lsn")
        replica.run("alter system set recovery_min_apply_delay = '30ms'; select pg_reload_conf()")
        eventually(lambda: replica.run("show recovery_min_apply_delay") == "30ms", "the delay")
        bare, waited = lagging(session, follower, replica)
        replica.run("alter system reset recovery_min_apply_delay; select pg_reload_conf()")
    print(f"# {source}: {CHANGES - 1} refills, old without waiting {bare}, with it {waited}", flush=True)
    check(bare > 0, "the replica was never late")
    equal(waited, 0, "old refills after waiting")


@test("refills from a replica that lags wait for the position of the batch; each source")
def _(cluster):
    with Cluster(standby_of=cluster) as standby:
        for source in ("outbox", "wal", "notify"):
            refilled(cluster, standby, source)


@test("a context that is told by the notifier knows the position too")
def _(cluster):
    database, elected = prepared(cluster, "outbox")
    with elected, Follower(database, **{"notifier.enabled": "off", "batch.window_ms": 0}) as told:
        turn_all([elected, told], lambda: elected.resyncs() and told.resyncs(), "both to begin")
        database.sql("update items set v = 1 where id = 1")
        turn_all([elected, told], lambda: "item:1" in elected.keys() and "item:1" in told.keys(), "the change")
        for follower in (elected, told):
            batch = next(batch for batch in follower.batches if "item:1" in batch["keys"])
            equal(database.value(f"select '{batch['lsn']}' <= pg_current_wal_insert_lsn()"), "t", "a position")


if __name__ == "__main__":
    harness.main()
