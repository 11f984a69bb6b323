#!/usr/bin/python3
"""Many triggers and series, with odd names, through every command; a database that has none.

Here a fifth of the triggers and a tenth of the series; `tests/run scale` runs it with 1,000 and 10,000.
"""

import csv
import ctypes
import http.client
import io
import json
import os
import re
import shutil
import subprocess
import time

import harness
from follower import LIB, Follower
from harness import check, contains, equal, eventually, test

FULL = os.environ.get("TRIGPERF_SCALE") == "full"
TRIGGERS, SERIES = (1000, 10000) if FULL else (200, 1000)
EACH = 20  # triggers of a table
TABLES = TRIGGERS // EACH
BUCKETS = 60 if FULL else 20
COUNTERS = SERIES // 10
ODD = """'"a b",\\<&>{}|%s"""  # the trigger's number stands behind it
FORMATS = ("text", "json", "csv", "html")

_made = {}


def trigger(number):
    return f"{ODD}{number}"


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def crowded(cluster):
    """A database with the triggers, that several tests look at."""
    if "database" not in _made:
        db = _made["database"] = cluster.installed("crowded")
        db.sql(f"""alter database {db.name} set track_functions = 'pl';
            do $$ declare n text; t text; begin
                for i in 1..{TRIGGERS} loop
                    n := {literal(ODD)} || i;
                    t := {literal(ODD)} || (i - 1) / {EACH};
                    if i % {EACH} = 1 then execute format('create table %I(id int)', t); end if;
                    execute format('create function %I() returns trigger language plpgsql as ''begin return null; end''', n);
                    execute format('create trigger %I after insert on %I for each row execute function %I()', n, t, n);
                end loop; end $$""")
        db.trigperf("collect")
    return _made["database"]


def fire(db):
    """Calls every trigger once."""
    db.sql(f"""do $$ begin for i in 0..{TABLES - 1} loop
        execute format('insert into %I values (1)', {literal(ODD)} || i); end loop; end $$;
        select pg_stat_force_next_flush()""")


def collected(db):
    return json.loads(db.trigperf("collect", "--format", "json").out)


def report(db, *args):
    return json.loads(db.trigperf("report", "--format", "json", *args, timeout=600).out)


def calls(answer):
    """{trigger: executions} of what was called."""
    return {row["trigger"]: row["executions"] for row in answer["triggers"] if row["executions"]}


def resolve(follower, kind, name, value):
    names, values = ((ctypes.c_char_p * 1)(text.encode()) for text in ("of", value))
    return LIB.made("trigperf_series_resolve", follower.context, kind, name.encode(), b"Help.", names, values, 1)


def every_command(db):
    """Each command that reports, on whatever the database has; gives the reports by their format."""
    shown = {form: db.trigperf("report", "--format", form, "--compare").out for form in FORMATS}
    json.loads(db.trigperf("triggers", "--format", "json").out)
    db.trigperf("triggers")
    db.trigperf("triggers", "--advise")
    db.trigperf("alerts")
    json.loads(db.trigperf("alerts", "--format", "json").out)
    return shown


@test("collecting: each trigger by its own name, once, also when the statistics are reset in between")
def _(cluster):
    db = crowded(cluster)
    fire(db)
    equal(collected(db)["functions"], TRIGGERS, "functions that were called")
    equal(calls(report(db)), {trigger(i): 1 for i in range(1, TRIGGERS + 1)}, "executions")
    equal(collected(db)["functions"], 0, "functions, when nothing happened")
    fire(db)
    db.sql("select pg_stat_reset()")
    fire(db)
    equal(collected(db)["statistics_lost"], True, "a reset is noticed")
    equal(set(calls(report(db)).values()), {2}, "executions: those before the reset that nobody saw are lost, none is told twice")
    fire(db)
    collected(db)
    equal(set(calls(report(db)).values()), {3}, "executions after it")


