#!/usr/bin/python3
# suite: versions
"""KPIs: tables that triggers keep right, statement by statement or with a trailing refresh."""

import concurrent.futures
import json
import random
import re
import signal
import subprocess

import harness
from harness import catches, check, contains, equal, eventually, test

CALLS = """create table calls(id bigint primary key, user_id int, status text, seconds int, cost numeric,
                              note text, extra json); create index on calls (user_id)"""
VALUES = ["--value", "calls=count(*)", "--value", "answered=count(*) FILTER (WHERE status = 'answered')",
          "--value", "known=count(seconds)", "--value", "seconds=sum(seconds)", "--value", "cost=sum(cost)"]
EXTREMES = ["--value", "longest=max(seconds)", "--value", "cheapest=min(cost)"]
WHERE = ["--where", "status <> 'test' or status is null"]
RECOMPUTED = """select user_id, count(*), count(*) filter (where status = 'answered'), count(seconds),
    coalesce(sum(seconds), 0), coalesce(sum(cost) filter (where cost <> 'NaN'), 0), max(seconds), min(cost)
    from calls where status <> 'test' or status is null group by 1"""
STORED = "select user_id, calls, answered, known, seconds, cost, longest, cheapest from kpi"


def prepared(db, *more, values=None):
    db.sql(CALLS)
    db.sql("insert into calls select n, n % 5, 'answered', n, n / 3.0 from generate_series(1, 20) n")
    db.trigperf("kpi", "add", "kpi", "--from", "calls", "--by", "user_id", *(values or VALUES + EXTREMES),
                *WHERE, *more)


def wrong(db, stored=STORED, recomputed=RECOMPUTED):
    """Rows that differ from a recomputation that is written here, not by the library."""
    return db.rows(f"select * from (({stored} except all {recomputed}) union all "
                   f"({recomputed} except all {stored})) d order by 1")


def right(db, what=""):
    equal(wrong(db), [], f"rows that differ {what}")


def refresh(db, *args):
    return {line["target"]: line for line in
            db.trigperf("kpi", "refresh", *args, "--format", "json").lines()}


STATEMENTS = [
    "insert into calls values (100, 1, 'answered', 500, 0.01), (101, null, 'missed', null, null)",
    "insert into calls select n, nullif(n % 7, 0), 'missed', n, n from generate_series(200, 300) n",
    "update calls set seconds = seconds + 1 where user_id = 2",
    "update calls set status = 'answered'",
    "update calls set user_id = 3 where user_id = 4",
    "update calls set user_id = null where user_id = 3",
    "update calls set user_id = 8 where user_id is null",
    "update calls set id = id",
    "update calls set note = 'x', extra = '{}'",
    "update calls set seconds = null, cost = null where id < 10",
    "update calls set status = 'test' where id % 3 = 0",
    "update calls set status = null where id % 6 = 0",
    "delete from calls where seconds = (select max(seconds) from calls)",
    "delete from calls where user_id = 8 and cost <= 220",
    "update calls set cost = 'NaN' where id = 11",
    "update calls set cost = 1.50 where id = 11",
    "insert into calls values (11, 1, 'answered', 7, 7) on conflict (id) do update set cost = calls.cost + 1",
    """insert into calls values (12, 5, 'answered', 7, 7), (900, 6, 'x', 9, -1)
       on conflict (id) do update set user_id = excluded.user_id, cost = -5""",
    """merge into calls c using (select n, n % 4 as u from generate_series(890, 910) n) s on c.id = s.n
       when matched and c.id = 900 then delete when matched then update set user_id = 1
       when not matched then insert values (s.n, s.u, 'answered', s.n, s.n)""",
    """with gone as (delete from calls where id between 890 and 895 returning *),
            moved as (update calls set user_id = 1 where id = 896 returning *)
       insert into calls select id + 1000, 2, status, seconds, cost from gone""",
    "begin; insert into calls values (5000, 9, 'answered', 1, 1); rollback",
    """begin; insert into calls values (5000, 9, 'answered', 1, 1); savepoint a;
       update calls set user_id = 10 where id = 5000; rollback to a; commit""",
    "copy calls (id, user_id, status, seconds, cost) from stdin;\n6000\t1\tanswered\t3\t4\n6001\t\\N\t\\N\t\\N\t\\N\n\\.\n",
    "delete from calls where user_id = 1",
    "insert into calls values (7000, 1, 'test', 3, 3)",
    "delete from calls",
    "insert into calls values (1, 1, 'answered', 1, 1)",
    "truncate calls",
    "begin isolation level repeatable read; insert into calls values (2, 2, 'a', 2, 2); truncate calls; commit",
]


