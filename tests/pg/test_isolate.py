#!/usr/bin/python3
# suite: versions
"""Full isolation: a change that cannot be written to the outbox fails nobody, and is not forgotten."""

import subprocess

import harness
from follower import Follower
from harness import check, contains, equal, raises, test

WRITES = ("insert into calls values (2, 2)", "update calls set user_id = user_id + 1",
          "delete from calls where id = 2", "truncate calls", "insert into calls values (1, 1)")


def parts(database):
    """Where outbox rows are stored."""
    return [row[0] for row in database.rows(
        "select inhrelid::regclass from pg_inherits where inhparent = 'trigperf.outbox'::regclass")]


def constraint(database):
    database.sql("alter table trigperf.outbox add constraint broken check (table_id < 0) not valid")
    return "alter table trigperf.outbox drop constraint broken"


def no_space(database):
    database.sql("""create function public.full_disk() returns trigger language plpgsql as $$
        begin raise 'could not extend file: No space left on device' using errcode = 'disk_full';
        end $$""")
    for part in parts(database):
        database.sql(f"create trigger broken before insert on {part} for each row "
                     "execute function public.full_disk()")
    return "drop function public.full_disk() cascade"


def read_only(database):
    """The outbox cannot be opened at all: a column is gone."""
    database.sql("alter table trigperf.outbox rename table_id to table_number")
    return "alter table trigperf.outbox rename table_number to table_id"


BREAKS = (constraint, no_space, read_only)


def tables(database, shape="statement", isolate="full"):
    database.sql("create table calls (id bigint primary key, user_id bigint); insert into calls values "
                 "(1, 1); create table other (id bigint primary key)")
    database.attach("public.calls", "--key", "user_id", "--rule", "user:{user_id}", "--granularity",
                    shape, "--isolate", isolate)
    database.attach("public.other", "--key", "id", "--rule", "other:{id}")


def coarse(database):
    """Resyncs of the isolated table so far, as the outbox has them."""
    return int(database.value("select count(*) from trigperf.outbox o join trigperf.captured_table t "
                              "on t.id = o.table_id where o.op = 'B' and t.isolate = 'full'"))


def looked(database):
    """The leader's look, in a transaction of its own."""
    return database.value("select trigperf.table_check_all()")


def broken_outbox(shape):
    def run(installed):
        tables(installed, shape)
        with Follower(installed, "web") as follower:
            follower.ready().until(lambda f: f.status()["notifier"], "leading")
            follower.until(lambda f: f.resyncs(), "the first resync")
            for breaks in BREAKS:
                mend = breaks(installed)
                follower.batches.clear()
                with installed.session() as writer:
                    for write in WRITES:
                        writer.run(write)
                equal(installed.rows("select * from calls"), [["1", "1"]], "what was written")
                looked(installed)
                equal(follower.turn().resyncs(), [], "resyncs while nothing can be written")
                installed.sql(mend)
                looked(installed)
                follower.until(lambda f: "public.calls" in f.resyncs(), f"the resync, {breaks.__name__}")
                check("public.other" not in follower.resyncs(), "a table that is not isolated")
                installed.sql("insert into calls values (5, 55); delete from calls where id = 5")
                follower.until_keys("user:55")
            follower.close()
        contains(installed.value("select string_agg(error_message, '|') from trigperf.trigger_error_log "
                                 "where operation = 'isolate'"), "could not be written")
    return run


def settled(database):
    """Looks until nothing comes of it any more; the resyncs so far."""
    before = -1
    while before != coarse(database):
        before = coarse(database)
        looked(database)
    return before


for SHAPE in ("statement", "row"):
    test("whatever keeps the outbox from being written: statements succeed, a resync follows "
         f"({SHAPE})")(broken_outbox(SHAPE))

@test("without it the statement fails, and nothing is silently lost")
def _(installed):
    tables(installed, isolate="keys")
    mend = constraint(installed)
    for write in (*WRITES[:2], WRITES[3]):
        contains(installed.fails(write), "broken")
    installed.sql(mend)
    equal(installed.rows("select * from calls"), [["1", "1"]], "what was written")


@test("a change that commits after the resync is resynced again; one rolled back costs a resync alone")
def _(installed):
    tables(installed)
    looked(installed)
    with installed.session() as late, installed.session() as lost, installed.session() as reader:
        for session in (late, lost):
            session.run("begin; set local lock_timeout = '20ms'")
        reader.run("begin; lock table trigperf.outbox in share mode")
        late.run("update calls set user_id = 7")
        lost.run("insert into calls values (9, 9)")
        reader.run("commit")
        before = coarse(installed)
        looked(installed)
        check(coarse(installed) > before, "no resync at once")
        before = settled(installed)
        late.run("commit")
        looked(installed)
        equal(settled(installed), before + 1, "resyncs once the first has ended")
        lost.run("rollback")
        looked(installed)
        equal(settled(installed), before + 2, "resyncs once the other has ended")
    equal(installed.rows("select user_id from calls"), [["7"]], "what was written")