@test("triggers, advice, report, check, alerts: all of them, whatever their names")
def _(cluster):
    db = crowded(cluster)
    fire(db)
    collected(db)
    db.sql(f"""insert into trigperf.trigger_execution_log(source, table_name, trigger_name, duration_ms)
        select 'host', 'public.told', {literal(ODD)} || i, j from generate_series(1, {TRIGGERS}) i, generate_series(1, 5) j""")
    equal(collected(db)["samples"], 5 * TRIGGERS, "samples")
    names = {trigger(i) for i in range(1, TRIGGERS + 1)}
    listed = json.loads(db.trigperf("triggers", "--format", "json").out)["triggers"]
    equal({row["trigger"] for row in listed if row["table"] != "public.told"}, names, "triggers")
    shown = every_command(db)
    rows = json.loads(shown["json"])["triggers"]
    equal({row["trigger"] for row in rows if row["measured"] == "trigger"}, names, "triggers of the report")
    equal({(row["trigger"], row["p50_ms"] is None) for row in rows if row["measured"] == "host"},
          {(name, False) for name in names}, "triggers that told, with quantiles")
    table = list(csv.DictReader(io.StringIO(shown["csv"], newline="")))
    equal([(row["table"], row["trigger"]) for row in table], [(row["table"], row["trigger"] or "") for row in rows], "CSV")
    check(shown["html"].count("<tr>") > 2 * TRIGGERS, "rows of the page")
    check("<&>" not in shown["html"], "a name that is markup in the page")
    db.sql("""update trigperf.trigger_performance_metrics set total_ms = 900 * (executions + 100), executions = executions + 100
        where measured = 'trigger'; select trigperf.alerts_judge(true)""")
    db.sql("update trigperf.trigger_performance_metrics set total_ms = total_ms + 90000, executions = executions + 100 "
           "where measured = 'trigger'; select trigperf.alerts_judge(true)")
    standing = json.loads(db.trigperf("alerts", "--format", "json").out)["history"]
    raised = [event for event in standing if event["rule"] == "trigger_mean_ms"]
    check(0 < len(raised) <= TRIGGERS, f"{len(raised)} events")
    said = db.trigperf("check", ok=2).out
    check(said.count("\n") == 1 and len(said) < 4096, f"a line for Nagios: {said!r}")