def every_statement(db, shape):
    prepared(db, "--granularity", shape)
    right(db, "after filling")
    for statement in STATEMENTS:
        db.sql(statement)
        right(db, f"after {statement}")
    equal(db.trigperf("kpi", "check").out, "public.kpi: 0 rows differ\n", "its own check")


@test("every kind of statement leaves it right, with triggers a statement")
def _(installed):
    every_statement(installed, "statement")


@test("every kind of statement leaves it right, with triggers a row")
def _(installed):
    every_statement(installed, "row")


def storm(seed, me, of, count):
    """Random statements, each on rows of its own (so that they do not wait for each other on the source)
    and on groups that all share."""
    dice = random.Random(seed * 100 + me)
    mine = f"id % {of} = {me}"
    choices = [
        lambda: f"""insert into calls select n * {of} + {me}, nullif(({dice.randrange(99)} + n) % 6, 0),
            (array['answered', 'missed', 'test'])[1 + n % 3], n % 50, n % 40
            from generate_series({dice.randrange(400)}, {dice.randrange(400)} + 5) n on conflict do nothing""",
        lambda: f"delete from calls where {mine} and id % {dice.randrange(3, 9)} = 0",
        lambda: f"update calls set user_id = nullif({dice.randrange(6)}, 0) where {mine} and id % 4 = {dice.randrange(4)}",
        lambda: f"update calls set seconds = {dice.randrange(90)} where {mine} and id % 3 = {dice.randrange(3)}",
        lambda: f"update calls set cost = cost - 1, note = 'n' where {mine} and seconds > {dice.randrange(60)}",
        lambda: f"delete from calls where {mine} and seconds = (select max(seconds) from calls where {mine})",
    ]
    return ";\n".join(dice.choice(choices)() for _ in range(count)) + ";\n"


def run_script(db, sql):
    return harness.run([harness.PSQL, "-X", "-q", "-v", "VERBOSITY=verbose", "-f", "-"], env=db.env(), stdin=sql)


def concurrently(db, scripts):
    with concurrent.futures.ThreadPoolExecutor(len(scripts)) as pool:
        return list(pool.map(lambda sql: run_script(db, sql), scripts))


@test("six writers at once: exact, and none waits in a circle")
def _(installed):
    prepared(installed, "--granularity", "statement")
    for result in concurrently(installed, [storm(1, me, 6, 60) for me in range(6)]):
        equal(result.err, "", "a writer")
    right(installed, "after the storm")


def several(me, of, count):
    """Statements that call the triggers of two or three events, on rows of one's own and groups in any order."""
    dice = random.Random(me)
    some = lambda: (f"select ((n * {dice.randrange(1, 90)} + {dice.randrange(400)}) % 400) * {of} + {me} as id, "
                    f"(n * {dice.randrange(1, 40)} + {dice.randrange(40)}) % 40 as g, n % 60 as s from generate_series(1, 25) n")
    rows = lambda: f"select distinct on (id) id, g, 'answered', s, s from ({some()}) d"
    choices = [
        lambda: f"insert into calls {rows()} on conflict (id) do update set user_id = (calls.user_id * 7 + 3) % 40, "
                "seconds = excluded.seconds",
        lambda: f"merge into calls c using (select distinct on (id) * from ({some()}) d) s on c.id = s.id "
                "when matched and s.s > 45 then delete when matched then update set user_id = s.g, seconds = s.s "
                "when not matched then insert values (s.id, s.g, 'answered', s.s, s.s)",
        lambda: f"with gone as (delete from calls where id in (select id from ({some()}) d) returning *), "
                f"moved as (update calls set user_id = (user_id * 11 + 5) % 40 where id % {of} = {me} and id % 7 = "
                f"{dice.randrange(7)} and id not in (select id from gone) returning 1) "
                "insert into calls select id + 100000000, (user_id * 3) % 40, status, seconds, cost from gone "
                "on conflict (id) do nothing",
        lambda: f"update calls set user_id = (user_id * {dice.randrange(2, 9)} + 1) % 40 where id % {of} = {me} and id % 3 = 0",
    ]
    return ";\n".join(dice.choice(choices)() for _ in range(count)) + ";\n"