@test("a prepared transaction, and a crash between the change and the look")
def _(cluster):
    installed = cluster.installed()
    tables(installed)
    looked(installed)
    mend = constraint(installed)
    with installed.session() as writer:
        writer.run("begin; update calls set user_id = 8; prepare transaction 'held'")
    cluster.halt("immediate")
    cluster.resume()
    before = coarse(installed)
    installed.value("select trigperf.table_check_all()")
    equal(coarse(installed), before, "resyncs while nothing can be written")
    installed.sql(mend)
    looked(installed)
    check(coarse(installed) > before, "no resync after a crash")
    before = settled(installed)
    installed.sql("commit prepared 'held'")
    equal(settled(installed), before + 1, "resyncs once it is committed")


@test("an owner who lost its rights: statements succeed, and a warning says why")
def _(installed):
    installed.sql("create role tenant login; create schema t authorization tenant")
    tenant = installed.as_user("tenant")
    tenant.sql("create table t.calls (id bigint primary key)")
    installed.attach("t.calls", "--key", "id", "--isolate", "full")
    with Follower(installed, "web") as follower:
        follower.ready().until(lambda f: f.status()["notifier"], "leading")
        for taken in ("insert on all tables in schema trigperf", "usage on schema trigperf"):
            settled(installed)
            follower.turn().turn()
            follower.batches.clear()
            installed.sql(f"revoke {taken} from tenant")
            with tenant.session() as writer:
                writer.run("insert into t.calls select coalesce(max(id), 0) + 1 from t.calls")
            looked(installed)
            follower.until(lambda f: "t.calls" in f.resyncs(), f"the resync without {taken}")
            follower.batches.clear()
            installed.sql(f"grant {taken} to tenant")
        follower.close()
    equal(installed.value("select count(*) from t.calls"), "2", "rows")


@test("the price: a transaction id for every statement")
def _(installed):
    tables(installed)
    used = {}
    for isolate in ("full", "keys"):
        installed.trigperf("detach", "public.calls")
        installed.attach("public.calls", "--key", "user_id", "--isolate", isolate)
        first = int(installed.value("select pg_current_xact_id()"))
        installed.sql("begin; " + "update calls set user_id = user_id + 1; " * 100 + "commit")
        used[isolate] = int(installed.value("select pg_current_xact_id()")) - first - 1
    equal(used, {"full": 101, "keys": 1}, "transaction ids of 100 statements in one transaction")


@test("it is shown, kept and changed: status, attachments, apply; detaching takes its right back")
def _(installed):
    installed.sql("create role owner_of_calls; create table calls (id bigint primary key); "
                  "alter table calls owner to owner_of_calls")
    raises(harness.Failure, installed.attach, "public.calls", "--key", "id", "--isolate", "some")
    installed.attach("public.calls", "--key", "id", "--isolate", "FULL", "--max-keys", "7")
    shown = installed.trigperf("status", "--format", "json").lines()[0]["tables"][0]
    equal((shown["isolate"], shown["max_keys"], shown["replicated"]), ("full", 7, False), "status")
    right = "select has_sequence_privilege('owner_of_calls', 'trigperf.uncaptured', 'usage')"
    equal(installed.value(right), "t", "the right to count")
    installed.trigperf("detach", "public.calls")
    equal(installed.value(right), "f", "the right to count, afterwards")
    equal(installed.value("select has_schema_privilege('owner_of_calls', 'trigperf', 'usage')"), "f", "usage")


@test("somebody else changes the same rights meanwhile: detaching waits, and tries again")
def _(installed):
    installed.sql("create role landlord; create role lodger; create table calls (id bigint primary key); "
                  "alter table calls owner to landlord")
    installed.attach("public.calls", "--key", "id", "--isolate", "full")
    with installed.session() as other:
        other.run("begin; grant usage on schema trigperf to lodger; "
                  "grant usage on sequence trigperf.uncaptured to lodger")
        waiting = subprocess.Popen([harness.TOOL, "detach", "public.calls"], env=installed.env())
        harness.eventually(lambda: waiting.poll() is not None or int(installed.value(
            "select count(*) from pg_locks where not granted and locktype = 'transactionid'")), "a wait")
        other.run("commit")
        equal(waiting.wait(harness.PATIENCE), 0, "exit code")
    equal(installed.value("select count(*) from trigperf.captured_table"), "0", "tables")


if __name__ == "__main__":
    harness.main(options=["-c autovacuum=off"])  # which takes transaction ids, and these count them