@test("monitor: one look at all of them")
def _(cluster):
    db = crowded(cluster)
    process = subprocess.Popen([harness.TOOL, "monitor", "0.01"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               encoding="utf-8", env=db.env())
    try:
        process.stdout.readline()
        fire(db)
        contains(next(line for line in process.stdout if "/s mean" in line), "<&>{}", "a trigger that ran")
    finally:
        process.terminate()
        process.communicate(timeout=harness.PATIENCE)
    equal(process.returncode, 0, "exit code")


@test("serve: the metrics of all of them pass promtool")
def _(cluster):
    db = crowded(cluster)
    process = subprocess.Popen([harness.TOOL, "serve", "--port", "0", "--every", "1s"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", env=db.env())
    try:
        host, port = process.stdout.readline().strip()[7:-1].rsplit(":", 1)

        def metrics():
            connection = http.client.HTTPConnection(host, int(port), timeout=harness.PATIENCE)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            return text if "trigperf_trigger_duration_seconds_count" in text else None

        text = eventually(metrics, "the metrics")
    finally:
        process.terminate()
        process.communicate(timeout=harness.PATIENCE)
    found = re.findall(r"^trigperf_trigger_duration_seconds_count\{(.*)\} ", text, re.M)
    check(len(found) >= TRIGGERS and len(found) == len(set(found)), f"{len(found)} triggers in the metrics")
    if shutil.which("promtool"):
        said = harness.run(["promtool", "check", "metrics"], stdin=text)
        equal((said.code, said.out + said.err), (0, ""), "promtool")


@test("series of a host: written whole, read whole, with the quantiles of the C code")
def _(installed):
    settings = {"metrics.flush_ms": 20, "metrics.collect_ms": 0, "metrics.max_series": SERIES + 1000}
    with Follower(installed, "web", **settings) as host:
        counters = [resolve(host, 0, "host_calls_total", f"{ODD}{i}") for i in range(COUNTERS)]
        timed = [resolve(host, 2, "host_call_seconds", f"{ODD}{i}") for i in range(SERIES - COUNTERS)]
        for number, one in enumerate(counters):
            LIB.check("trigperf_series_add", one, number + 1)
        for number, one in enumerate(timed):
            for i in range(1, BUCKETS + 1):
                LIB.check("trigperf_series_record", one, (number + 1) * 1000 * i * i)
        families = json.loads(LIB.text("trigperf_series_text", host.context, b"json"))
        host.ready().until(lambda _: installed.value("select count(*) from trigperf.host_series s join "
                                                     "trigperf.host_series_name n on n.id = s.series_id where n.labels <> '{}'")
                           >= str(SERIES) and stored(installed) >= SERIES, "the series")
        host.close()
    told = {(one["name"], one["labels"].get("of")): one for one in report(installed)["series"]}
    for family in families:
        if not family["name"].startswith("host_"):
            continue
        equal(len(family["series"]), COUNTERS if family["name"].endswith("_total") else SERIES - COUNTERS, family["name"])
        for one in family["series"]:
            row = told[family["name"], one["labels"]["of"]]
            wanted = [one.get(key, one.get("value")) for key in ("count", "p50", "p95", "p99")]
            found = [row[key] for key in ("count", "p50", "p95", "p99")]
            check(wanted[0] == found[0] and (row["kind"] == "counter" or all(
                abs(a - b) <= 1e-12 * b for a, b in zip(found[1:], wanted[1:]))), f"{row} of {one}")
    for form in FORMATS:
        installed.trigperf("report", "--format", form)


def stored(db):
    return int(db.value("select count(*) from trigperf.host_series_name where name like 'host%'"))


@test("hours of series merge to what they are together")
def _(installed):
    installed.sql(f"""insert into trigperf.host_series_name(name, labels, kind)
            select 'host_call_seconds', jsonb_build_object('of', i), 'histogram' from generate_series(1, {SERIES}) i;
        insert into trigperf.host_series(series_id, hour, instance, sequence, count, sum_ns, max_ns, histogram, flushed_at)
            select n.id, date_trunc('hour', now(), 'UTC') - make_interval(hours => h), gen_random_uuid(), 1, {BUCKETS}, {BUCKETS}, 0,
                   array(select (b * 3 + n.id % 40 + h)::bigint << 48 | 1 from generate_series(1, {BUCKETS}) b), now()
            from trigperf.host_series_name n, generate_series(0, 2) h""")
    rows = installed.rows(f"""select r.labels->>'of', r.quantiles from trigperf.report_series(now() - interval '1 day', now()) r
        except select n.labels->>'of', trigperf.histogram_quantiles(trigperf.histogram_sum(s.histogram), array[0.5, 0.95, 0.99])
            from trigperf.host_series s join trigperf.host_series_name n on n.id = s.series_id where n.id % 50 = 0 group by 1""")
    equal(len(rows), SERIES - SERIES // 50, "series whose quantiles are others than those of the merged histogram")
    equal(len(report(installed)["series"]), SERIES, "series")


@test("a month of hours: merged by the elected context, and the time of a report before and after")
def _(installed):
    days = 30 if FULL else 6
    installed.sql(f"""insert into trigperf.trigger_performance_metrics (hour, measured, table_name, trigger_name, function_name,
            executions, total_ms, max_ms, samples, histogram)
        select date_trunc('day', now(), 'UTC') - make_interval(hours => h), 'trigger', 'public.t', {literal(ODD)} || i, 'public.f' || i,
               100, 50, 2, 20, array(select (b * 3 + i % 40 + h % 24)::bigint << 48 | 1 from generate_series(1, {BUCKETS // 3}) b)
        from generate_series(1, {TRIGGERS}) i, generate_series(1, {24 * days - 24}) h; analyze trigperf.trigger_performance_metrics""")

    def timed():
        begun = time.monotonic()
        answer = report(installed, "--since", f"{days}d")
        return time.monotonic() - begun, {row["trigger"]: (row["executions"], row["p99_ms"]) for row in answer["triggers"]}

    before, whole = timed()
    rows = installed.value("select count(*) from trigperf.trigger_performance_metrics")
    begun = time.monotonic()
    if FULL:
        with Follower(installed, "web", **{"metrics.flush_ms": 0, "metrics.collect_ms": 0}) as host:
            host.ready().until(lambda _: merged(installed) > 0, "the first batch", timeout=300)
            host.free()
        installed.sql("update trigperf.job_lease set beat = beat - interval '1 minute'")
        with Follower(installed, "other", **{"metrics.flush_ms": 0, "metrics.collect_ms": 0}) as host:
            host.ready().until(lambda _: merged(installed) == TRIGGERS * (days - 4), "the rest, by another context", timeout=600)
            host.close()
    else:
        installed.trigperf("cleanup", timeout=300)
    equal(merged(installed), TRIGGERS * (days - 4), "days")
    after, again = timed()
    equal([len(whole), {name: again.get(name) for name in whole if again.get(name) != whole[name]}], [TRIGGERS, {}], "figures that differ")
    print(f"# {TRIGGERS} triggers, {days} days: {rows} rows, report {before:.1f} s; merged in {time.monotonic() - begun:.0f} s (the jobs wait "
          f"for a minute first), then {installed.value('select count(*) from trigperf.trigger_performance_metrics')} rows, report {after:.1f} s")


def merged(db):
    return int(db.value("select count(*) from trigperf.trigger_performance_metrics where whole_day"))


@test("a database without triggers")
def _(installed):
    shown = every_command(installed)
    answer = json.loads(shown["json"])
    equal([answer["triggers"], answer["series"], answer["advice"], shown["csv"]], [[], [], [], ""], "reports of nothing")
    installed.trigperf("check", ok=3)
    equal(collected(installed)["functions"], 0, "functions")
    contains(installed.trigperf("check").out, "0 triggers measured", "check")


@test("a role without rights is told so by every command")
def _(cluster):
    db = crowded(cluster)
    db.sql("do $$ begin create role scale_reader login; exception when duplicate_object then null; end $$")
    poor = db.as_user("scale_reader")
    for command in ("collect", "report", "alerts"):
        contains(poor.trigperf(command, ok=1).err, "permission denied", command)
    contains(poor.trigperf("check", ok=3).out, "permission", "check")


if __name__ == "__main__":
    harness.main()