@test("thousands of upserts and merges of eight writers, groups in any order: exact, and none waits in a circle")
def _(installed):
    prepared(installed, "--granularity", "statement")
    installed.sql("update calls set id = id + 200000000")
    results = concurrently(installed, [several(me, 8, 280) for me in range(8)])
    equal([result.err for result in results if result.err], [], "writers")
    right(installed, "after the storm")
    equal(installed.value("select count(*) from trigperf.kpi_mark_1"), "0", "what was put aside")


@test("triggers that write to the same table, errors and savepoints between an upsert's triggers")
def _(installed):
    prepared(installed, "--granularity", "statement")
    installed.sql("""create function more() returns trigger language plpgsql as $$ begin
            if new.seconds > 900 then raise 'too long'; end if;
            if new.seconds = 800 then delete from calls where id = new.id; end if;
            if new.seconds = 700 then update calls set user_id = 2, seconds = 5 where id = new.id; end if;
            if new.seconds = 600 then insert into calls values (new.id + 1, 1, 'answered', 1, 1)
                on conflict (id) do update set seconds = 77; end if;
            return null; end $$;
        create trigger more after insert or update on calls for each row execute function more()""")
    upsert = ("insert into calls select n, n % 6, 'answered', {0}, {0} from generate_series(15, 25) n "
              "on conflict (id) do update set seconds = excluded.seconds + {1}, user_id = 3")
    for first, more in ((800, 0), (700, 0), (600, 0), (800, -100), (600, 200), (10, 1)):
        installed.sql(upsert.format(first, more))
        right(installed, f"after {first}, {more}")
    contains(installed.fails("begin; " + upsert.format(901, 0)), "too long", "error")
    installed.sql(f"""begin; insert into calls values (800, 1, 'answered', 3, 3); savepoint a;
        do $$ begin {upsert.format(901, 0)}; exception when others then null; end $$;
        insert into calls values (801, 1, 'answered', 4, 4); rollback to a;
        {upsert.format(20, 30)}; {upsert.format(700, -100)}; commit""")
    right(installed, "after errors")
    equal(installed.value("select count(*) from trigperf.kpi_mark_1"), "0", "what was put aside")


@test("who sets the triggers' own setting by hand gets a KPI that waits for its refresh, and is rebuilt")
def _(installed):
    prepared(installed, "--granularity", "statement")
    installed.sql("set trigperf.kpi_1 = 'd'; insert into calls values (100, 1, 'answered', 500, 1)")
    check(wrong(installed) != [], "it does not wait")
    equal(refresh(installed)["public.kpi"]["rebuilt"], True, "rebuilt")
    right(installed, "after its refresh")
    equal(installed.value("select count(*) from trigperf.kpi_mark_1"), "0", "what was put aside")


@test("writers in transactions of any level: what is committed counts")
def _(installed):
    prepared(installed, "--granularity", "statement")
    levels = ["read committed", "repeatable read", "serializable"]
    scripts = []
    for me in range(6):
        parts = [f"begin isolation level {levels[(me + n) % 3]}; {storm(n, me, 6, 3)} "
                 f"{'rollback' if n % 4 == 0 else 'commit'};\n" for n in range(14)]
        scripts.append("".join(parts))
    for result in concurrently(installed, scripts):
        codes = set(re.findall(r"ERROR:  (\w+)", result.err))
        check(codes <= {"40001", "40P01", "25P02"}, f"errors: {codes}")
    right(installed, "after the storm")


@test("single rows at once, with triggers a row")
def _(installed):
    prepared(installed, "--granularity", "row")
    scripts = []
    for me in range(5):
        dice = random.Random(me)
        scripts.append("".join(
            f"insert into calls values ({n * 5 + me + 100}, {dice.randrange(3)}, 'answered', {dice.randrange(50)}, 1);"
            f"update calls set user_id = {dice.randrange(3)}, seconds = {dice.randrange(50)} where id = {n * 5 + me + 100};"
            f"{'delete from calls where id = ' + str(n * 5 + me + 100) + ';' if dice.randrange(3) else ''}\n"
            for n in range(60)))
    for result in concurrently(installed, scripts):
        equal(result.err, "", "a writer")
    right(installed, "after it")


