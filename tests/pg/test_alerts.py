#!/usr/bin/python3
# suite: versions
"""Alerts of the database: raised once, held, cooled, silenced, ended; told by API, command and NOTIFY."""

import ctypes
import json
import os
import random
import threading

import harness
from harness import check, contains, equal, eventually, test


def measure(db, executions, total_ms, errors="null", trigger="audit", hours=0):
    """What was measured of a trigger in an hour so far."""
    db.sql(f"""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name,
        executions, total_ms, errors) values (date_trunc('hour', now(), 'UTC') - interval '{hours} hours', 'trigger', 'public.calls', '{trigger}',
        'public.f', {executions}, {total_ms}, {errors})
        on conflict (hour, table_name, trigger_name, function_name) do update set executions = {executions},
        total_ms = {total_ms}, errors = {errors}""")


def judge(db):
    """Events as rule, level, previous."""
    return [(rule, level, before) for rule, level, before in
            db.rows("select rule, level, previous from trigperf.alerts_judge(true) order by id")]


def alerts(db, *args):
    return json.loads(db.trigperf("alerts", "--format", "json", *args).out)


def only(db, name, sets="cooldown_s = 0"):
    db.sql(f"update trigperf.alert_rule set enabled = name = '{name}'; update trigperf.alert_rule set {sets}")


@test("a database in which nothing was measured has no alerts")
def _(installed):
    equal(judge(installed), [], "events")
    answer = alerts(installed)
    equal((answer["standing"], answer["history"], answer["last_id"]), ([], [], 0), "answer")
    rules = {one["rule"]: one for one in answer["rules"]}
    equal((rules["trigger_mean_ms"]["warn"], rules["trigger_mean_ms"]["critical"]), (100, 500), "mean")
    equal((rules["trigger_error_rate"]["warn"], rules["trigger_error_rate"]["critical"]), (5, 15), "errors")
    equal((rules["cache_hit_rate"]["warn"], rules["cache_hit_rate"]["below"]), (60, True), "hit rate")
    equal(sorted(name for name, one in rules.items() if not one["measured"]),
          ["constraint_overhead", "failures_per_hour", "stale_view"], "rules whose sources are not there")


@test("what a few samples stand for is not enough to judge")
def _(installed):
    only(installed, "trigger_mean_ms")
    tell = "select trigperf.update_trigger_performance_metrics('audit', 'public.calls', 150, p_share => 0.01) from generate_series(1, {});"
    installed.sql("select trigperf.collect();" + tell.format(5))
    installed.sql("select trigperf.collect()")
    equal(judge(installed), [], "5 samples of 500 executions")
    installed.sql(tell.format(15))
    installed.sql("select trigperf.collect()")
    equal(judge(installed), [("trigger_mean_ms", "warning", "ok")], "20 samples")
    equal(installed.rows("select value, samples from trigperf.alert_history"), [["150", "20"]], "what the event says")
    installed.sql(tell.format(19))
    installed.sql("select trigperf.collect()")
    equal(installed.rows("select seen_samples, seen_measured from trigperf.alert_state where level = 1"), [["2000", "20"]], "what waits")
    installed.sql("""create function trigperf.alert_read_own() returns table (subject text, labels jsonb, hour timestamptz,
          amount double precision, samples bigint) language sql as $$ select 'own', '{}'::jsonb, null::timestamptz, 9.0::float8, 3::bigint $$;
        insert into trigperf.alert_rule (name, source, description, unit, warn, min_samples) values ('own', 'alert_read_own', '', '', 5, 3)""")
    equal(judge(installed), [("own", "warning", "ok")], "a source that measures each")


