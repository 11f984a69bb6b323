#!/usr/bin/python3
# suite: versions
"""trigperf cleanup: what is too old goes in batches, is counted before, and nothing else is touched."""

import concurrent.futures
import json
import os
import signal
import subprocess

import harness
from harness import check, contains, equal, test

OLD = """
insert into trigperf.trigger_performance_metrics (hour, measured, table_name, executions)
    select date_trunc('hour', now()) - make_interval(days => d), 'host', 't' || d, 1 from generate_series(0, 49) d;
insert into trigperf.trigger_execution_log (source, duration_ms, at)
    select 'host', 1, now() - make_interval(days => d % 50, secs => 60) from generate_series(0, 499) d;
insert into trigperf.trigger_error_log (table_name, operation, error_message, occurred_at)
    select 't', 'INSERT', 'm', now() - make_interval(days => d) from generate_series(0, 49) d;
insert into trigperf.host_series_name (name, kind) select 's' || d, 'counter' from generate_series(0, 49) d;
insert into trigperf.host_series (series_id, hour, instance, sequence, count, flushed_at)
    select id, date_trunc('hour', now()) - make_interval(days => id - 1), gen_random_uuid(), 1, 1, now()
    from trigperf.host_series_name;
insert into trigperf.host_process (instance, sequence, seen_at)
    select gen_random_uuid(), 1, now() - make_interval(days => d) from generate_series(0, 49) d;
insert into trigperf.alert_history (rule, level, message, at)
    select 'r', 'ok', 'm', now() - make_interval(days => d) from generate_series(0, 49) d;
insert into trigperf.collect_run (at, next_xid, duration_ms, functions, samples)
    select now() - make_interval(days => d), '1', 1, 1, 1 from generate_series(0, 49) d;
insert into trigperf.job_run (job, begun_at, ended_at, outcome, attempt)
    select 'j', now() - make_interval(days => d), now(), 'done', 1 from generate_series(0, 49) d;
"""
MOMENTS = {"trigger_performance_metrics": "hour", "trigger_execution_log": "at", "trigger_error_log": "occurred_at",
           "host_series": "hour", "host_process": "seen_at", "alert_history": "at", "collect_run": "at",
           "job_run": "begun_at"}


def left(db, days):
    """By table: how many rows are older than so many days (whole ones, where hours are), and how many there are."""
    return {name: tuple(map(int, db.rows(f"""select count(*) filter (where {moment} <
        {"date_trunc('day', now() - interval '%d days', 'UTC')" % days if moment == "hour" else f"now() - interval '{days} days'"}),
        count(*) from trigperf.{name}""")[0])) for name, moment in MOMENTS.items()}


def cleanup(db, *args, **kwargs):
    return json.loads(db.trigperf("cleanup", "--format", "json", *args, **kwargs).out)


@test("a dry run counts what a real one removes; both leave what is young, alone")
def _(installed):
    installed.sql(OLD)
    before = left(installed, 30)
    plan = cleanup(installed, "--dry-run")
    equal(left(installed, 30), before, "rows after a dry run")
    equal({t["table"]: (t["due"], t["rows"]) for t in plan["tables"]}, before, "what it counted")
    check(all(t["bytes"] > 0 and 0 < t["due_bytes"] < t["bytes"] for t in plan["tables"]), f"sizes: {plan}")
    equal((plan["older_than_days"], plan["dry_run"]), (30, True), "plan")
    done = cleanup(installed, "--batch", "7")
    equal({t["table"]: t["removed"] for t in done["tables"]}, {name: due for name, (due, _) in before.items()}, "removed")
    equal(done["complete"], True, "complete")
    equal(left(installed, 30), {name: (0, rows - due) for name, (due, rows) in before.items()}, "rows left")
    equal(done["removed_names"], before["host_series"][0], "names that nothing uses any more")
    equal(installed.value("select count(*) from trigperf.host_series_name"), str(left(installed, 30)["host_series"][1]), "names")
    again = cleanup(installed)
    equal(sum(t["removed"] for t in again["tables"]), 0, "removed a second time")


@test("how long things are kept: an option, else the setting, else 30 days")
def _(installed):
    installed.sql(OLD)
    equal(cleanup(installed, "--dry-run", "--older-than", "10")["older_than_days"], 10, "days")
    equal(cleanup(installed, "--dry-run", "-o", "metrics.retention_days=20")["older_than_days"], 20, "days")
    equal(cleanup(installed, "--dry-run", env={"TRIGPERF_METRICS_RETENTION_DAYS": "40"})["older_than_days"], 40, "days")
    cleanup(installed, "--older-than", "10")
    check(all(due == 0 and rows > 0 for due, rows in left(installed, 10).values()), "rows")
    for args in (["--older-than", "0"], ["--older-than", "4000"], ["--older-than", "-1"], ["--older-than", "x"],
                 ["--batch", "0"], ["--batch", "9999999"], ["--format", "csv"], ["more"]):
        check(installed.trigperf("cleanup", *args, ok=2).out == "", f"{args}")


