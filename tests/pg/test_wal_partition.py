#!/usr/bin/python3
# suite: versions
"""Partitioned tables, and tables that others inherit from, over the source wal: one name for all of them."""

import random

import harness
from follower import LOOK, Follower
from harness import check, contains, equal, eventually, test

# A look that does not wait until three seconds have passed since the last.
AT_ONCE = "update trigperf.wal_member set seen_at = null; " + LOOK
ROOT = """
    create table calls (id bigint, day int, user_id bigint, note text, primary key (id, day)) partition by range (day);
    create table calls_1 partition of calls for values from (10) to (20);
    create table calls_2 partition of calls for values from (20) to (30) partition by list (day);
    create table calls_2a partition of calls_2 for values in (20, 21);
    create table calls_2b partition of calls_2 default;
    create table calls_3 (note text, gone int, user_id bigint, day int not null, id bigint not null);
    alter table calls_3 drop gone;
    alter table calls attach partition calls_3 for values from (30) to (40);
"""
LEAVES = ("calls_1", "calls_2a", "calls_2b", "calls_3")


class Wal(Follower):
    def __init__(self, database, consumer="", **settings):
        super().__init__(database, consumer, source="wal", **settings)

    def after(self, sql, *keys):
        """Runs it, waits for the keys; the resyncs and keys that came since."""
        before = len(self.batches)
        self.database.sql(sql)
        self.until(lambda f: set(keys) <= {key for b in f.batches[before:] for key in b["keys"]}, f"{keys} of {sql}")
        return ([one["table"] for b in self.batches[before:] for one in b["resync"]],
                {key for b in self.batches[before:] for key in b["keys"]})

    def resynced(self, sql, what="public.calls"):
        before = len(self.resyncs())
        self.database.sql(sql)
        return self.until(lambda f: what in f.resyncs()[before:], f"a resync of {what} after {sql}")


def attach(database, *more, keys=("id", "day"), table="public.calls", **kwargs):
    parts = [part for key in keys for part in ("--key", key)]
    rules = [part for key in keys for part in ("--rule", key + ":{" + key + "}")]
    return database.attach(table, *parts, *rules, "--granularity", "wal", *more, **kwargs)


def following(database, consumer="", **settings):
    follower = Wal(database, consumer, **settings).ready().until(lambda f: f.resyncs(), "the first resync")
    follower.database = database
    return follower


def published(database):
    return {name: columns for name, columns in database.rows(
        "select tablename, array_to_string(attnames, ',') from pg_publication_tables where pubname = 'trigperf'")}


def full(database, *tables):
    for table in tables:
        database.sql(f"alter table {table} replica identity full")


def state(database):
    return database.value("select state from trigperf.wal_tables()")


@test("every level, every order of columns, every identity: told under the name of the attached table")
def _(installed):
    installed.sql(ROOT + "alter table calls_2a replica identity full; create unique index other on calls_3 (day, id);"
                  "alter table calls_3 replica identity using index other")
    attach(installed)
    equal(published(installed), {"calls_1": "id,day", "calls_2a": "id,day,user_id,note", "calls_2b": "id,day",
                                 "calls_3": "day,id"}, "what is published")
    equal(state(installed), "ok", "state")
    with following(installed) as follower:
        for day in (10, 20, 22, 30):
            resyncs, keys = follower.after(f"insert into calls values ({day}00, {day}, 7, 'a')", f"id:{day}00")
            equal((resyncs, keys), ([], {f"id:{day}00", f"day:{day}"}), f"the insert of {day}")
            equal(follower.batches[-1]["changes"],
                  [{"table": "public.calls", "ops": ["insert"], "count": 1,
                    "keys": {"id": f"{day}00", "day": str(day)}}], "the change")
            follower.after(f"update calls set note = 'b' where day = {day}", f"id:{day}00")
            equal(follower.batches[-1]["changes"][0]["ops"], ["update"], "the update")
        resyncs, keys = follower.after("update calls set id = 5, day = 31 where day = 10", "id:5")
        equal((resyncs, keys), ([], {"id:1000", "id:5", "day:10", "day:31"}), "a row that moves to another partition")
        follower.after("delete from calls where day = 31", "id:5")
        equal(follower.batches[-1]["changes"][0]["ops"], ["delete"], "the delete")
        equal(follower.resyncs(), ["*"], "resyncs")


