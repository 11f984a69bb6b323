#!/usr/bin/python3
# suite: versions
"""trigperf check: exit codes and perfdata; what is not known is never OK."""

import re
import subprocess

import harness
from harness import check, contains, equal, test

PERFDATA = (r"'?[\w]+'?=(U|-?[\d.]+(ms|s|%)?)(;-?[\d.]+:?)?(;-?[\d.]+:?)?(;\d+)?", r"^TRIGPERF (\w+) - ([^|\n]*) \| (.*)$")


def checked(db, code, *args):
    """The line in parts: state, sentence, perfdata by name."""
    result = db.trigperf("check", *args, ok=code)
    equal(result.out.count("\n"), 1, f"one line: {result!r}")
    state, sentence, perfdata = re.fullmatch(PERFDATA[1], result.out.rstrip("\n")).groups()
    equal(state, ["OK", "WARNING", "CRITICAL", "UNKNOWN"][code], "state")
    for one in perfdata.split(" "):
        check(re.fullmatch(PERFDATA[0], one), f"perfdata {one!r}")
    return sentence, dict(one.split("=") for one in perfdata.split(" "))


def measure(db, mean, errors="0", name="audit", executions=100):
    db.sql(f"""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name, executions, total_ms, errors)
        values (date_trunc('hour', now(), 'UTC'), 'trigger', 'public.calls', '{name}', 'public.f', {executions}, {mean} * {executions}, {errors})
        on conflict (hour, table_name, trigger_name, function_name) do update set total_ms = excluded.total_ms, errors = excluded.errors""")


@test("what cannot be known is UNKNOWN")
def _(db, installed):
    for result, words in ((db.trigperf("check", ok=3), "trigperf install"),
                          (db.trigperf("check", "-d", "host=/nonexistent", ok=3), "TRIGPERF UNKNOWN"),
                          (db.trigperf("check", "--mean", "fast", ok=3), "usage"),
                          (db.trigperf("check", "--since", "soon", ok=3), "usage")):
        contains(result.out, words, "line")
        check(result.out.startswith("TRIGPERF UNKNOWN - "), f"{result!r}")
    for wrong in (["--nonsense"], ["too", "much"], ["--mean", "500,100"], ["--hit-rate", "10,90"], ["--lag"], ["--min-samples", "few"]):
        result = db.trigperf("check", *wrong, ok=3)
        equal(result.out.count("\n"), 1, f"one line: {result!r}")
        contains(result.out, "TRIGPERF UNKNOWN - wrong usage", "the line")
        check(result.err.startswith("trigperf: "), f"what is wrong: {result!r}")
    contains(db.trigperf("check", "--mean", "500,100", ok=3).err, "--mean expects WARN,CRIT with CRIT not below WARN, got '500,100'", "reversed")
    contains(db.trigperf("check", "--hit-rate", "10,90", ok=3).err, "CRIT not above WARN", "reversed")
    contains(checked(installed, 3)[0], "nothing was measured yet", "before the first measurement")
    installed.sql("do $$ begin create role passer_by login; exception when duplicate_object then null; end $$")
    contains(installed.as_user("passer_by").trigperf("check", ok=3).out, "permission", "without rights")
    installed.sql("create table calls(id int); create function f() returns trigger language plpgsql as 'begin return null; end'; "
                  "create trigger t after insert on calls execute function f()")
    installed.trigperf("collect")
    measure(installed, 1)
    measure(installed, 900)
    installed.sql("update trigperf.trigger_performance_metrics set estimated = true, samples = 1")
    contains(checked(installed, 0)[1]["mean_ms"], "U;", "one sample that stands for a hundred executions")
    checked(installed, 2, "--min-samples", "1")
    measure(installed, 1)
    installed.sql("update trigperf.trigger_performance_metrics set estimated = false, samples = null")
    installed.sql("update trigperf.collect_state set collected_at = collected_at - interval '1 hour'")
    contains(checked(installed, 3)[0], "15 minutes", "an old measurement")
    measure(installed, 900)
    checked(installed, 2)


@test("nothing to measure and a quiet hour are OK and said, calls that nobody counts are UNKNOWN")
def _(installed):
    installed.sql(f"alter database {installed.name} set track_functions = 'pl'")
    installed = installed.as_user("postgres")
    installed.trigperf("collect")
    sentence, figures = checked(installed, 0)
    equal((sentence, figures["triggers"]), ("0 triggers measured: there is none", "0"), "an empty database")
    installed.sql("create table calls(id int); create function f() returns trigger language plpgsql as 'begin return null; end'; "
                  "create trigger t after insert on calls execute function f()")
    installed.trigperf("collect")
    equal(checked(installed, 0)[0], "0 triggers measured: none ran", "a quiet hour")
    installed.sql(f"alter database {installed.name} set track_functions = 'none'")
    installed.trigperf("collect")
    contains(checked(installed, 3)[0], "track_functions", "calls that nobody counts")
    measure(installed, 12)
    contains(checked(installed, 3)[0], "track_functions", "also where hosts told of another trigger")
    measure(installed, 900)
    checked(installed, 2)


@test("a line that cannot be written is UNKNOWN")
def _(installed):
    installed.trigperf("collect")
    for mean in (1, 900):
        measure(installed, mean)
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([harness.TOOL, "check"], env=installed.env(), stdout=full, stderr=subprocess.PIPE, check=False)
        equal(done.returncode, 3, "exit code")


@test("thresholds, from the database's rules or options")
def _(installed):
    installed.trigperf("collect")
    measure(installed, 12)
    sentence, figures = checked(installed, 0)
    contains(sentence, "slowest public.calls.audit 12 ms", "sentence")
    equal((figures["mean_ms"], figures["error_rate"], figures["hit_rate"], figures["lag"], figures["triggers"]),
          ("12.000ms;100.000;500.000;0", "0.000%;5.000;15.000;0", "U;60.000:;0.000:;0", "U;60.000;600.000;0", "1"), "perfdata")
    measure(installed, 101)
    contains(checked(installed, 1)[0], "mean_ms of public.calls.audit is 101ms", "sentence")
    measure(installed, 501)
    checked(installed, 2)
    checked(installed, 1, "--mean", "500,1000")
    checked(installed, 0, "--mean", "1000,2000")
    checked(installed, 0, "--min-samples", "1000")
    installed.sql("update trigperf.alert_rule set warn = 600, critical = 700 where name = 'trigger_mean_ms'")
    checked(installed, 0)
    measure(installed, 1, errors=16)
    contains(checked(installed, 2)[0], "error_rate", "errors")
    measure(installed, 1, errors=6, name="a|b=1;;\n2")
    measure(installed, 1, errors=0)
    contains(checked(installed, 1)[0], "a b=1;; 2", "a name with what could end the line")
    measure(installed, 1, errors="null", name="a|b=1;;\n2")
    installed.sql("""insert into trigperf.host_series_name(name, kind) values ('trigperf_cache_hits_total', 'counter'), ('trigperf_cache_misses_total', 'counter');
        insert into trigperf.host_series(series_id, hour, instance, sequence, count, flushed_at) select id, date_trunc('hour', now(), 'UTC'),
        '11111111-1111-1111-1111-111111111111', 1, case when name ~ 'hits' then 500 else 700 end, now() from trigperf.host_series_name""")
    contains(checked(installed, 1)[0], "hit_rate", "hits")
    checked(installed, 2, "--hit-rate", "60,50")
    checked(installed, 0, "--hit-rate", "30,10")


if __name__ == "__main__":
    harness.main()