@test("text: a table, and what it comes to")
def _(installed):
    installed.sql(OLD)
    out = installed.trigperf("cleanup", "--dry-run").out
    contains(out, "trigger_execution_log", "tables")
    contains(out, "would be removed, nothing was changed", "sum")
    contains(installed.trigperf("cleanup").out, "older than 30 days: 338 rows removed", "sum")


@test("several at once, and the elected context's own: each row goes once")
def _(installed):
    installed.sql(OLD)
    due = sum(count for count, _ in left(installed, 30).values())
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        runs = [pool.submit(cleanup, installed, "--batch", "3") for _ in range(4)]
        upkeep = pool.submit(installed.value, "select trigperf.metrics_cleanup(30, 5)")
        total = sum(t["removed"] for r in runs for t in r.result()["tables"]) + int(upkeep.result())
    equal(total, due, "rows removed by all of them")
    check(all(count == 0 for count, _ in left(installed, 30).values()), "rows left")


@test("rights: consumers may do it, readers may look, others are told what to do")
def _(installed):
    installed.sql(OLD)
    for role in ("app", "reader", "nobody_at_all"):
        installed.sql(f"do $$ begin create role {role} login; exception when duplicate_object then null; end $$")
    installed.trigperf("grants", "--consumer", "app", "--apply")
    installed.trigperf("grants", "--metrics", "reader", "--apply")
    equal(cleanup(installed.as_user("reader"), "--dry-run")["older_than_days"], 30, "a reader's plan")
    for args in ([], ["--dry-run"]):
        said = installed.as_user("nobody_at_all").trigperf("cleanup", *args, ok=1).err
        contains(said, "permission denied", "error")
        contains(said, "trigperf grants", "hint")
    contains(installed.as_user("reader").trigperf("cleanup", ok=1).err, "trigperf grants --", "hint")
    check(left(installed, 30)["trigger_execution_log"][0] > 0, "a refused one removed something")
    equal(cleanup(installed.as_user("app"))["complete"], True, "a consumer's")
    check(all(count == 0 for count, _ in left(installed, 30).values()), "rows left")


@test("without the schema it says what to do")
def _(db):
    contains(db.trigperf("cleanup", ok=1).err, "trigperf install", "hint")


@test("a signal ends it between two batches: what was removed stays so")
def _(installed):
    installed.sql(OLD)
    installed.sql("insert into trigperf.trigger_execution_log (source, duration_ms, at) "
                  "select 'host', 1, now() - interval '40 days' from generate_series(1, 3000)")
    before = left(installed, 30)["trigger_execution_log"][0]
    with installed.session() as holder, subprocess.Popen(
            [harness.TOOL, "cleanup", "--batch", "1", "--format", "json"], env=installed.env(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as running:
        holder.run("begin; lock trigperf.trigger_execution_log in share mode")
        harness.eventually(lambda: installed.value("select count(*) from pg_locks where not granted") == "1", "a batch")
        os.kill(running.pid, signal.SIGTERM)
        holder.run("commit")
        out, err = running.communicate(timeout=harness.PATIENCE)
    equal(running.returncode, 1, "exit code")
    contains(err, "run it again for the rest", "hint")
    told = json.loads(out)
    equal(told["complete"], False, "complete")
    removed = {t["table"]: t["removed"] for t in told["tables"]}["trigger_execution_log"]
    check(removed > 0, "nothing was removed")
    equal(left(installed, 30)["trigger_execution_log"][0], before - removed, "rows left")


@test("the outbox that everybody has read is emptied where no context is connected")
def _(installed):
    installed.sql("create table calls (id bigint primary key)")
    installed.trigperf("attach", "calls", "--key", "id", "--granularity", "statement")
    installed.sql("insert into calls select generate_series(1, 500)")
    spare = installed.value("select 'outbox_' || ((((pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 17) + 2) & 3))")
    installed.sql(f"insert into trigperf.{spare} (xid, table_id, op) select '1', 1, 'T' from generate_series(1, 500)")
    done = cleanup(installed)
    check(done["removed_outbox_bytes"] > 0, f"{done}")
    equal(installed.value(f"select count(*) from trigperf.{spare}"), "0", "rows of the part")


if __name__ == "__main__":
    harness.main()