@test("TRUNCATE of the whole, of a branch, of one partition: a resync of the attached table")
def _(installed):
    installed.sql(ROOT + "create table other (id int primary key)")
    attach(installed)
    attach(installed, keys=("id",), table="public.other")
    with following(installed) as follower:
        for table in ("calls", "calls_2", "calls_1", "only calls_2b"):
            follower.resynced(f"truncate {table}")
        follower.after("insert into other values (1)", "id:1")
        equal(follower.resyncs(), ["*"] + 4 * ["public.calls"], "resyncs")


@test("a partition made later: what came before it was seen is a resync, then keys")
def _(installed):
    installed.sql(ROOT)
    attach(installed)
    with following(installed) as follower:
        follower.resynced("create table calls_4 partition of calls for values from (40) to (50);"
                          "insert into calls values (1, 40, 1, 'early')")
        eventually(lambda: follower.turn() and "calls_4" in published(installed), "publishing it")
        installed.sql(LOOK)
        follower.after("insert into calls values (9, 10)", "id:9")
        resyncs, keys = follower.after("update calls set note = 'x' where day = 40; insert into calls values (2, 41)",
                                       "id:1", "id:2")
        equal((resyncs, keys), ([], {"id:1", "id:2", "day:40", "day:41"}), "afterwards")
        equal(state(installed), "ok", "state")
        equal(installed.rows("select table_name, error_message, error_context from trigperf.trigger_error_log"), [], "errors logged")


@test("ATTACH and DETACH of filled partitions and branches: a resync; what was detached is told no more")
def _(installed):
    installed.sql(ROOT + """
        create table branch (like calls including all) partition by range (day);
        create table leaf partition of branch for values from (50) to (60);
        insert into branch values (50, 50); insert into calls values (10, 10), (20, 20)""")
    attach(installed)
    with following(installed) as follower:
        follower.resynced("alter table calls attach partition branch for values from (50) to (70);" + LOOK)
        equal(follower.after("update calls set note = 'x' where day = 50", "id:50")[0], [], "resyncs")
        for table in ("calls_2", "branch"):
            follower.resynced(f"alter table calls detach partition {table};" + LOOK)
        equal(set(published(installed)), {"calls_1", "calls_3"}, "what is published")
        _, keys = follower.after("insert into branch values (51, 51); update calls_2 set note = 'y';"
                                 "insert into calls values (11, 11)", "id:11")
        equal(keys, {"id:11", "day:11"}, "keys")
        follower.resynced("alter table calls detach partition calls_1 concurrently;" + LOOK)
        follower.resynced("drop table calls_3;" + LOOK)
        equal(published(installed), {}, "what is published")
        follower.resynced("create table calls_9 partition of calls default;" + LOOK)
        follower.after("insert into calls values (9, 9)", "id:9")
        equal(follower.resyncs().count("*"), 1, "resyncs of everything")


@test("a consumer that was away: changes of partitions that came and went meanwhile, without a resync of everything")
def _(installed):
    installed.sql(ROOT)
    attach(installed)
    with following(installed, "web") as follower:
        follower.close()
    installed.sql("insert into calls values (1, 10), (2, 20), (3, 30)")
    installed.sql("drop table calls_1; alter table calls detach partition calls_2;" + LOOK)
    installed.sql("create table calls_1 partition of calls for values from (10) to (20);" + LOOK)
    installed.sql("insert into calls values (4, 11)")
    with Wal(installed, "web") as follower:
        follower.until_keys("id:1", "id:2", "id:3", "id:4").until(lambda f: f.resyncs(), "the resync")
        equal(set(follower.resyncs()), {"public.calls"}, "resyncs")
        follower.close()