@test("an extreme that leaves while another writer brings a new one")
def _(installed):
    prepared(installed)
    installed.sql("delete from calls; insert into calls values (1, 1, 'a', 10, 1), (2, 1, 'a', 90, 1)")
    with installed.session() as first, installed.session() as second:
        first.run("begin")
        first.run("insert into calls values (3, 1, 'a', 80, 1)")
        second.start("delete from calls where id = 2")        # waits for the group
        eventually(lambda: installed.value(f"select wait_event_type from pg_stat_activity where pid = {second.pid}") == "Lock",
                   "its waiting")
        first.run("commit")
        second.finish()
    equal(installed.value("select longest from kpi"), "80", "the longest")
    right(installed)


# --- single rows: what is not even called ---------------------------------------------------------

@test("updates of other columns do not call a row trigger, the same values change nothing")
def _(installed):
    prepared(installed, "--granularity", "row")
    sql = installed.value("select string_agg(pg_get_triggerdef(oid), ' ') from pg_trigger where not tgisinternal")
    contains(sql, "UPDATE OF cost, seconds, status, user_id", "the triggers")
    before = installed.rows("select ctid, * from kpi order by 1")
    installed.sql("update calls set note = 'x'; update calls set user_id = user_id, cost = cost")
    equal(installed.rows("select ctid, * from kpi order by 1"), before, "rows of the target")


@test("a trigger that changes rows before they are written is reckoned with, and one made later is told")
def _(installed):
    body = "language plpgsql as $$ begin new.seconds = new.seconds + 1; return new; end $$"
    installed.sql(CALLS + f"; create function bump() returns trigger {body}; "
                  "create trigger bump before update on calls for each row execute function bump();"
                  "insert into calls values (1, 1, 'a', 1, 1)")
    add = ["kpi", "add", "kpi", "--from", "calls", "--by", "user_id", *VALUES, *EXTREMES, *WHERE, "--granularity", "row"]
    installed.trigperf(*add)
    installed.sql("update calls set note = 'x'")
    right(installed)
    installed.trigperf("kpi", "drop", "kpi")
    installed.sql("drop trigger bump on calls")
    installed.trigperf(*add)
    installed.sql("create trigger bump before update on calls for each row execute function bump();"
                  "update calls set note = 'y'")
    equal(json.loads(installed.trigperf("kpi", "--format", "json").out)[0]["state"], "before_trigger", "state")
    contains(installed.trigperf("kpi", "check", ok=1).out, "2 rows differ", "check")
    installed.trigperf("kpi", "refresh", "--rebuild")
    right(installed, "after rebuilding")


# --- trailing -------------------------------------------------------------------------------------

DASHBOARD = ["--value", "payload=jsonb_build_object('calls', count(*), 'seconds', sum(seconds), 'longest', max(seconds))",
             "--value", "calls=count(*)"]
DASH_STORED = "select user_id, payload, calls from kpi"
DASH_RECOMPUTED = """select user_id, jsonb_build_object('calls', count(*), 'seconds', coalesce(sum(seconds), 0), 'longest',
    max(seconds)), count(*) from calls where status <> 'test' or status is null group by 1""".replace(
        "coalesce(sum(seconds), 0)", "sum(seconds)")


def stale(db):
    return len(wrong(db, DASH_STORED, DASH_RECOMPUTED))


@test("a trailing KPI fires once more after the last change, and not within the interval")
def _(installed):
    prepared(installed, "--trailing", "1h", values=DASHBOARD)
    equal(stale(installed), 0, "after filling")
    installed.sql("update kpi set refreshed_at = refreshed_at - interval '2 hours'")
    installed.sql("update calls set seconds = 1000 where user_id = 1; update calls set note = 'x'")
    first = refresh(installed)["public.kpi"]
    equal((first["rows"], first["waiting"], first["error"]), (1, 0, None), "the first refresh")
    for n in range(50):
        installed.sql(f"update calls set seconds = {n} where user_id in (1, 2)") if n < 3 else None
    burst = refresh(installed)["public.kpi"]
    equal((burst["rows"], burst["waiting"]), (1, 1), "user 2 is due, user 1 was refreshed just now")
    check(stale(installed) > 0, "user 1 is stale within its interval")
    contains(installed.trigperf("kpi", "check").out, "0 rows differ", "check leaves marked groups out")
    installed.sql("update kpi set refreshed_at = refreshed_at - interval '2 hours'")
    equal(refresh(installed)["public.kpi"]["rows"], 1, "the trailing refresh")
    equal(stale(installed), 0, "stale rows at the end")
    equal(refresh(installed)["public.kpi"]["rows"], 0, "nothing is left")