@test("thresholds, minimum samples, hysteresis and recovery")
def _(installed):
    only(installed, "trigger_mean_ms")
    measure(installed, 19, 19 * 900)
    equal(judge(installed), [], "too few executions")
    measure(installed, 20, 20 * 101)
    equal(judge(installed), [("trigger_mean_ms", "warning", "ok")], "above 100 ms")
    equal(judge(installed), [], "nothing new was measured")
    measure(installed, 40, 20 * 101 + 20 * 501)
    equal(judge(installed), [("trigger_mean_ms", "critical", "warning")], "what was added is above 500 ms")
    measure(installed, 60, 20 * 101 + 20 * 501 + 20 * 460)
    equal(judge(installed), [], "within 10 % of the threshold")
    measure(installed, 80, 20 * 101 + 20 * 501 + 20 * 460 + 20 * 440)
    equal(judge(installed), [("trigger_mean_ms", "warning", "critical")], "below that")
    measure(installed, 100, 20 * 101 + 20 * 501 + 20 * 460 + 20 * 440 + 20 * 1)
    equal(judge(installed), [("trigger_mean_ms", "ok", "warning")], "recovery")
    event = alerts(installed)["history"][-1]
    equal((event["subject"], event["value"], event["threshold"], event["samples"], event["labels"]),
          ("public.calls.audit", 1, 100, 20, {"function": "public.f", "table": "public.calls", "trigger": "audit"}), "event")
    equal(event["message"], "trigger_mean_ms of public.calls.audit: 1 ms, below 100 ms: warning -> ok", "message")


@test("an hour that ends is judged with the next one, each execution once")
def _(installed):
    only(installed, "trigger_mean_ms")
    measure(installed, 100, 100 * 10, hours=1)
    equal(judge(installed), [], "the first look")
    measure(installed, 130, 100 * 10 + 30 * 200, hours=1)
    measure(installed, 10, 10 * 200)
    equal(judge(installed), [("trigger_mean_ms", "warning", "ok")], "of both hours what is new")
    equal(alerts(installed)["history"][-1]["samples"], 40, "samples")
    equal(installed.value("select value from trigperf.alert_state"), "200", "value")


@test("rates of errors, and hits of caches")
def _(installed):
    installed.sql("update trigperf.alert_rule set cooldown_s = 0")
    measure(installed, 100, 100)
    equal(judge(installed), [], "errors that were not counted")
    measure(installed, 200, 200, 16)
    equal(judge(installed), [("trigger_error_rate", "warning", "ok")], "16 of 200")
    measure(installed, 300, 300, 116)
    equal(judge(installed), [("trigger_error_rate", "critical", "warning")], "100 of 100")
    installed.sql("""insert into trigperf.host_series_name(name, kind) values ('trigperf_cache_hits_total', 'counter'),
        ('trigperf_cache_misses_total', 'counter'); insert into trigperf.host_series(series_id, hour, instance, sequence, count, flushed_at)
        select id, date_trunc('hour', now(), 'UTC'), i, 1, case when name ~ 'hits' then 250 else 350 end, now() from trigperf.host_series_name,
        (values ('11111111-1111-1111-1111-111111111111'::uuid), ('21111111-1111-1111-1111-111111111111')) as x(i)""")
    equal(judge(installed), [("cache_hit_rate", "warning", "ok")], "500 of 1200")
    equal(alerts(installed)["standing"][0]["rule"], "trigger_error_rate", "the worst comes first")


@test("slower than usual")
def _(installed):
    only(installed, "trigger_slower_than_usual")
    for number in range(1, 9):
        measure(installed, number * 20, number * 20 * 2)
        equal(judge(installed), [], "while usual is not known")
    measure(installed, 180, 8 * 20 * 2 + 20 * 5)
    equal(judge(installed), [("trigger_slower_than_usual", "warning", "ok")], "150 % above 2 ms")
    event = alerts(installed)["history"][-1]
    equal((event["value"], event["usual"]), (150, 2), "event")
    for number in range(70):
        measure(installed, 200 + number * 20, 420 + 20 * 5 * (number + 1))
        judge(installed)
    equal([one["level"] for one in alerts(installed)["history"]], ["warning", "ok"], "what lasts becomes usual")
    equal(installed.value("select cardinality(past) from trigperf.alert_state"), "60", "values that are kept")