@test("attaching refuses a partition whose identity does not do, with the SQL for all of them, which does")
def _(installed):
    installed.sql(ROOT)

    def refused(*args, **kwargs):
        return attach(installed, *args, ok=1, **kwargs).err

    error = refused(keys=("user_id",))
    contains(error, 'key "user_id" is not part of the table\'s replica identity (public.calls_')
    for table in ("calls",) + LEAVES:
        contains(error, f"ALTER TABLE public.{table} REPLICA IDENTITY FULL")
    contains(refused("--watch", "note"), "the whole old row")
    installed.sql("alter table calls_2b replica identity nothing")
    contains(refused(), "public.calls_2b has no replica identity")
    equal(published(installed), {}, "what is published")
    for statement in error[error.index("ALTER"):error.index(" (old rows")].split("; "):
        installed.sql(statement)
    attach(installed, "--watch", "note", keys=("user_id", "id"))
    equal((set(published(installed)), state(installed)), (set(LEAVES), "ok"), "published, state")
    installed.trigperf("detach", "public.calls")
    equal((published(installed), installed.value("select count(*) from trigperf.wal_member")), ({}, "0"), "left")
    installed.sql("".join(f"create table c{i} partition of calls for values from ({i}) to ({i + 1});"
                          for i in range(100, 110)))
    error = refused("--watch", "note")
    query = error[error.index("SELECT format"):error.index(" (old rows")]
    for row in installed.rows(query):
        installed.sql(row[0])
    attach(installed, "--watch", "note")
    equal(installed.trigperf("attach", "public.calls_1", "--key", "id", "--granularity", "wal", ok=1).code, 1, "code")


@test("foreign, unlogged and separately attached partitions are refused, and reported when they come later")
def _(installed):
    installed.sql("create table t (id int primary key) partition by range (id); create table t_1 partition of t for "
                  "values from (0) to (10); create unlogged table t_2 partition of t for values from (10) to (20)")
    contains(attach(installed, keys=("id",), table="t", ok=1).err, "changes of public.t_2 are not written to the log")
    installed.sql("alter table t detach partition t_2")
    attach(installed, keys=("id",), table="t_1")
    contains(attach(installed, keys=("id",), table="t", ok=1).err, "public.t_1 is attached already")
    installed.trigperf("detach", "t_1")
    attach(installed, keys=("id",), table="t")
    contains(attach(installed, keys=("id",), table="t_1", ok=1).err, "public.t is attached already")
    installed.sql("alter table t attach partition t_2 for values from (10) to (20);" + LOOK)
    equal(installed.rows("select state, fix from trigperf.wal_tables()"),
          [["unlogged", "ALTER TABLE public.t_2 SET LOGGED"]], "state")
    installed.sql("update t set id = id; alter table t_2 set logged;" + LOOK)
    equal((state(installed), set(published(installed))), ("ok", {"t_1", "t_2"}), "state, published")
    installed.sql("create table t_3 (id int primary key)")
    attach(installed, keys=("id",), table="t_3")
    installed.sql("alter table t attach partition t_3 for values from (20) to (30);" + LOOK)
    equal(installed.rows("select state, fix from trigperf.wal_tables() order by id"),
          [["overlap", "trigperf detach public.t_3"], ["ok", None]], "state")
    contains(installed.trigperf("status").out, "overlap")
    with following(installed) as follower:
        follower.after("insert into t values (1), (21)", "id:1", "id:21")
        equal({(c["table"], c["keys"]["id"]) for b in follower.batches for c in b["changes"]},
              {("public.t", "1"), ("public.t_3", "21")}, "changes")
        installed.trigperf("detach", "t_3")
        follower.resynced(LOOK, "public.t")
        equal(state(installed), "ok", "state")
        follower.after("insert into t values (22)", "id:22")


@test("a partition without a usable identity, attached later: its writers never fail, it is reported, and mended")
def _(installed):
    installed.sql(ROOT)
    attach(installed)
    with following(installed) as follower:
        installed.sql("create table late (like calls including all); alter table late replica identity nothing;"
                      "insert into late values (60, 60);"
                      "alter table calls attach partition late for values from (60) to (70)")
        installed.sql("update calls set note = 'at once'")
        follower.resynced(LOOK)
        installed.sql("update calls set note = 'seen'; delete from calls where day = 61")
        equal((state(installed), "late" in published(installed)), ("untold", False), "state, published")
        equal(installed.value("select fix from trigperf.wal_tables()"), "ALTER TABLE public.late REPLICA IDENTITY FULL",
              "fix")
        contains(installed.value("select error_message || error_context from trigperf.trigger_error_log where "
                                 "table_name = 'public.calls' order by id limit 1"), "late")
        contains(installed.trigperf("status").out, "untold")
        for _ in range(2):
            follower.resynced("update calls set note = 'again' where day = 60; " + AT_ONCE)
        installed.sql(AT_ONCE)  # the context may have looked at the same time
        follower.after("insert into calls values (2, 10)", "id:2")
        count = len(follower.resyncs())
        for _ in range(3):
            installed.sql(AT_ONCE)
        follower.after("insert into calls values (1, 10)", "id:1")
        equal(len(follower.resyncs()), count, "looking again is no resync")
        follower.resynced("alter table late replica identity default;" + LOOK)
        equal(state(installed), "ok", "state")
        equal(follower.after("update calls set note = 'told' where day = 60", "id:60")[0], [], "resyncs")


