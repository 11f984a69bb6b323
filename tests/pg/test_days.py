#!/usr/bin/python3
# suite: versions
"""Hours of closed days become days: the same figures before and after, whoever does it and however it ends."""

import concurrent.futures
import ctypes
import datetime
import json
import random

import harness
from follower import LIB, Follower
from harness import check, contains, equal, test

DAYS = 9  # of measurements: the present one, three that stay by hour, five that are merged
MERGED = DAYS - 4
MIDNIGHT = "date_trunc('day', now(), 'UTC')"
ROWS = {"trigger_performance_metrics": "(table_name, trigger_name, function_name, day)",
        "host_series": "(series_id, date_trunc('day', hour, 'UTC'))"}


def fill(db, days=DAYS, more=0):
    """Hours of every kind of row: counted, told with errors, without a name, with gaps, with odd names; series of
    hosts, written by two processes that have left. Times are sums of binary fractions, which add up exactly."""
    db.sql(f"""insert into trigperf.trigger_performance_metrics (hour, measured, table_name, trigger_name, function_name,
            shared_by, ours, executions, estimated, total_ms, self_ms, max_ms, samples, histogram, errors, skipped)
        select {MIDNIGHT} - make_interval(hours => 24 * d - h), kind, name, trigger, function, n, n = 2, executions,
               kind <> 'trigger', executions * 0.25, executions * 0.125, case when h % 3 < 2 then (d * h % 17) + 0.5 end,
               case when h % 3 < 2 then 5 end,
               case when h % 3 < 2 then array[((100 + (h * 7 + d) % 90)::bigint << 48) | (h + 1), (300::bigint << 48) | d] end,
               case when n < 4 then h % 2 end, case when n <> 3 then h % 5 end
        from generate_series(0, {days - 1}) d, generate_series(0, 23) h,
             (values (1, 'trigger', 'public."o''d ""d"', 'slow', 'public.slow'), (2, 'function', null, null, 'public.shared'),
                     (3, 'bracket', 'public.calls', 'before row', null), (4, 'host', 'public.calls', E'a\\nb', null))
                 as v(n, kind, name, trigger, function),
             lateral (select case when n <> 3 or h > 11 then n * 100 + h end) as e(executions)
        where n <> 4 or h % 7 <> 3;
        insert into trigperf.host_series_name (name, labels, kind) select v.* from (values
            ('host_a_total', '{{"of": "x"}}'::jsonb, 'counter'), ('host_size', '{{}}', 'gauge'), ('host_t_seconds', '{{}}', 'histogram')) v;
        insert into trigperf.host_series (series_id, hour, instance, sequence, count, sum_ns, max_ns, value, histogram, flushed_at)
        select n.id, {MIDNIGHT} - make_interval(hours => 24 * d - h), ('00000000-0000-0000-0000-00000000000' || i)::uuid, 1,
               case when kind <> 'gauge' then h + i end, case kind when 'histogram' then 1000000 * h end,
               case kind when 'histogram' then 5000000 + d end, case kind when 'gauge' then d * 100 + h + i * 0.5 end,
               case kind when 'histogram' then array[((200 + h)::bigint << 48) | (h + i)] end, now()
        from trigperf.host_series_name n, generate_series(0, {days - 1}) d, generate_series(0, 23) h, generate_series(1, 2) i
        where h % 6 <> i""")
    if more:
        db.sql(f"""insert into trigperf.trigger_performance_metrics (hour, measured, table_name, trigger_name, executions)
            select {MIDNIGHT} - make_interval(hours => 24 * 5 - h), 'host', 'public.t' || t, 'many', 1
            from generate_series(1, {more}) t, generate_series(0, 23) h""")


def merge(db):
    """Merges all there is; the rows it took."""
    taken = 0
    while (batch := int(db.value("select merged from trigperf.days_merge()"))) > 0:
        taken += batch
    return taken


def report(db, since, until="0 hours"):
    """Since and until so long before the next midnight."""
    end = f"({MIDNIGHT} + interval '24 hours')"
    return json.loads(db.sql(f"select trigperf.report({end} - interval '{since}', {end} - interval '{until}')"))


def whole(days):
    return f"{24 * days} hours"


def figures(answer):
    return {part: answer[part] for part in ("since", "until", "triggers", "series")}