@test("cooldown, holding, silence")
def _(installed):
    only(installed, "trigger_mean_ms", "cooldown_s = 3600, hold_s = 0")
    measure(installed, 20, 20 * 200)
    equal(judge(installed), [("trigger_mean_ms", "warning", "ok")], "raised")
    measure(installed, 40, 20 * 200 + 20)
    equal(judge(installed), [], "no recovery within the cooldown")
    measure(installed, 60, 20 * 200 + 20 + 20 * 600)
    equal(judge(installed), [("trigger_mean_ms", "critical", "warning")], "a higher level is told at once")
    installed.sql("update trigperf.alert_state set told_at = told_at - interval '2 hours'")
    measure(installed, 80, 20 * 200 + 20 + 20 * 600 + 20)
    equal(judge(installed), [("trigger_mean_ms", "ok", "critical")], "told after the cooldown")
    installed.sql("update trigperf.alert_rule set cooldown_s = 0, hold_s = 3600")
    measure(installed, 100, 20 * 200 + 20 + 20 * 600 + 20 + 20 * 200)
    equal(judge(installed), [], "held")
    installed.sql("update trigperf.alert_state set held_since = held_since - interval '2 hours'")
    measure(installed, 120, 20 * 200 + 20 + 20 * 600 + 20 + 20 * 400)
    equal(judge(installed), [("trigger_mean_ms", "warning", "ok")], "lasted")
    installed.trigperf("alerts", "--silence", "trigger_mean_ms", "--for", "90m")
    measure(installed, 140, 20 * 200 + 20 + 20 * 600 + 20 + 20 * 400 + 20)
    equal(judge(installed), [], "silent")
    check([one for one in alerts(installed)["rules"] if one["silent_until"]], "the silence is shown")
    installed.trigperf("alerts", "--silence", "all", "--for", "0")
    measure(installed, 160, 20 * 200 + 20 + 20 * 600 + 20 + 20 * 400 + 40)
    equal(judge(installed), [("trigger_mean_ms", "ok", "warning")], "told afterwards")
    contains(installed.trigperf("alerts", "--silence", "nonsense", "--for", "1h", ok=1).err, "nonsense", "an unknown rule")
    contains(installed.trigperf("alerts", "--silence", "all", ok=2).err, "--for", "no duration")
    contains(installed.trigperf("alerts", "--silence", "all", "--for", "soon", ok=2).err, "soon", "a wrong duration")


@test("what is no longer measured ends, once")
def _(installed):
    only(installed, "trigger_mean_ms")
    measure(installed, 20, 20 * 200)
    judge(installed)
    installed.sql("delete from trigperf.trigger_performance_metrics; update trigperf.alert_state set judged_at = judged_at - interval '2 days'")
    equal(judge(installed), [("trigger_mean_ms", "ok", "warning")], "ended")
    equal(judge(installed), [], "once")