@test("partitions take over REPLICA IDENTITY FULL of the attached table, unless they have one of their own")
def _(installed):
    installed.sql(ROOT)
    full(installed, "calls", *LEAVES)
    attach(installed, "--watch", "note", keys=("user_id",))
    with following(installed) as follower:
        follower.resynced("create table calls_4 partition of calls for values from (40) to (50);"
                          "insert into calls values (1, 40, 7, 'a');"
                          "update calls set user_id = 8 where day = 40;" + LOOK)
        equal((state(installed), installed.value("select relreplident from pg_class where relname = 'calls_4'")),
              ("ok", "f"), "state, identity")
        resyncs, keys = follower.after("update calls set user_id = 9 where day = 40", "user_id:9")
        follower.after("update calls set id = 3 where day = 40; insert into calls values (2, 41, 10, 'b')", "user_id:10")
        equal((resyncs, keys), ([], {"user_id:8", "user_id:9"}), "keys")
        check(follower.batches[-1]["keys"] == ["user_id:10"], "an update of no watched column was told")
        installed.sql("create table calls_5 partition of calls for values from (50) to (60);"
                      "alter table calls_5 replica identity using index calls_5_pkey")
        follower.resynced("insert into calls values (5, 50, 5, 'c');" + LOOK)
        equal((state(installed), "calls_5" in published(installed)), ("identity", True), "state, published")
        follower.after("insert into calls values (6, 50, 6, 'c')", "user_id:6")
        follower.resynced("update calls set user_id = 66 where day = 50")
        installed.sql("create table calls_6 partition of calls for values from (60) to (70);"
                      "alter table calls_6 replica identity nothing")
        follower.resynced(LOOK)
        equal(installed.value("select relreplident from pg_class where relname = 'calls_6'"), "n", "identity")
        installed.sql("update calls set note = 'writers go on'; delete from calls")


@test("a row filter and columns of each partition; a filter that an identity does not hold is left out")
def _(installed):
    installed.sql(ROOT)
    contains(attach(installed, "--where", "user_id > 10", ok=1).err, "row filter")
    installed.sql("create table none (id int primary key) partition by range (id)")
    contains(attach(installed, "--where", "id > 1", table="none", keys=("id",), ok=1).err, "make the first partition")
    full(installed, "calls", *LEAVES)
    attach(installed, "--where", "user_id > 10")
    equal(installed.value("select filter_columns from trigperf.captured_table"), "{user_id}", "columns of the filter")
    with following(installed) as follower:
        _, keys = follower.after("insert into calls values (1, 10, 9), (2, 20, 11), (3, 30, 1), (4, 30, 12)", "id:4")
        equal({key for key in keys if key.startswith("id")}, {"id:2", "id:4"}, "keys")
        follower.resynced("create table calls_4 partition of calls for values from (40) to (50);" + LOOK)
        _, keys = follower.after("insert into calls values (5, 40, 9), (6, 40, 11)", "id:6")
        check("id:5" not in keys, "the filter of a partition made later")
        follower.resynced("alter table calls_3 replica identity using index calls_3_pkey;" + LOOK)
        equal(state(installed), "identity", "state")
        installed.sql(LOOK)
        installed.sql("update calls set note = 'writers go on'")
        follower.resynced("update calls set note = 'described otherwise' where day = 30")
        count = len(follower.resyncs())
        follower.after("insert into calls values (7, 30, 1), (8, 30, 12)", "id:7", "id:8")
        follower.after("insert into calls values (9, 10, 12)", "id:9")
        equal(len(follower.resyncs()), count, "looking again is no resync")