def counts(db):
    """By table: rows of days, rows of hours that should be none, things and days with more than one row."""
    return {name: tuple(map(int, db.rows(f"""select count(*) filter (where whole_day),
        count(*) filter (where not whole_day and hour < trigperf.hours_kept_since()),
        (select count(*) from (select from trigperf.{name} where whole_day group by {key} having count(*) > 1) x)
        from trigperf.{name}""")[0])) for name, key in ROWS.items()}


ALL = {"trigger_performance_metrics": (4 * MERGED, 0, 0), "host_series": (3 * MERGED, 0, 0)}


@test("a report of whole days has the same figures before and after, and again")
def _(installed):
    fill(installed)
    installed.sql(f"alter database {installed.name} set timezone = 'Asia/Kathmandu'")
    spans = [(whole(DAYS), "0 hours"), (whole(DAYS), whole(4)), (whole(7), whole(6)), (whole(6), whole(2)), (whole(3), "0 hours"),
             ("90 hours", "30 hours")]
    before = [figures(report(installed, *span)) for span in spans]
    check(all(one["triggers"] and one["series"] for one in before), "nothing to compare")
    kept = installed.rows("select * from trigperf.trigger_performance_metrics where hour >= trigperf.hours_kept_since() order by hour, measured")
    check(merge(installed) > 0, "nothing was merged")
    equal([figures(report(installed, *span)) for span in spans], before, "figures")
    equal(counts(installed), ALL, "rows")
    equal(merge(installed), 0, "merged a second time")
    equal(installed.rows("select * from trigperf.trigger_performance_metrics where not whole_day order by hour, measured"), kept, "hours that stay")
    equal(installed.value(f"select string_agg(distinct executions::text || ' ' || extract(hour from hour at time zone 'UTC'), ',') "
                          "from trigperf.trigger_performance_metrics where measured = 'trigger' and whole_day"),
          f"{sum(100 + h for h in range(24))} 0", "executions and hour of a day")


@test("merged histograms are those of the C code, recorded as one")
def _(installed):
    chance = random.Random(7)
    whole_day = LIB.made("trigperf_histogram_new")
    for hour in range(24):
        one = LIB.made("trigperf_histogram_new")
        for _ in range(200):
            ns, times = int(10 ** chance.uniform(2, 11.5)), chance.choice((1, 1, 100))
            for histogram in (one, whole_day):
                LIB.trigperf_histogram_record(histogram, ns, times)
        insert = f"'{LIB.text('trigperf_histogram_text', one)}', {LIB.trigperf_histogram_max(one)}"
        installed.sql(f"""insert into trigperf.trigger_performance_metrics (hour, measured, trigger_name, executions, histogram, max_ms)
            select {MIDNIGHT} - interval '{24 * 5 - hour} hours', 'host', 'x', 1, h::bigint[], m / 1e6 from (values ({insert})) v(h, m);
            insert into trigperf.host_series_name (name, kind) values ('host_t_seconds', 'histogram') on conflict do nothing;
            insert into trigperf.host_series (series_id, hour, instance, sequence, count, sum_ns, max_ns, histogram, flushed_at)
            select n.id, {MIDNIGHT} - interval '{24 * 5 - hour} hours', gen_random_uuid(), 1, 1, 1, m, h::bigint[], now()
            from trigperf.host_series_name n, (values ({insert})) v(h, m)""")
        LIB.trigperf_histogram_free(one)
    equal(merge(installed), 48, "rows merged")
    for table in ROWS:
        equal(installed.value(f"select histogram from trigperf.{table}"), LIB.text("trigperf_histogram_text", whole_day), table)
    answer = report(installed, whole(7))
    for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        ns = ctypes.c_uint64()
        LIB.check("trigperf_histogram_quantile", whole_day, q, ctypes.byref(ns))
        equal([round(answer["triggers"][0][name + "_ms"] * 1e6), round(answer["series"][0][name] * 1e9)], [ns.value] * 2, name)
    LIB.trigperf_histogram_free(whole_day)