@test("every kind of statement marks what it must")
def _(installed):
    prepared(installed, "--trailing", "0ms", values=DASHBOARD)
    for statement in STATEMENTS:
        installed.sql(statement)
        refresh(installed)
        equal(wrong(installed, DASH_STORED, DASH_RECOMPUTED), [], f"after {statement}")


@test("marks outlive a restart and a crash")
def _(cluster):
    db = cluster.installed()
    prepared(db, "--trailing", "0ms", values=DASHBOARD)
    for how in ("fast", "immediate"):
        db.sql("update calls set seconds = seconds + 1")
        cluster.halt(how)
        cluster.resume()
        check(stale(db) > 0, "stale before the refresh")
        equal(refresh(db)["public.kpi"]["rows"], 5, f"refreshed after {how}")
        equal(stale(db), 0, "stale after it")


@test("refreshing while others write, from two processes: nothing is lost")
def _(installed):
    prepared(installed, "--trailing", "5ms", values=DASHBOARD)
    follower = [subprocess.Popen([harness.TOOL, "kpi", "refresh", "--follow", "--every", "10ms", "--format", "json"],
                                 env=installed.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
                for _ in range(2)]
    try:
        for result in concurrently(installed, [storm(2, me, 4, 50) for me in range(4)]):
            equal(result.err, "", "a writer")
        eventually(lambda: stale(installed) == 0, "the trailing refresh")
        eventually(lambda: installed.value("select count(*) from trigperf.kpi_mark_1") == "0", "the end of all marks")
    finally:
        for one in follower:
            eventually(lambda one=one: one.poll() is not None or catches(one), "the handler of signals")
            one.send_signal(signal.SIGTERM)
        ends = [one.communicate(timeout=harness.PATIENCE) for one in follower]
    equal([one.returncode for one in follower], [0, 0], "exit codes")
    equal([err for _, err in ends], ["", ""], "errors")
    check(any('"rows":' in out for out, _ in ends), "they told what they did")
    equal(installed.value("select count(*) from trigperf.kpi_mark_1"), "0", "marks left")


@test("the elected context refreshes, when it is told to")
def _(installed):
    prepared(installed, "--trailing", "0ms", values=DASHBOARD)
    with installed.tail_start("--follow", "--option", "kpi.refresh_ms=20"):
        for number in range(3):
            installed.sql(f"update calls set seconds = {number} where user_id = {number}")
            eventually(lambda: stale(installed) == 0, "the refresh")
    installed.sql("drop table trigperf.kpi_mark_1 cascade")
    with installed.tail_start("--follow", "--option", "kpi.refresh_ms=20") as tail:
        eventually(lambda: "job kpi failed: public.kpi" in tail.errors(), "what failed is told")


@test("a naive rate limit leaves stale payloads after a burst, a dirty mark none")
def _(installed):
    installed.sql("""create table agents(id int primary key, user_id int not null, calls int);
        create table cache(user_id int primary key, total bigint, updated_at timestamptz);
        create function naive() returns trigger language plpgsql as $$ begin
          if not exists (select from cache where user_id = new.user_id and updated_at > now() - interval '1 minute') then
            insert into cache select new.user_id, sum(calls), now() from agents where user_id = new.user_id
            on conflict (user_id) do update set total = excluded.total, updated_at = now();
          end if; return null; end $$;
        create trigger naive after insert or update on agents for each row execute function naive();
        insert into agents select n, n % 50, 0 from generate_series(1, 500) n""")
    installed.trigperf("kpi", "add", "good", "--from", "agents", "--by", "user_id", "--value", "total=sum(calls)",
                       "--trailing", "0ms")
    for _ in range(3):
        installed.sql("update agents set calls = calls + 1")
    truth = "(select user_id, sum(calls) as total from agents group by 1)"
    equal(installed.value(f"select count(*) from cache join {truth} t using (user_id) where cache.total <> t.total"),
          "50", "stale with skip-if-recent")
    refresh(installed)
    equal(installed.value(f"select count(*) from good join {truth} t using (user_id) where good.total <> t.total"),
          "0", "stale with a dirty mark")


# --- failures and rights --------------------------------------------------------------------------

def doubt(db, fails, mends, more):
    db.sql("create table t(id int primary key, g int, x int); insert into t values (1, 1, 1)")
    db.trigperf("kpi", "add", "kpi", "--from", "t", "--by", "g", "--value", "y=sum(100 / x)", *more)
    db.sql(fails)
    equal(db.value("select count(*) from trigperf.trigger_error_log where error_message ~ 'division'"), "1", "told")
    db.sql(mends)
    line = refresh(db)["public.kpi"]
    equal((line["rebuilt"], line["error"]), (True, None), "the refresh")
    equal(db.rows("select g, y from kpi order by 1"), db.rows("select g, sum(100 / x) from t group by 1 order by 1"), "rows")


@test("an expression that fails does not fail the statement; the KPI is rebuilt")
def _(installed):
    doubt(installed, "insert into t values (2, 1, 0), (3, 2, 5)", "update t set x = 4 where id = 2", [])


@test("one that fails at the refresh is told, and others go on")
def _(installed):
    installed.sql("create table t(id int primary key, g int, x int); insert into t values (1, 1, 1)")
    for name, value in (("a", "1 / sum(x)"), ("b", "sum(x)")):
        installed.trigperf("kpi", "add", name, "--from", "t", "--by", "g", "--value", f"y={value}", "--trailing", "0ms")
    installed.sql("insert into t values (2, 2, 0)")
    lines = [json.loads(line) for line in installed.trigperf("kpi", "refresh", "--format", "json", ok=1).out.splitlines()]
    equal([(line["target"], line["error"]) for line in lines],
          [("public.a", "division by zero"), ("public.b", None)], "outcomes")
    installed.sql("update t set x = 5 where id = 2")
    refresh(installed)
    equal(installed.rows("select * from (select g, y from a order by 1) q"), [["1", "1"], ["2", "0"]], "rows")


@test("a target or source that was renamed fails nobody's statement")
def _(installed):
    prepared(installed)
    installed.sql("alter table kpi rename to kpi2; insert into calls values (999, 1, 'a', 1, 1)")
    equal(json.loads(installed.trigperf("kpi", "--format", "json").out)[0]["state"], "dropped", "state")
    installed.sql("alter table kpi2 rename to kpi")
    refresh(installed)
    right(installed, "after the name came back")


@test("writers need no rights; the KPI belongs to the source's owner, who refreshes it")
def _(installed):
    installed.sql(f"""create role own_{installed.name} login; create role wri_{installed.name} login;
        grant create on schema public to own_{installed.name};{CALLS};
        alter table calls owner to own_{installed.name}; grant insert, update on calls to wri_{installed.name}""")
    installed.trigperf("kpi", "add", "kpi", "--from", "calls", "--by", "user_id", *VALUES, *EXTREMES, *WHERE)
    installed.trigperf("kpi", "add", "dash", "--from", "calls", "--by", "user_id", *DASHBOARD, "--trailing", "0ms")
    owner, writer = installed.as_user(f"own_{installed.name}"), installed.as_user(f"wri_{installed.name}")
    writer.sql("insert into calls values (1, 1, 'answered', 5, 5)")
    right(installed)
    contains(writer.fails("select * from kpi"), "permission denied", "the writer reads")
    line = json.loads(installed.trigperf("kpi", "refresh", "dash", "--format", "json", ok=1).out)
    contains(line["error"], "connect as that role", "a superuser")
    equal(owner.value("select sum(refreshed) from trigperf.kpi_refresh()"), "1", "the owner")
    equal(owner.value("select calls from dash"), "1", "and it is right")
    for name in ("kpi", "dash"):
        installed.trigperf("kpi", "drop", name)
    contains(owner.fails("select * from trigperf.kpi"), "permission denied", "rights left")


# --- making and taking back -----------------------------------------------------------------------

def dump(db):
    text = harness.pg_dump(db, "--no-comments")
    left_out = ("--", "SELECT pg_catalog.setval", "\\restrict", "\\unrestrict")
    return [line for line in text.split("\n") if line and not line.startswith(left_out)]


def same(db, before, what):
    after = dump(db)
    equal([line for line in after if line not in before] + [line for line in before if line not in after], [],
          f"lines of the dump that differ {what}")


@test("drop leaves nothing, the dry run of add does the same as add")
def _(installed):
    installed.sql(CALLS + "; insert into calls values (1, 1, 'answered', 5, 5)")
    before = dump(installed)
    add = ["kpi", "add", "kpi", "--from", "calls", "--by", "user_id", *VALUES, *EXTREMES, *WHERE]
    sql = installed.trigperf(*add, "--dry-run").out
    same(installed, before, "after a dry run")
    installed.sql("begin;" + sql + "commit; insert into calls values (2, 1, 'answered', 5, 5)")
    right(installed, "as another tool made it")
    installed.sql("delete from calls where id = 2")
    undo = installed.trigperf("kpi", "drop", "kpi", "--dry-run").out
    installed.sql("begin;" + undo + "commit")
    same(installed, before, "after the dry run of drop in another tool")
    installed.trigperf(*add)
    installed.trigperf("kpi", "drop", "public.kpi", "--keep")
    equal(installed.value("select count(*) from kpi"), "1", "rows of the table that was kept")
    installed.sql("drop table kpi")
    same(installed, before, "after drop")


@test("uninstalling takes KPIs along")
def _(db):
    db.sql(CALLS)
    before = dump(db)
    db.trigperf("install")
    for name in ("kpi", "other"):
        db.trigperf("kpi", "add", name, "--from", "calls", "--by", "user_id", *VALUES)
    db.trigperf("uninstall")
    same(db, before, "the database")


@test("a partitioned table, also where partitions are written to directly")
def _(installed):
    installed.sql("""create table calls(id bigint, user_id int, status text, seconds int, cost numeric, note text)
        partition by list (user_id); create table one partition of calls for values in (1);
        create table rest partition of calls default""")
    installed.trigperf("kpi", "add", "kpi", "--from", "calls", "--by", "user_id", *VALUES, *EXTREMES, *WHERE)
    installed.sql("""insert into calls select n, n % 3, 'answered', n, n from generate_series(1, 30) n;
        insert into one values (100, 1, 'answered', 7, 7); update calls set user_id = 2 where id = 1;
        create table five partition of calls for values in (5); insert into five values (101, 5, 'x', 1, 1)""")
    right(installed)
    installed.sql("truncate one")
    equal(refresh(installed)["public.kpi"]["rebuilt"], True, "a truncated partition")
    right(installed, "after the refresh")
    contains(installed.trigperf("kpi", "add", "k2", "--from", "calls", "--by", "user_id", *VALUES, "--granularity",
                                "statement", ok=1).err, "is partitioned", "statement triggers")


@test("groups by expression, several of them, odd names")
def _(installed):
    installed.sql("""create schema "My Schema"; create table "My Schema"."Calls"("Id" int primary key, "User" text,
        at timestamptz not null, "a ""b" int)""")
    installed.trigperf("kpi", "add", '"My Schema"."by day"', "--from", '"My Schema"."Calls"', "--by", "User",
                       "--by", "day=(at at time zone 'UTC')::date -- the day", "--value", 'n=count(*)',
                       "--value", '"it\'s"=max("a ""b")')
    installed.sql("""insert into "My Schema"."Calls" select n, 'u' || n % 3, '2026-01-01'::timestamptz + n * interval '5 h', n
        from generate_series(1, 50) n; update "My Schema"."Calls" set "User" = null where "Id" % 5 = 0;
        delete from "My Schema"."Calls" where "Id" > 40""")
    contains(installed.trigperf("kpi", "check").out, ": 0 rows differ", "check")
    equal(installed.value('select sum(n) from "My Schema"."by day"'), "40", "rows")
    equal(installed.value('select count(*) from "My Schema"."by day" where "User" is null and "it\'s" > 0') != "0", True,
          "groups with NULL")


@test("what cannot be kept right is refused with a sentence")
def _(installed):
    installed.sql(CALLS + """; create view v as select * from calls; create table parent(id int);
        create table child() inherits (parent); create table taken(id int); create table f(id int, x float8, tp_x int)""")
    base = ["kpi", "add", "kpi", "--from", "calls", "--by", "user_id"]
    for args, message in (
            ([*base, "--value", "a=avg(seconds)"], "cannot keep"),
            ([*base, "--value", "a=count(DISTINCT seconds)"], "cannot keep"),
            ([*base, "--value", "a=sum(now() - now())"], "not valid"),
            ([*base, "--value", "a=sum(seconds) FILTER (WHERE random() < 1)"], "IMMUTABLE"),
            ([*base, "--value", "a=sum(missing)"], "does not exist"),
            ([*base, "--value", "a=sum(seconds) + 1"], "cannot keep"),
            ([*base, "--value", "a=max(1) , count(*)", "--trailing", "1s"], "not valid"),
            ([*base, "--where", "seconds", "--value", "a=count(*)"], "boolean"),
            ([*base, "--value", "a=sum(seconds::float8)"], "not exact"),
            ([*base[:-2], "--value", "a=count(*)"], "group by"),
            (base, "expected a value"),
            ([*base[:-1], "nobody", "--value", "a=count(*)"], "none named"),
            (["kpi", "add", "taken", "--from", "calls", "--by", "user_id", "--value", "a=count(*)"], "there is one"),
            (["kpi", "add", "no.kpi", "--from", "calls", "--by", "user_id", "--value", "a=count(*)"], "schema"),
            (["kpi", "add", "kpi", "--from", "v", "--by", "user_id", "--value", "a=count(*)"], "a view"),
            (["kpi", "add", "kpi", "--from", "parent", "--by", "id", "--value", "a=count(*)"], "inherits"),
            (["kpi", "add", "kpi", "--from", "child", "--by", "id", "--value", "a=count(*)"], "inherits"),
            (["kpi", "add", "kpi", "--from", "f", "--by", "id", "--value", "a=count(*)"], "begin with tp_")):
        contains(installed.trigperf(*args, ok=False).err, message, f"{args}")
    equal(installed.value("select count(*) from trigperf.kpi"), "0", "KPIs")
    equal(installed.value("select count(*) from pg_proc where proname like 'kpi\\_%'"), "2", "functions")


@test("wrong usage exits 2, what is not there is named")
def _(installed):
    for args in (["kpi", "ad"], ["kpi", "add"], ["kpi", "add", "x"], ["kpi", "list", "--all"], ["kpi", "list", "x"],
                 ["kpi", "refresh", "--follow", "--all"], ["kpi", "drop"], ["kpi", "check", "--format", "xml"]):
        installed.trigperf(*args, ok=2)
    for verb in ("drop", "refresh", "check"):
        contains(installed.trigperf("kpi", verb, "public.nothing", ok=1).err, "kpi list", verb)
    equal(installed.trigperf("kpi", "--format", "json").out, "[]\n", "the list")


@test("another text of its functions is another generation")
def _(installed):
    installed.sql("create table calls(id int primary key, user_id int, amount numeric)")
    for number, more in enumerate((["--granularity", "row"], ["--granularity", "statement"], ["--trailing", "60s"])):
        installed.trigperf("kpi", "add", f"kpi{number}", "--from", "calls", "--by", "user_id", "--value", "n=count(*)",
                           "--value", "total=sum(amount)", "--value", "most=max(amount)", *more)
    text = installed.value("""select md5(string_agg(p.prosrc || pg_get_triggerdef(g.oid), '' order by g.tgname, c.relname))
        from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_class c on c.oid = g.tgrelid
        where g.tgrelid = 'calls'::regclass""")
    refresh = installed.value("""select md5(string_agg(prosrc, '' order by proname)) from pg_proc
        where pronamespace = 'trigperf'::regnamespace and proname ~ '^kpi_.*[0-9]$'""")
    generator = installed.value("select distinct generator from trigperf.kpi")
    equal([generator, text, refresh], ["1", "af5c3c40be9b72ec9af1fb5e93d10a17", "116cb59072efafd6f3108b6cc98e3f1f"],
          "the text of a KPI's functions became another: raise TP_KPI_GENERATOR, and put all three here")


if __name__ == "__main__":
    harness.main()