@test("a plain table whose filter is not held any more: told without it, and not in and out again")
def _(installed):
    installed.sql("create table t (id int primary key, user_id int); alter table t replica identity full")
    attach(installed, "--where", "user_id > 10", table="t", keys=("id",))
    with following(installed) as follower:
        follower.resynced("alter table t replica identity default;" + LOOK + "; insert into t values (0, 0)", "public.t")
        equal((state(installed), published(installed)), ("identity", {"t": "id"}), "state, published")
        count = len(follower.resyncs())
        for _ in range(3):
            installed.sql(LOOK + "; update t set user_id = 1")
        follower.after("insert into t values (1, 1)", "id:1")
        equal(len(follower.resyncs()), count, "resyncs")
        follower.resynced("alter table t replica identity full;" + LOOK, "public.t")
        equal(state(installed), "ok", "state")
        follower.resynced("insert into t values (4, 44)", "public.t")    # its table looks different
        _, keys = follower.after("insert into t values (2, 1), (3, 11)", "id:3")
        check("id:2" not in keys, "the filter is there again")


@test("inheriting tables are told under the name of their parent, those that come later as well")
def _(installed):
    installed.sql("create table calls (id bigint primary key, day int, note text);"
                  "create table child (extra int, primary key (id)) inherits (calls);"
                  "create table grandchild (more int, primary key (id)) inherits (child)")
    attach(installed, keys=("id",))
    with following(installed) as follower:
        follower.after("insert into calls values (1); insert into child values (2); insert into grandchild values (3)",
                       "id:1", "id:2", "id:3")
        follower.after("update calls set day = 1", "id:1", "id:2", "id:3")
        equal({c["table"] for b in follower.batches for c in b["changes"]}, {"public.calls"}, "tables")
        follower.resynced("truncate only child")
        follower.resynced("create table later (primary key (id)) inherits (calls);" + LOOK)
        follower.after("insert into later values (4)", "id:4")
        follower.resynced("alter table child no inherit calls;" + LOOK)
        _, keys = follower.after("update child set day = 2; update grandchild set day = 2; update later set day = 2",
                                 "id:4")
        equal(keys, {"id:4"}, "keys")


@test("the SQL of a dry run attaches; apply finds nothing to do, and attaches anew what is not as described")
def _(installed, tmp):
    installed.sql(ROOT)
    text = attach(installed, "--dry-run").out
    contains(text, "LOCK TABLE public.calls IN SHARE ROW EXCLUSIVE MODE")
    contains(text, 'ALTER PUBLICATION trigperf ADD TABLE ONLY public.calls_3 ("day", "id")')
    equal(published(installed), {}, "what is published")
    installed.sql(f"begin; {text} commit")
    equal((set(published(installed)), state(installed)), (set(LEAVES), "ok"), "published, state")
    path = f"{tmp}/wanted"
    with open(path, "w", encoding="utf-8") as file:
        file.write("[table public.calls]\nkeys = id, day\ngranularity = wal\nrule = id:{id}\nrule = day:{day}\n")
    before = installed.value("select max(id) from trigperf.captured_table")
    installed.trigperf("apply", path)
    equal(installed.value("select max(id) from trigperf.captured_table"), before, "attached anew without need")
    installed.sql("alter publication trigperf drop table calls_2b")
    contains(installed.trigperf("status").out, "unpublished")
    installed.trigperf("apply", path)
    equal((set(published(installed)), state(installed)), (set(LEAVES), "ok"), "published, state")
    installed.trigperf("uninstall")
    equal(installed.value("select count(*) from pg_publication"), "0", "left")


@test("a writer that is busy in a partition: looking does not wait for it, and comes back to it")
def _(installed):
    installed.sql(ROOT)
    attach(installed)
    with following(installed) as follower, installed.session() as writer:
        installed.sql("create table calls_4 partition of calls for values from (40) to (50)")
        writer.run("begin; insert into calls values (1, 40)")
        follower.resynced(LOOK)
        check("calls_4" not in published(installed), "published while a transaction is open that it would cut in two")
        equal(installed.value("select count(*) from trigperf.trigger_error_log where sqlstate is not null"), "0", "errors")
        follower.after("insert into calls values (2, 10)", "id:2")
        writer.run("commit")
        follower.resynced(LOOK)
        check("calls_4" in published(installed), "not published")
        follower.after("update calls set note = 'x' where day = 40", "id:1")


def rows_of(database):
    return {tuple(row) for row in database.rows("select id, day, user_id, note from calls")}