@test("a time that begins or ends within a merged day is told as whole days, by every format")
def _(installed):
    fill(installed)
    merge(installed)
    answer = report(installed, "140 hours", "130 hours")
    begins = datetime.datetime.fromisoformat(answer["since"])
    equal((datetime.datetime.fromisoformat(answer["until"]) - begins).total_seconds(), 86400, "length of what is told")
    equal(begins.astimezone(datetime.timezone.utc).hour, 0, "its beginning")
    check(answer["asked"]["since"] > answer["since"] and answer["asked"]["until"] < answer["until"], f"asked: {answer['asked']}")
    equal(figures(answer), figures(report(installed, whole(6), whole(5))), "figures")
    equal({row["hours"] for row in answer["timeline"]}, {24}, "hours of its points")
    equal({row["hours"] for row in report(installed, whole(9))["timeline"]}, {1, 24}, "hours of all points")
    said = installed.trigperf("report", "--since", "6d", "--until", "143h")
    contains(said.out, "whole days", "text")
    contains(installed.trigperf("report", "--since", "6d", "--until", "143h", "--format", "html").out, "whole days", "page")
    contains(installed.trigperf("report", "--since", "6d", "--until", "143h", "--format", "csv").err, "whole days", "note of the CSV")
    check("whole days" not in installed.trigperf("report", "--since", "48h").out, "hours are told as they are asked for")
    health = "select sum(executions) from trigperf.get_cache_trigger_health({})"
    installed.sql("create table calls (id int primary key)")
    installed.trigperf("attach", "calls", "--key", "id", "--granularity", "statement")
    function = installed.value("select function_name from trigperf.trigger_functions() where captured_id is not null")
    installed.sql(f"update trigperf.trigger_performance_metrics set function_name = '{function}', table_name = 'public.calls', "
                  "trigger_name = null where measured = 'function'")
    check(int(installed.value(health.format(24 * 8))) > int(installed.value(health.format(24 * 5))) > 0, "health over days")


@test("--compare counts no day twice")
def _(installed):
    fill(installed)
    merge(installed)
    for since in ("5d", "110h", "30h", "7d"):
        answer = json.loads(installed.trigperf("report", "--format", "json", "--compare", "--since", since).out)
        equal(answer["previous"]["until"], answer["since"], f"the end of the time before, {since}")
        both = {row["at"] for row in answer["timeline"]} & {row["at"] for row in answer["previous"]["timeline"]}
        equal(both, set(), f"points of both, {since}")
        check(answer["previous"]["triggers"], f"the time before, {since}")


@test("in batches, rolled back, ended by a signal, several at once: every hour counts once")
def _(installed):
    fill(installed, more=30)
    before = figures(report(installed, whole(DAYS)))
    installed.sql("begin; select trigperf.days_merge(); rollback")
    equal(installed.value("select count(*) from trigperf.trigger_performance_metrics where whole_day"), "0", "rows after a rollback")
    equal(installed.value("select merged from trigperf.days_merge(48)"), str(24 + 21 + 2 * 40), "rows of a small batch: of two triggers and two series")
    with installed.session() as holder, installed.session() as victim:
        holder.run("begin; select * from trigperf.trigger_performance_metrics where not whole_day for update")
        victim.start("select trigperf.days_merge()")
        harness.eventually(lambda: installed.value(f"select wait_event_type from pg_stat_activity where pid = {victim.pid}") == "Lock", "waiting")
        equal(json.loads(installed.value("select trigperf.collect()"))["collected"], False, "collecting meanwhile")
        installed.sql(f"select pg_terminate_backend({victim.pid})")
        holder.run("rollback")
    equal(figures(report(installed, whole(DAYS))), before, "figures in the middle of it")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: merge(installed), range(4)))
    merge(installed)
    equal(figures(report(installed, whole(DAYS))), before, "figures after all of it")
    equal(counts(installed), {**ALL, "trigger_performance_metrics": (4 * MERGED + 30, 0, 0)}, "rows")


@test("what comes late is added to its day, and a process that may still write keeps its day open")
def _(installed):
    fill(installed)
    stayed = f"{MIDNIGHT} - interval '{24 * 5 - 3} hours'"
    installed.sql(f"""insert into trigperf.host_process (instance, application, hour, sequence, seen_at)
        values ('00000000-0000-0000-0000-000000000001', 'app', {stayed}, 1, now())""")
    merge(installed)
    equal(counts(installed)["host_series"][0], 3 * (MERGED - 2), "days of series, while a process writes to the fourth")
    installed.sql("update trigperf.host_process set seen_at = now() - interval '3 days'")
    merge(installed)
    equal(counts(installed), ALL, "rows, when it was given up")
    before = report(installed, whole(DAYS))
    add = f"""insert into trigperf.trigger_performance_metrics as m (hour, measured, trigger_name, table_name, function_name, executions)
        values ({MIDNIGHT} - interval '{{}} hours', 'trigger', 'slow', 'public."o''d ""d"', 'public.slow', 5)
        on conflict (hour, table_name, trigger_name, function_name) do update set executions = m.executions + excluded.executions"""
    installed.sql(add.format(24 * 5) + ";" + add.format(24 * 5 - 9))
    late = report(installed, whole(DAYS))
    merge(installed)
    equal(figures(report(installed, whole(DAYS))), figures(late), "figures")
    total = [sum(row["executions"] or 0 for row in one["triggers"]) for one in (before, late)]
    equal(total[1] - total[0], 10, "what came late")
    equal(counts(installed), ALL, "rows")