@test("several judge at once and raise one event; not before it is due")
def _(installed):
    only(installed, "trigger_mean_ms")
    installed.sql("select trigperf.alerts_judge()")
    measure(installed, 20, 20 * 200)
    equal(installed.rows("select * from trigperf.alerts_judge()"), [], "not due")
    threads = [threading.Thread(target=judge, args=(installed,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(installed.value("select count(*) from trigperf.alert_history"), "1", "events")


@test("contexts judge by themselves, several of them once")
def _(installed):
    installed.sql("update trigperf.setting set value = '1' where name = 'alert.interval_s'")
    measure(installed, 20, 20 * 900)
    with installed.tail_start("--follow", "-o", "metrics.collect_ms=200"), installed.tail_start("--follow", "-o", "metrics.collect_ms=200"):
        eventually(lambda: installed.value("select count(*) from trigperf.alert_history") == "1", "an event")
        runs = installed.value("select judged_at from trigperf.alert_run")
        eventually(lambda: installed.value("select judged_at from trigperf.alert_run") != runs, "another look")
    equal(installed.rows("select rule, level from trigperf.alert_history"), [["trigger_mean_ms", "critical"]], "events")


@test("levels are those of the engine in the library")
def _(installed):
    """The same values through trigperf_alert_feed() and through SQL."""
    lib = harness.library()
    config, context = ctypes.c_void_p(), ctypes.c_void_p()
    lib.trigperf_config_new(ctypes.byref(config), None)
    lib.trigperf_config_set(config, b"source", b"none", None)
    equal(lib.trigperf_context_new(config, ctypes.byref(context), None), 0, "context")
    lib.trigperf_alert_to.restype = ctypes.c_int32
    numbers = random.Random(7)
    values = [round(numbers.choice([numbers.uniform(80, 120), numbers.uniform(400, 600), numbers.uniform(0, 700)]), 3)
              for _ in range(400)]
    for below, words in ((False, b"warn=100 critical=500"), (True, b"direction=below warn=500 critical=100")):
        name = b"below" if below else b"above"
        equal(lib.trigperf_alert_rule(context, name, b"measure=fed cooldown_ms=0 " + words, None), 0, "rule")
        found = []
        for value in values:
            lib.trigperf_alert_feed(context, name, None, None, 0, ctypes.c_double(value), ctypes.c_uint64(1), None)
            event = ctypes.c_void_p()
            lib.trigperf_alert_next(context, ctypes.byref(event), None)
            found.append(lib.trigperf_alert_to(event) if event else None)
            lib.trigperf_alert_free(event)
        warn, critical = (500, 100) if below else (100, 500)
        installed.sql(f"""insert into trigperf.alert_rule(name, source, description, unit, below, warn, critical, cooldown_s)
            values ('{name.decode()}', 'none', '', '', {below}, {warn}, {critical}, 0)""")
        listed = ",".join(str(value) for value in values)
        out = installed.rows(f"""with recursive steps(n, state, event) as (
            select 0, row('{name.decode()}', '', '{{}}', 0, 0, null, null, 0, 1, now(), null, 0, 0, '{{}}', 0)::trigperf.alert_state, null::trigperf.alert_history
            union all select s.n + 1, t.p_state, t.event from steps s cross join lateral (select s.state) as q(was)
            cross join lateral trigperf.alert_step((select r from trigperf.alert_rule r where name = '{name.decode()}'),
                row('{name.decode()}', '', '{{}}', (q.was).level, (q.was).told, (q.was).told_at, (q.was).held_since,
                (array[{listed}]::float8[])[s.n + 1], 1, now(), null, 0, 0, '{{}}', 0)::trigperf.alert_state, now()) t where s.n < {len(values)})
            select (event).level from steps where n > 0 order by n""")
        levels = {None: None, "ok": 0, "warning": 1, "critical": 2}
        equal([levels[row[0]] for row in out], found, "levels")
    lib.trigperf_context_free(context)
    lib.trigperf_config_free(config)


@test("a channel, a command, and each event to one taker")
def _(installed, tmp):
    only(installed, "trigger_mean_ms")
    installed.sql("update trigperf.setting set value = 'told' where name = 'alert.channel'")
    listener = installed.session()
    listener.run("listen told")
    measure(installed, 20, 20 * 200, trigger="it''s \"odd\" $(touch x)")
    judge(installed)
    contains(listener.run("select 1"), '"told" with payload "{', "notification")
    said = os.path.join(tmp, "said")
    tails = [harness.subprocess.Popen(
        [harness.TOOL, "-o", f"alert.command=cat >> {said}; echo \"|$TRIGPERF_ALERT_LEVEL $TRIGPERF_ALERT_RULE\" >> {said}",
         "alerts", "--follow", "--since", "1h", "--format", "json"],
        env=installed.env(), stdout=harness.subprocess.PIPE, encoding="utf-8", cwd=tmp) for _ in range(2)]
    try:
        equal([json.loads(tail.stdout.readline())["level"] for tail in tails], ["warning", "warning"], "followers see it")
        eventually(lambda: os.path.exists(said) and "|" in open(said, encoding="utf-8").read(), "the command")
        measure(installed, 40, 20 * 200 + 20, trigger="it''s \"odd\" $(touch x)")
        judge(installed)
        equal([json.loads(tail.stdout.readline())["level"] for tail in tails], ["ok", "ok"], "recovery")
        eventually(lambda: open(said, encoding="utf-8").read().count("|") == 2, "the command for the recovery")
    finally:
        for tail in tails:
            tail.terminate()
            equal(tail.wait(harness.PATIENCE), 0, "exit code")
            tail.stdout.close()
    text = open(said, encoding="utf-8").read()
    lines = text.replace("|", "\n").split("\n")
    equal([json.loads(line)["level"] for line in lines if line.startswith("{")], ["warning", "ok"], "what the command read")
    equal([line for line in lines if line and not line.startswith("{")],
          ["warning trigger_mean_ms", "ok trigger_mean_ms"], "its variables")
    check(not os.path.exists(os.path.join(tmp, "x")), "a name was run")
    listener.close()


@test("a command that hangs holds up neither following nor the end, and leaves no children")
def _(installed, tmp):
    only(installed, "trigger_mean_ms")
    measure(installed, 20, 20 * 200)
    judge(installed)
    began = os.path.join(tmp, "began")
    length = f"32{os.getpid()}"
    follower = harness.subprocess.Popen(
        [harness.TOOL, "-o", f"alert.command=touch {began}; sleep {length} & sleep {length}", "alerts", "--follow", "--since", "1h", "--format", "json"],
        env=installed.env(), stdout=harness.subprocess.PIPE, stderr=harness.subprocess.PIPE, encoding="utf-8")
    equal(json.loads(follower.stdout.readline())["level"], "warning", "the first event")
    eventually(lambda: os.path.exists(began), "the command")
    measure(installed, 40, 20 * 200 + 20)
    judge(installed)
    equal(json.loads(follower.stdout.readline())["level"], "ok", "the next one, meanwhile")
    follower.terminate()
    errors = follower.communicate(timeout=harness.PATIENCE)[1]
    equal(follower.returncode, 0, "exit code")
    contains(errors, "was not run to its end for 1 event", "what it says")
    eventually(lambda: not harness.run(["pgrep", "-f", f"sleep {length}"]).out, "its children are gone")


@test("text for people")
def _(installed):
    measure(installed, 20, 20 * 900)
    judge(installed)
    shown = installed.trigperf("alerts")
    contains(shown.out, "trigger_mean_ms", "what stands")
    contains(shown.out, "critical", "level")
    check("silent" not in shown.out, "nothing is silent")
    installed.trigperf("alerts", "--silence", "trigger_mean_ms", "--for", "2h")
    contains(installed.trigperf("alerts").out, "silent\ntrigger_mean_ms until 20", "a silence")
    installed.trigperf("alerts", "--silence", "trigger_mean_ms", "--for", "0")
    check("silent" not in installed.trigperf("alerts").out, "its end")
    installed.sql("update trigperf.alert_history set at = at - interval '2 hours'")
    contains(installed.trigperf("alerts", "--since", "3h").out, "trigger_mean_ms of public.calls.audit", "an event")
    check("trigger_mean_ms of" not in installed.trigperf("alerts", "--since", "90m").out, "an event before the time")


@test("a role with the rights of metrics, and one without")
def _(installed):
    installed.sql("do $$ begin create role watcher login; create role stranger login; exception when duplicate_object then null; end $$")
    installed.sql(installed.trigperf("grants", "--metrics", "watcher").out)
    measure(installed, 20, 20 * 900)
    other = installed.as_user("watcher")
    equal(judge(other), [("trigger_mean_ms", "critical", "ok")], "events")
    equal(len(alerts(other)["standing"]), 1, "standing")
    other.trigperf("alerts", "--silence", "all", "--for", "1h")
    contains(installed.as_user("stranger").trigperf("alerts", ok=1).err, "permission", "without rights")


@test("a thousand triggers are judged together")
def _(installed):
    installed.sql("""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name, executions, total_ms)
        select date_trunc('hour', now(), 'UTC'), 'trigger', 'public.t' || i, 'a', 'public.f', 100, 100 * i from generate_series(1, 1000) i""")
    equal(len(judge(installed)), 900, "events")
    equal(judge(installed), [], "again")
    equal(len(alerts(installed)["standing"]), 900, "standing")


if __name__ == "__main__":
    harness.main()