@test("at random: each row that is another one afterwards was told, or the table resynced; no statement ever failed")
def _(installed):
    dice = random.Random(7)
    installed.sql(ROOT + "insert into calls select i, 10 + i % 30, i, 'first' from generate_series(1, 60) i")
    attach(installed)
    shapes = ("default", "full", "nothing", "using index p{}_pkey")
    spare, joined = [], []

    def write():
        day = dice.randrange(10, 40 + 10 * len(joined))
        return dice.choice((
            f"update calls set note = note || 'x' where day = {day}",
            f"update calls set day = 10 + (day + 7) % 30 where day = {day} and day < 40",
            f"delete from calls where id % 5 = {dice.randrange(5)} and day = {day}",
            f"insert into calls select nextval('ids'), 10 + i % 30, i, 'new' from generate_series(1, 3) i",
            f"begin; update calls set note = 'lost'; rollback; update calls set user_id = 1 where day = {day}",
            f"truncate {dice.choice(LEAVES)}"))

    def alter(number):
        if joined and dice.random() < 0.4:
            spare.append(joined.pop())
            return f"alter table calls detach partition {spare[-1]}"
        name, shape = f"p{number}", dice.choice(shapes).format(number)
        first = 40 + 10 * len(joined)
        joined.append(name)
        return (f"create table {name} (like calls including all); alter table {name} replica identity {shape};"
                f"insert into {name} select nextval('ids'), {first}, 1, 'late' from generate_series(1, 3);"
                f"alter table calls attach partition {name} for values from ({first}) to ({first + 10})")

    installed.sql("create sequence ids start 1000")
    with following(installed, "web") as follower:
        told = 0
        for step in range(36):
            before, seen = rows_of(installed), len(follower.batches)
            sql = alter(step) if step % 6 == 0 else write()
            installed.sql(f"{sql}; {LOOK if dice.random() < 0.5 else 'select 1'}; {write()}")
            other = {f"id:{row[0]}" for row in before ^ rows_of(installed)}
            installed.sql(LOOK)
            def covered(f):
                fresh = f.batches[seen:]
                return other <= {key for b in fresh for key in b["keys"]} or any(b["resync"] for b in fresh)
            follower.until(covered, f"{other} after {sql}")
            told += not any(b["resync"] for b in follower.batches[seen:])
        check(told > 6, f"nearly everything was a resync: {told} of 36 steps were told by key")
        equal(follower.resyncs().count("*"), 1, "resyncs of everything")
        follower.close()


@test("a look that finds nothing is remembered, one that left something is not, and one serves all contexts")
def _(installed):
    def remembered():
        installed.sql(LOOK)
        return installed.value("select digest is not null and digest = trigperf.wal_digest() from trigperf.wal_look") == "t"

    installed.sql(ROOT)
    attach(installed)
    eventually(remembered, "a look that leaves nothing")
    with installed.session() as session:
        installed.sql("create table calls_4 partition of calls for values from (40) to (50)")
        session.run("begin; insert into calls_4 values (1, 40)")
        installed.sql(LOOK)
        check(not remembered() and "calls_4" not in published(installed), "it is in use")
        session.run("commit")
    eventually(remembered, "the next one")
    check("calls_4" in published(installed), "it is published")
    for change in ("alter publication trigperf drop table calls_4", "alter table calls_1 replica identity full",
                   "alter table calls detach partition calls_3", "alter publication trigperf set (publish = 'insert')",
                   "alter table calls_2 alter note set not null"):
        installed.sql(change)
        check(installed.value("select digest = trigperf.wal_digest() from trigperf.wal_look") == "f", change)
        eventually(remembered, "a look after " + change)
    began = "select began_at from trigperf.wal_look"
    installed.sql("select trigperf.wal_watch()")
    first = installed.value(began)
    installed.sql("update trigperf.wal_look set began_at = clock_timestamp(); select trigperf.wal_watch()")
    second = installed.value(began)
    installed.sql("select trigperf.wal_watch(); update trigperf.wal_look set began_at = began_at - interval '3 seconds'")
    check(first != second, "both looked")
    installed.sql("select trigperf.wal_watch()")
    check(installed.value(began) > second, "three seconds later it looks again")
    installed.sql("update trigperf.wal_look set began_at = clock_timestamp() + interval '1 day'; select trigperf.wal_watch()")
    check(installed.value("select began_at <= clock_timestamp() from trigperf.wal_look") == "t", "a clock that went back")
    installed.sql("drop publication trigperf")
    contains(installed.fails("select trigperf.wal_watch()"), "it was dropped", "what every context is told")


if __name__ == "__main__":
    harness.main()