@test("retention removes days when their last hour is too old")
def _(installed):
    fill(installed)
    merge(installed)
    oldest = "select min(hour) - (" + MIDNIGHT + " - interval '{} hours') from trigperf.{}"
    installed.sql("select trigperf.metrics_cleanup(6)")
    for table in ROWS:
        equal(installed.value(oldest.format(24 * 6, table)), "00:00:00", f"oldest of {table}: a day that ended within six days")
    installed.sql("select trigperf.metrics_cleanup(1)")
    for table in ROWS:
        equal(installed.value(oldest.format(24, table)).split(":")[1:], ["00", "00"], f"oldest of {table}")
        check(installed.value(oldest.format(24, table)) <= "01:00:00", f"hours of {table} that are kept")


@test("cleanup merges by hand, says so before, and needs the rights of a consumer")
def _(installed):
    fill(installed)
    for role in ("days_app", "days_reader", "days_stranger"):
        installed.sql(f"do $$ begin create role {role} login; exception when duplicate_object then null; end $$")
    installed.trigperf("grants", "--consumer", "days_app", "--apply")
    installed.trigperf("grants", "--metrics", "days_reader", "--apply")
    plan = json.loads(installed.trigperf("cleanup", "--dry-run", "--format", "json").out)
    rows = int(installed.value("select sum(n) from (select count(*) n from trigperf.trigger_performance_metrics where hour < "
                               "trigperf.hours_kept_since() union all select count(*) from trigperf.host_series "
                               "where hour < trigperf.hours_kept_since()) x"))
    equal(plan["unmerged_hours"], rows, "what a dry run finds")
    contains(installed.trigperf("cleanup", "--dry-run").out, f"{rows} would be merged", "text of a dry run")
    equal(counts(installed)["host_series"][0], 0, "days after a dry run")
    for role in ("days_reader", "days_stranger"):
        contains(installed.as_user(role).fails("select trigperf.days_merge()"), "permission denied", role)
    contains(installed.as_user("days_reader").trigperf("cleanup", ok=1).err, "permission denied", "error")
    done = json.loads(installed.as_user("days_app").trigperf("cleanup", "--batch", "100", "--format", "json").out)
    equal((done["merged_hours"], done["complete"]), (rows, True), "what was merged")
    equal(counts(installed), ALL, "rows")
    contains(installed.trigperf("cleanup").out, "0 merged", "text of a second one")
    contains(installed.fails("select trigperf.days_merge(0)"), "at least one row", "error")


@test("the elected context does it, and another one goes on")
def _(installed):
    fill(installed)
    installed.sql("alter table trigperf.job_lease set logged")
    begun = "select count(*) from trigperf.trigger_performance_metrics where whole_day"
    with Follower(installed, "one", application_name="one", **{"metrics.collect_ms": 30, "metrics.flush_ms": 0}) as one:
        one.ready().until(lambda f: "days_merge" in f.status()["jobs"]["leads"], "leading")
        one.free()
    equal(installed.value(begun), "0", "days: its first run is due after a minute")
    instance = "00000000-0000-0000-0000-000000000002"
    installed.sql(f"update trigperf.job_lease set beat = beat - interval '1 minute'; "
                  f"select trigperf.job_lead('{instance}', 'two', array['days_merge'], 30000)")
    while installed.value(f"select go from trigperf.job_begin('days_merge', '{instance}', 'two', 0, 1000)") == "t":
        taken, more = installed.rows("select merged, more from trigperf.days_merge()")[0]
        installed.sql(f"update trigperf.job set running = false where name = 'days_merge'")
        if more == "f":
            break
        check(int(taken) > 0, "a batch of nothing with more behind it")
    equal(counts(installed), ALL, "rows")


if __name__ == "__main__":
    harness.main()
