#!/usr/bin/python3
# suite: versions
"""What triggers cost, measured on a real server: collecting, histograms in SQL, series of hosts, the report."""

import ctypes
import json
import random
import threading

import harness
from follower import LIB, Follower
from harness import check, contains, equal, eventually, test
from measured import SLEEPY, collect, executions, insert, prepared

BUCKETS = 866


def report(db, since=86400, until=0):
    return json.loads(db.value(f"select trigperf.report(clock_timestamp() - interval '{since} seconds', "
                               f"clock_timestamp() - interval '{until} seconds')"))


def trigger(document, name):
    found = [one for one in document["triggers"] if one["trigger"] == name]
    equal(len(found), 1, f"entries of {name}")
    return found[0]


# --- histograms -----------------------------------------------------------------------------------

def histogram_of(values):
    made = LIB.made("trigperf_histogram_new")
    for value in values:
        LIB.trigperf_histogram_record(made, value, 1)
    return made


def text_of(histogram):
    return LIB.text("trigperf_histogram_text", histogram)


def quantile_of(histogram, q):
    out = ctypes.c_uint64()
    status = LIB.trigperf_histogram_quantile(histogram, ctypes.c_double(q), ctypes.byref(out), None)
    return out.value if status == 0 else None


@test("buckets: SQL and C agree on every bound")
def _(installed):
    lower = [LIB.trigperf_histogram_bucket_lower(i) for i in range(BUCKETS)]
    sql = installed.rows(f"select trigperf.histogram_lower(b) from generate_series(0, {BUCKETS - 1}) b order by b")
    equal([int(row[0]) for row in sql], lower, "lower bounds")
    values = sorted({v + d for v in lower for d in (-1, 0, 1)} | {2**62, 2**63 - 1, -5})
    expected = []
    for value in values:
        made = histogram_of([value])
        expected.append(text_of(made))
        LIB.trigperf_histogram_free(made)
    listed = ",".join(map(str, values))
    found = installed.rows(f"select trigperf.histogram_of(array[v]) from unnest(array[{listed}]::bigint[]) "
                           "with ordinality u(v, n) order by n")
    equal([row[0] for row in found], expected, "histograms of one duration each")


@test("histograms: SQL and C agree on merges, counts and quantiles of generated data")
def _(installed):
    generator = random.Random(7)
    for size in (0, 1, 2, 97, 3000):
        parts = [[int(generator.lognormvariate(13, 3)) for _ in range(size)] for _ in range(2)]
        first, second = histogram_of(parts[0]), histogram_of(parts[1])
        a, b = text_of(first), text_of(second)
        arrays = [f"'{{{','.join(map(str, part))}}}'::bigint[]" for part in parts]
        equal(installed.value(f"select trigperf.histogram_of({arrays[0]})"), a, "histogram")
        LIB.trigperf_histogram_merge(first, second)
        merged = text_of(first)
        equal(installed.value(f"select trigperf.histogram_merge('{a}', '{b}')"), merged, "merged")
        equal(installed.value(f"select trigperf.histogram_sum(h) from (values ('{a}'::bigint[]), (null), ('{b}')) v(h)"),
              merged, "sum")
        equal(installed.value(f"select trigperf.histogram_count('{merged}')"),
              str(LIB.trigperf_histogram_count(first)), "count")
        largest = LIB.trigperf_histogram_max(first)
        for q in (0, 0.001, 0.5, 0.95, 0.99, 0.999, 1):
            expected = quantile_of(first, q)
            equal(installed.value(f"select trigperf.histogram_quantile('{merged}', {q}, {largest})"),
                  None if expected is None else str(expected), f"quantile {q} of {size}")
        LIB.trigperf_histogram_free(first)
        LIB.trigperf_histogram_free(second)


@test("histograms: what is none is refused")
def _(installed):
    contains(installed.fails("select trigperf.histogram_quantile('{1}', 1.5)"), "from 0 to 1", "error")
    contains(installed.fails("select trigperf.histogram_quantile('{1}', 'NaN')"), "from 0 to 1", "error")
    for none in ("{1,-5}", f"{{{866 << 48 | 1}}}"):
        for ask in ("quantile('{}', 0.5)", "count('{}')", "merge('{{1}}', '{}')", "merge('{}', null)", "merge(null, '{}')"):
            contains(installed.fails("select trigperf.histogram_" + ask.format(none)), "0 to 865", ask)
    equal(installed.value("select trigperf.histogram_quantile(null, 0.5) is null"), "t", "of nothing")
    equal(installed.rows("""select trigperf.histogram_bucket(null), trigperf.histogram_lower(null), trigperf.histogram_middle(null),
        trigperf.histogram_value(null), trigperf.histogram_value(null, 5)"""), [[None] * 5], "of null")


@test("histograms: quantiles in any order, of entries in any order")
def _(installed):
    shuffled = "'{" + ",".join(str(bucket << 48 | count) for bucket, count in ((5, 1), (1, 2), (9, 0), (1, 1))) + "}'"
    equal(installed.value(f"select trigperf.histogram_quantiles({shuffled}, array[1, 0.5, null, 0])"), "{1168,1040,NULL,1040}",
          "quantiles")
    equal(installed.value("select trigperf.histogram_quantiles('{}', array[0.5, 0.9])"), "{NULL,NULL}", "of none")
    equal(installed.value(f"select trigperf.histogram_quantiles({shuffled}, null)"), None, "none of some")
    full = f"array(select b::bigint << 48 | {2**48 - 1} from generate_series(0, 865) b)"
    equal(installed.value(f"select trigperf.histogram_quantiles({full}, array[1, 0])"), f"{{{2**37},512}}", "counts at their limit")


# --- collecting -----------------------------------------------------------------------------------

@test("collect: the first look only notes, later ones add what came since")
def _(installed):
    prepared(installed)
    insert(installed, 7)
    equal(collect(installed)["first"], True, "first look")
    equal(executions(installed), "-1", "before anything was measured")
    insert(installed, 5)
    equal(collect(installed)["functions"], 1, "active functions")
    collect(installed)
    insert(installed, 3)
    collect(installed)
    equal(executions(installed), "8", "executions")
    one = trigger(report(installed), "slow_one")
    check(one["total_ms"] >= 8 * 0.5 and one["mean_ms"] >= 0.5, f"times {one}")
    for unmeasured in ("p95_ms", "max_ms", "errors", "error_rate", "skipped", "no_op_share"):
        equal(one[unmeasured], None, unmeasured)
    equal([one["ours"], one["shared_by"], one["level"], one["timing"]], [False, 1, "row", "before"], "what it is")


@test("collect: reset, lost and renewed counters are never counted twice, nor below zero")
def _(installed):
    prepared(installed)
    collect(installed)
    insert(installed, 5)
    collect(installed)
    installed.sql("select pg_stat_reset()")
    insert(installed, 4)
    equal(collect(installed)["statistics_lost"], True, "reset of the database")
    equal(executions(installed), "9", "after a reset")
    installed.sql("select pg_stat_reset_single_function_counters('public.slow'::regproc)")
    insert(installed, 2)
    collect(installed)
    equal(executions(installed), "11", "after a reset of the function")
    installed.sql("select pg_stat_reset_shared('bgwriter')")
    insert(installed, 1)
    equal(collect(installed)["statistics_lost"], False, "reset of something else")
    equal(executions(installed), "12", "after a reset of something else")
    installed.sql("drop function slow() cascade; " + SLEEPY.format(name="slow")
                  + "; create trigger slow_one before insert on calls for each row execute function slow()")
    insert(installed, 6)
    collect(installed)
    equal(executions(installed), "18", "after the function was made anew")
    equal(installed.value("select count(*) from trigperf.trigger_performance_metrics where executions < 1"), "0", "below one")


def two_triggers(db):
    """A second trigger on another table, both with a past; returns what inserts into the second."""
    prepared(db)
    db.sql("create table others(id int); " + SLEEPY.format(name="other") + "; create trigger other_one before insert "
           "on others for each row execute function other()")
    collect(db)
    insert(db, 5)
    db.sql("insert into others select g from generate_series(1, 7) g; select pg_stat_force_next_flush()")
    collect(db)


def both(db):
    return [executions(db, "slow_one"), executions(db, "other_one")]


@test("collect: what resets single counters, or others than these, resets no more than that")
def _(installed):
    two_triggers(installed)
    equal(both(installed), ["5", "7"], "before")
    shared = "pg_stat_reset_shared()" if int(installed.value("show server_version_num")) >= 170000 else "pg_stat_reset_shared('bgwriter'), pg_stat_reset_shared('archiver')"
    for number, reset in enumerate(["pg_stat_reset_single_table_counters('public.others'::regclass)", shared,
                                    "pg_stat_reset_single_function_counters('public.slow'::regproc)"], 1):
        installed.sql(f"select {reset}")
        insert(installed, 1)
        equal(collect(installed)["statistics_lost"], False, reset)
        equal(both(installed), [str(5 + number), "7"], reset)
    collect(installed)
    equal(both(installed), ["8", "7"], "afterwards")


@test("collect: a reset of everything, with more calls since than before")
def _(installed):
    two_triggers(installed)
    installed.sql("select pg_stat_reset()")
    insert(installed, 9)
    equal(collect(installed)["statistics_lost"], True, "reset")
    equal(both(installed), ["14", "7"], "all that stands there is new")
    collect(installed)
    equal(both(installed), ["14", "7"], "afterwards")
    installed.sql("select pg_stat_reset(); insert into others values (1); select pg_stat_force_next_flush()")
    insert(installed, 20)
    installed.sql("update trigperf.collect_state set counters = array_fill(0::bigint, array[cardinality(counters)])")
    equal(collect(installed)["statistics_lost"], False, "a reset whose every trace was overtaken")
    equal(both(installed), [str(14 + 20 - 9), "8"], "what was there before is missing, nothing is counted twice")


@test("collect: a function that serves several triggers is told as such, and counted once")
def _(installed):
    prepared(installed)
    installed.sql('create table "Odd ""name"(id bigint)')
    installed.sql('create trigger "it\'s ""one" after insert on "Odd ""name" for each row execute function slow()')
    collect(installed)
    insert(installed, 4)
    installed.sql('insert into "Odd ""name" values (1), (2); select pg_stat_force_next_flush()')
    collect(installed)
    document = report(installed)
    whole = [one for one in document["triggers"] if one["function"] == "public.slow" and one["trigger"] is None]
    equal([(one["executions"], one["shared_by"], one["table"]) for one in whole], [(6, 2, None)], "the function")
    for name, table in (("slow_one", "public.calls"), ('it\'s "one', 'public."Odd ""name"')):
        one = trigger(document, name)
        equal([one["executions"], one["shared_by"], one["table"]], [None, 2, table], name)


@test("collect: says how to switch the counters on")
def _(installed):
    installed.sql(f"alter database {installed.name} set track_functions = 'none'")
    contains(collect(installed)["hint"], "track_functions", "hint")
    contains(report(installed)["database"]["track_functions_hint"], "track_functions", "hint")


@test("collect: a second session does not wait, and adds nothing")
def _(installed):
    prepared(installed)
    collect(installed)
    insert(installed, 3)
    with installed.session() as holder:
        holder.run("begin; select trigperf.collect()")
        equal(collect(installed)["collected"], False, "while another collects")
        holder.run("commit")
    collect(installed)
    equal(executions(installed), "3", "executions")


@test("collect: one of all contexts does it by itself")
def _(installed):
    prepared(installed)
    with Follower(installed, "a", **{"metrics.collect_ms": 20}) as one:
        one.ready()
        one.until(lambda f: installed.value("select collected_at is not null from trigperf.collect_state") == "t",
                  "the first look")
        insert(installed, 5)
        one.until(lambda f: executions(installed) == "5", "the executions")
        one.close()


@test("triggers that measure themselves: durations, errors and shares")
def _(installed):
    collect(installed)
    installed.sql("""select trigperf.update_trigger_performance_metrics('mine', 'public.t', d, p_share => 0.5)
        from generate_series(1, 10) d; select trigperf.update_trigger_performance_metrics('mine', 'public.t', 1,
        p_error => 'failed', p_sqlstate => 'P0001')""")
    collect(installed)
    one = trigger(report(installed), "mine")
    equal([one["executions"], one["estimated"], one["samples"], one["errors"], one["max_ms"]], [21, True, 11, 1, 10],
          "figures")
    check(4.9 < one["p50_ms"] < 5.1, f"median {one['p50_ms']}")
    told = [[error[name] for name in ("table", "trigger", "operation", "message", "sqlstate")] for error in report(installed)["errors"]]
    equal(told, [["public.t", "mine", None, "failed", "P0001"]], "the newest errors")
    contains(installed.trigperf("report").out, "failed", "the newest errors as text")
    contains(installed.fails("select trigperf.update_trigger_performance_metrics('a', 'b', -1)"), "duration", "error")


@test("triggers that measure themselves: their executions count once, errors by what the server counted, alerts by one source")
def _(installed):
    prepared(installed)
    installed.sql("create table parts(id int) partition by range (id); create table parts_1 partition of parts for values from (0) to (9);"
                  "create trigger \"of parts\" after insert on parts for each row execute function slow()")
    listed = json.loads(installed.trigperf("triggers", "--format", "json").out)["triggers"]
    equal({one["shared_by"] for one in listed}, {2}, "triggers of the function, those of partitions with their table's")
    installed.sql("drop table parts")
    collect(installed)
    insert(installed, 300)
    installed.sql("""select trigperf.update_trigger_performance_metrics('slow_one', 'calls', 900, p_error => 'failed')
        from generate_series(1, 30); select trigperf.update_trigger_performance_metrics('alone', 'public.t', 1, p_error => 'failed')
        from generate_series(1, 30)""")
    collect(installed)
    document = report(installed)
    found = {(one["trigger"], one["measured"]): one for one in document["triggers"]}
    equal({name: [one[part] for part in ("executions", "counted", "errors", "errors_of", "error_rate")] for name, one in found.items()},
          {("slow_one", "trigger"): [300, True, None, None, None], ("slow_one", "host"): [30, False, 30, 300, 0.1],
           ("alone", "host"): [30, True, 30, None, None]}, "figures")
    equal([(one["trigger"], one["counted"]) for one in document["timeline"] if one["trigger"] == "slow_one"],
          [("slow_one", False), ("slow_one", True)], "hours")
    contains(installed.trigperf("report", "--format", "html").out, 'id="sum-executions" data-value="330"', "each execution once")
    contains(installed.trigperf("report").out, "slow_one (told)", "text")
    contains(installed.trigperf("check", ok=1).out, "error_rate of calls.slow_one is 10% | triggers=2 ", "check")
    judged = installed.rows("select rule, subject, level from trigperf.alerts_judge(true) order by 1, 2")
    equal(judged, [["trigger_error_rate", "calls.slow_one", "warning"]], "30 of 300")
    installed.sql("update trigperf.trigger_performance_metrics set total_ms = total_ms + 900 * 900, executions = executions + 900 "
                  "where measured = 'trigger'; update trigperf.alert_rule set cooldown_s = 0")
    equal(installed.rows("select rule, subject, level, samples from trigperf.alerts_judge(true) order by 1"),
          [["trigger_error_rate", "calls.slow_one", "ok", "900"], ["trigger_mean_ms", "public.calls.slow_one", "critical", "900"]],
          "what came since")


@test("samples of transactions that overlap a look are counted once, in whatever order they end")
def _(installed):
    collect(installed)
    tell = "select trigperf.update_trigger_performance_metrics('mine', 'public.t', 1)"
    with installed.session() as early, installed.session() as late:
        early.run("begin; " + tell)
        late.run("begin; " + tell)
        late.run("commit")
        equal(collect(installed)["samples"], 1, "while one is open")
        early.run("commit")
        equal(collect(installed)["samples"], 1, "the one that was open")
        equal(collect(installed)["samples"], 0, "nothing new")


@test("a role without rights is told so; one of the kind metrics can do all of it")
def _(installed):
    role = f"watch_{installed.name}"
    installed.sql(f"create role {role} login")
    watcher = installed.as_user(role)
    contains(watcher.trigperf("collect", ok=1).err, "permission denied", "error")
    installed.trigperf("grants", "--metrics", role, "--apply")
    check(json.loads(watcher.trigperf("collect", "--format", "json").out)["collected"], "collected")
    equal(report(watcher)["triggers"], [], "triggers of an empty database")
    watcher.sql("select * from trigperf.get_cache_trigger_health(); select * from trigperf.trigger_execution_log; "
                "select trigperf.histogram_quantiles(trigperf.histogram_merge('{1}', '{1}'), array[0.5])")


@test("no more executions had nothing to do than there were; what is extrapolated says so")
def _(installed):
    installed.sql("""insert into trigperf.trigger_performance_metrics(hour, measured, table_name, trigger_name, function_name,
            executions, samples, histogram, skipped) values
        (now(), 'trigger', 'public.t', 'guessed', 'public.f', 15462, 166, array[500::bigint << 48 | 16600], 16500),
        (now(), 'trigger', 'public.t', 'all_seen', 'public.g', 40, 40, array[500::bigint << 48 | 40], 10),
        (now(), 'trigger', 'public.t', 'unknown', 'public.h', 40, null, null, null)""")
    figures = {one["trigger"]: (one["skipped"], one["skipped_estimated"]) for one in report(installed)["triggers"]}
    equal(figures, {"guessed": (15462, True), "all_seen": (10, False), "unknown": (None, False)}, "skipped")


def close(actual, expected, what):
    check(abs(actual - expected) <= 1e-9 * abs(expected), f"{what}: expected {expected!r}, got {actual!r}")


# --- sampling -------------------------------------------------------------------------------------

@test("samples: every execution at a rate of 1, with what it did; none at 0")
def _(installed):
    for shape in ("statement", "row"):
        installed.sql(f"create table {shape}s(id bigint primary key, note text)")
        installed.attach(f"{shape}s", "--key", "id", "--rule", "call:{id}", "--granularity", shape,
                         "--watch", "note", "--sample-rate", "1")
        installed.sql(f"""insert into {shape}s values (1, 'a'); update {shape}s set note = 'a'; update {shape}s set
            note = 'b'; delete from {shape}s; truncate {shape}s""")
        found = installed.rows(f"""select operation, skipped, weight, trigger_name like 'trigperf_capture_%', source,
            duration_ms between 0.001 and 60000, error_message is null from trigperf.trigger_execution_log
            where table_name = 'public.{shape}s' order by at""")
        equal([row[:2] for row in found], [["INSERT", "f"], ["UPDATE", "t"], ["UPDATE", "f"], ["DELETE", "f"],
                                           ["TRUNCATE", "f"]], shape)
        equal({tuple(row[2:]) for row in found}, {("1", "t", "capture", "t", "t")}, shape)
    installed.sql("create table quiet(id bigint primary key)")
    installed.attach("quiet", "--key", "id", "--sample-rate", "0")
    installed.sql("insert into quiet values (1)")
    equal(installed.value("select count(*) from trigperf.trigger_execution_log where table_name = 'public.quiet'"), "0",
          "samples")
    equal(installed.value("select count(*) from trigperf.outbox where op <> 'B'"), "9", "what was captured")
    contains(installed.trigperf("attach", "quiet", "--sample-rate", "2", ok=2).err, "0 to 1", "error")


@test("samples: quantiles, shares of no-ops and weights reach the report")
def _(installed):
    installed.sql(f"alter database {installed.name} set track_functions = 'pl'")
    installed.sql("create table calls(id bigint primary key, note text); insert into calls values (1, 'a')")
    installed.attach("calls", "--key", "id", "--granularity", "row", "--sample-rate", "0.5")
    collect(installed)
    installed.sql("do $$ begin for i in 1..400 loop update calls set note = case when i % 4 = 0 then i::text else note "
                  "end; end loop; end $$; select pg_stat_force_next_flush()")
    equal(installed.value("select distinct weight from trigperf.trigger_execution_log"), "2", "weight")
    sampled = int(installed.value("select count(*) from trigperf.trigger_execution_log"))
    check(100 < sampled < 300, f"{sampled} of 400 were sampled")
    collect(installed)
    one = [entry for entry in report(installed)["triggers"] if entry["function"] == "trigperf.capture_1"
           and entry["trigger"] is None][0]
    equal([one["executions"], one["samples"], one["errors"]], [400, sampled, 0], "figures")
    check(0 < one["p50_ms"] <= one["p95_ms"] <= one["p99_ms"] <= one["max_ms"], f"quantiles {one}")
    check(0.5 < one["no_op_share"] < 0.95, f"share of no-ops {one['no_op_share']}")
    check(report(installed)["slowest"][0]["function"] == "trigperf.capture_1", "slowest")


@test("samples: small shares take one transaction in ten, of its executions a part, and no number of random()")
def _(installed):
    installed.sql("create table calls(id bigint primary key, note text)")
    installed.attach("calls", "--key", "id", "--granularity", "row", "--sample-rate", "0.05")
    installed.sql("do $$ begin for i in 1..3000 loop insert into calls values (i); commit; end loop; end $$")
    taken, transactions, weight = installed.rows("""select count(*), count(distinct xid), max(weight)
        from trigperf.trigger_execution_log""")[0]
    check(80 < int(taken) < 230, f"{taken} of 3000 were sampled, 150 are expected")
    equal([transactions, weight], [taken, "20"], "transactions, weight")
    installed.sql("""truncate trigperf.trigger_execution_log;
        do $$ begin for i in 1..30 loop update calls set note = i::text where id <= 100; commit; end loop; end $$""")
    for count, in installed.rows("select count(*) from trigperf.trigger_execution_log group by xid"):
        check(20 < int(count) < 80, f"{count} of a statement's 100 executions were sampled, 50 are expected")
    drawn = "select setseed(0.5); {} select random();"
    equal(installed.sql(drawn.format("insert into calls values (4000);")), installed.sql(drawn.format("")), "random()")


@test("samples: of transactions of two kinds by turns, either is as likely, and so is a statement as a row")
def _(installed):
    for shape in ("statement", "row"):
        installed.sql(f"create table {shape}s(id bigint primary key)")
        installed.attach(f"{shape}s", "--key", "id", "--granularity", shape, "--sample-rate", "0.05")
    installed.sql("""do $$ begin for i in 1..3000 loop
        if i % 2 = 0 then insert into statements values (i); else insert into rows values (i); end if; commit;
        end loop; end $$""")
    taken = dict(installed.rows("select table_name, count(*) from trigperf.trigger_execution_log group by 1"))
    equal(set(taken), {"public.statements", "public.rows"}, "tables")
    for table, count in taken.items():
        check(20 < int(count) < 150, f"{count} of 1500 of {table} were sampled, 75 are expected")


@test("samples: what nobody of ours would write into the log is left out")
def _(installed):
    collect(installed)
    installed.sql("""insert into trigperf.trigger_execution_log(source, table_name, trigger_name, duration_ms, weight)
        values ('host', 't', 'fine', 1, 1), ('nonsense', 't', 'a', 1, 1), ('host', 't', 'b', 1, -5), ('host', 't', 'c', 'NaN', 1),
               ('host', 't', 'd', 1e300, 1), ('bracket', 't', 'e', '-Infinity', 1), ('host', 't', 'f', 1, 2000000000)""")
    equal(collect(installed)["samples"], 1, "samples")
    equal(installed.rows("select trigger_name, executions from trigperf.trigger_performance_metrics"), [["fine", "1"]], "kept")


@test("samples: what they cost is gauged, and told by the report")
def _(installed):
    def gauged(rate):
        installed.sql(f"update trigperf.setting set value = '{rate}' where name = 'sample_rate'; "
                      "update trigperf.collect_state set gauged_at = null")
        collect(installed)
        overhead = report(installed)["overhead"]
        equal(overhead["sample_rate"], float(rate), "rate")
        return overhead["per_execution_us"]

    none, some, all_ = gauged("0"), gauged("0.01"), gauged("1")
    equal(none, 0, "without sampling")
    check(0 < some < all_, f"one in a hundred costs {some} us, all of them {all_} us")
    equal(report(installed)["overhead"]["per_execution_us"], all_, "gauged once an hour")
    contains(installed.trigperf("report").out, f"measuring costs {all_:.3f} us for an execution of a trigger of ours\n", "text")
    equal(installed.value("select count(*) from trigperf.trigger_execution_log"), "0", "rows left by gauging")


@test("samples: their cost beside the time of the triggers and of all statements, as far as it is known")
def _(installed):
    installed.sql(f"alter database {installed.name} set track_functions = 'pl'")
    for table, rate in (("half", "0.01"), ("none", "0")):
        installed.sql(f"create table {table}(id bigint primary key)")
        installed.attach(table, "--key", "id", "--granularity", "row", "--sample-rate", rate)
    collect(installed)
    equal([report(installed)["overhead"][name] for name in ("executions", "measuring_ms", "share_of_triggers", "transactions",
          "per_transaction_us", "statements_ms", "share_of_statements")], [None] * 7, "before anything was measured")
    installed.sql("insert into half select generate_series(1, 300); insert into none select generate_series(1, 100);"
                  "select pg_stat_force_next_flush()")
    collect(installed)
    told = report(installed)
    overhead, each = told["overhead"], told["overhead"]["per_execution_us"]
    by_function = {row["function"]: row for row in told["triggers"] if row["executions"]}
    sampled, quiet = by_function["trigperf.capture_1"], by_function["trigperf.capture_2"]
    equal((overhead["executions"], sampled["executions"], quiet["executions"]), (400, 300, 100), "executions")
    close(overhead["measuring_ms"], each * 300 / 1000, "time that measuring took")
    close(overhead["share_of_triggers"], overhead["measuring_ms"] / (sampled["total_ms"] + quiet["total_ms"]), "of the triggers")
    close(sampled["measuring_share"], overhead["measuring_ms"] / sampled["total_ms"], "of its own")
    equal(quiet["measuring_share"], 0, "without sampling")
    check(overhead["transactions"] >= 2 and overhead["statements_ms"] >= sampled["total_ms"], f"of the database: {overhead}")
    close(overhead["share_of_statements"], overhead["measuring_ms"] / overhead["statements_ms"], "of all statements")
    close(overhead["per_transaction_us"], overhead["measuring_ms"] * 1000 / overhead["transactions"], "of a transaction")
    contains(installed.trigperf("report").out, f" % of their time, {100 * overhead['share_of_statements']:.2f} % of that of all statements", "text")
    installed.sql("update trigperf.captured_table set sample_rate = 0.5 where table_name = 'half'")
    told = report(installed)
    equal([told["overhead"]["measuring_ms"], told["overhead"]["share_of_statements"]], [None, None], "gauged at another rate")


@test("samples: an owner without rights goes unmeasured, and his statements succeed")
def _(installed):
    role = f"owner_{installed.name}"
    installed.sql(f"create role {role}; create table calls(id bigint primary key); alter table calls owner to {role}")
    installed.attach("calls", "--key", "id", "--sample-rate", "1")
    installed.sql("insert into calls values (1)")
    equal(installed.value("select count(*) from trigperf.trigger_execution_log"), "1", "samples")
    installed.sql(f"revoke insert on trigperf.trigger_execution_log from {role}; insert into calls values (2)")
    equal(installed.value("select count(*) from trigperf.trigger_execution_log"), "1", "samples without the right")
    equal(installed.value("select count(*) from trigperf.outbox"), "3", "rows of the outbox, with the resync")


# --- brackets -------------------------------------------------------------------------------------

@test("brackets: triggers of others are timed together, and left alone")
def _(installed):
    prepared(installed)
    installed.sql("""update trigperf.setting set value = '1' where name = 'sample_rate';
        create function nap() returns trigger language plpgsql as $$ begin perform pg_sleep(0.002); return null; end $$;
        create trigger late after insert or delete on calls for each row execute function nap();
        create trigger last after update on calls for each statement execute function nap();
        create function cancel() returns trigger language plpgsql as $$ begin return null; end $$""")
    collect(installed)
    triggers = "select count(*) from pg_trigger where tgrelid = 'calls'::regclass"
    before = installed.value(triggers)
    contains(installed.trigperf("bracket", "calls", "--dry-run").out, "CREATE TRIGGER", "dry run")
    equal(installed.value(triggers), before, "triggers after a dry run")
    installed.trigperf("bracket", "public.calls")
    contains(installed.trigperf("bracket", "calls", ok=1).err, "first or last", "a second bracket")
    insert(installed, 3)
    installed.sql("update calls set note = 'y'; delete from calls where id = 1; truncate calls")
    collect(installed)
    found = {one["trigger"]: one for one in report(installed)["triggers"] if one["measured"] == "bracket"}
    equal({name: one["executions"] for name, one in found.items()},
          {"before row": 6, "after row": 4, "after statement": 1}, "executions")
    check(2 <= found["after row"]["p50_ms"] <= found["after row"]["max_ms"], f"durations {found}")
    equal({one["function"] for one in report(installed)["triggers"] if one["executions"] and one["counted"]},
          {"public.slow", "public.nap"}, "what is counted, each execution once")
    equal([found["after row"][part] for part in ("estimated", "errors")], [True, None], "what is known")
    installed.sql("create trigger no before insert on calls for each row execute function cancel()")
    insert(installed, 1)
    equal(installed.value("select count(*) from calls"), "0", "rows that a trigger in between cancelled")
    installed.sql("drop trigger no on calls")
    installed.trigperf("bracket", "calls", "--remove")
    equal(installed.trigperf("bracket", "calls", "--remove").out, "", "what is left to remove")
    installed.trigperf("bracket", "calls")
    installed.trigperf("uninstall")
    equal(installed.value("select count(*) from pg_trigger where tgname like '%bracket%'"), "0", "brackets left")


@test("brackets: refused where they do not fit")
def _(installed):
    installed.sql("create table bare(id int); create view seen as select 1 as one; create table odd(id int);"
                  + SLEEPY.format(name="slow")
                  + "; create trigger \" before\" before insert on odd for each row execute function slow()")
    contains(installed.trigperf("bracket", "bare", ok=1).err, "has none", "error")
    contains(installed.trigperf("bracket", "seen", ok=1).err, "table", "error")
    contains(installed.trigperf("bracket", "odd", ok=1).err, "comes first or last", "error")
    contains(installed.trigperf("bracket", "missing", ok=1).err, "does not exist", "error")


# --- series of hosts ------------------------------------------------------------------------------

def stored(db, name):
    return db.value("select coalesce(sum(s.count), -1) from trigperf.host_series s join trigperf.host_series_name n "
                    f"on n.id = s.series_id where n.name = '{name}'")


def resolve(follower, kind, name):
    return LIB.made("trigperf_series_resolve", follower.context, kind, name.encode(), b"Help.", None, None, 0)


@test("series: written by themselves, once, also when connections break; the rest at the end")
def _(installed):
    prepared(installed)
    with Follower(installed, "web", **{"metrics.flush_ms": 20, "metrics.collect_ms": 0}) as one:
        counted = resolve(one, 0, "host_things_total")
        timed = resolve(one, 2, "host_thing_seconds")
        one.ready()
        for done in range(1, 4):
            LIB.check("trigperf_series_add", counted, 5)
            LIB.check("trigperf_series_record", timed, 1000000 * done)
            one.until(lambda f, sum=str(5 * done): stored(installed, "host_things_total") == sum, "the counter")
            installed.value("select count(pg_terminate_backend(pid)) from pg_stat_activity"
                            " where application_name = 'trigperf' and datname = current_database()")
        LIB.check("trigperf_series_add", counted, 2)
        one.ready().until(lambda f: stored(installed, "host_things_total") == "17", "the counter after it all")
        LIB.check("trigperf_series_add", counted, 1)
        one.close()
    equal(stored(installed, "host_things_total"), "18", "with the last flush")
    equal(stored(installed, "host_thing_seconds"), "3", "durations")
    series = {one["name"]: one for one in report(installed)["series"]}
    equal(series["host_things_total"]["count"], 18, "counter in the report")
    timed = series["host_thing_seconds"]
    check(abs(timed["sum"] - 0.006) < 1e-9 and abs(timed["p50"] - 0.002) < 0.002 / 32, f"histogram {timed}")


FLUSH = """select f.accepted, f.hour from trigperf.series_flush('{instance}', 'app', {sequence}, {hour}, null,
    array['a_total', 'g', 't_seconds'], array['{{}}', '{{"x":"1"}}', '{{}}'], array['counter', 'gauge', 'histogram'],
    array['h', 'h', 'h'], array[{count}, null, {count}], array[null, null, 7]::bigint[],
    array[null, null, 5]::bigint[], array[null, 2.5, null]::float8[],
    array[null, null, '{{{count}}}']) f"""


def flush(db, number, sequence, hour, count):
    instance = f"00000000-0000-0000-0000-00000000000{number}"
    hour = "null" if hour is None else f"'{hour}'"
    return db.rows(FLUSH.format(instance=instance, sequence=sequence, hour=hour, count=count))[0]


@test("series: the last flush waits for one that is under way")
def _(installed):
    prepared(installed)
    with Follower(installed, "web", **{"metrics.flush_ms": 20, "metrics.collect_ms": 0}) as one:
        counted = resolve(one, 0, "host_things_total")
        one.ready()
        LIB.check("trigperf_series_add", counted, 1)
        one.until(lambda f: stored(installed, "host_things_total") == "1", "a first flush")
        with installed.session() as other:
            other.run("begin; lock table trigperf.host_series")
            LIB.check("trigperf_series_add", counted, 1)
            one.until(lambda f: installed.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and "
                                                "application_name like 'trigperf%'") == "1", "a flush that waits")
            LIB.check("trigperf_series_add", counted, 1)
            release = threading.Timer(0.3, lambda: other.run("commit"))
            release.start()
            one.close(10000)
            release.join()
    equal(stored(installed, "host_things_total"), "3", "with the last flush")


@test("series: the same flush again, and one that comes late, change nothing")
def _(installed):
    accepted, hour = flush(installed, 1, 1, None, 5)
    equal(accepted, "t", "accepted")
    flush(installed, 1, 2, hour, 8)
    flush(installed, 1, 2, hour, 8)
    flush(installed, 1, 1, hour, 5)
    equal(stored(installed, "a_total"), "8", "counter")
    flush(installed, 1, 3, None, 9)
    equal(stored(installed, "a_total"), "9", "one that never learned the hour")


@test("series: hours that all have left are merged, whoever was silent for long is told to start over")
def _(installed):
    past = installed.value("select date_trunc('hour', now(), 'UTC') - interval '5 hours'")
    for number in (1, 2, 3):
        flush(installed, number, 1, None, 5 * number)
    installed.sql(f"update trigperf.host_series set hour = '{past}'; update trigperf.host_process set hour = '{past}'")
    equal(installed.value("select trigperf.series_merge()"), "0", "while they write to it")
    for number in (1, 2):
        flush(installed, number, 2, installed.value("select date_trunc('hour', now(), 'UTC')"), 1)
    equal(installed.value("select trigperf.series_merge()"), "6", "rows merged")
    equal(installed.value(f"select count(*) from trigperf.host_series where hour = '{past}'"), "6", "rows left")
    equal(stored(installed, "a_total"), "32", "sum")
    before = report(installed)["series"]
    installed.sql("update trigperf.host_process set seen_at = now() - interval '3 days' where hour < now() - interval '2 hours'")
    installed.sql("select trigperf.series_merge()")
    equal(report(installed)["series"], before, "the report, whatever is merged")
    accepted, hour = flush(installed, 3, 2, past, 99)
    equal(accepted, "f", "of a process given up")
    equal(stored(installed, "a_total"), "32", "sum")
    equal(flush(installed, 3, 3, hour, 1)[0], "t", "once it started over")
    equal(stored(installed, "a_total"), "33", "sum")


# --- retention, seeds' functions ------------------------------------------------------------------

@test("retention removes what is old, in batches, and nothing else")
def _(installed):
    installed.sql("""insert into trigperf.trigger_execution_log (source, duration_ms, at)
        select 'host', 1, now() - make_interval(days => d) from generate_series(0, 99) d;
        insert into trigperf.alert_history (rule, level, message, at)
        select 'r', 'ok', 'm', now() - make_interval(days => d) from generate_series(0, 99) d""")
    equal(installed.value("select trigperf.metrics_cleanup(30, 50)"), "100", "first batch")
    equal(installed.value("select trigperf.metrics_cleanup(30, 50)"), "40", "second batch")
    equal(installed.value("select trigperf.metrics_cleanup(30, 50)"), "0", "nothing is left")
    equal(installed.value("select count(*) from trigperf.trigger_execution_log"), "30", "kept")
    contains(installed.fails("select trigperf.metrics_cleanup(0)"), "at least one day", "error")


@test("cleanup_trigger_error_log: keeps what is young")
def _(installed):
    installed.sql("""insert into trigperf.trigger_error_log (table_name, operation, error_message, occurred_at)
        select 't', 'INSERT', 'm', now() - make_interval(days => d) from generate_series(0, 39) d""")
    equal(installed.value("select trigperf.cleanup_trigger_error_log()"), "10", "removed")
    equal(installed.value("select trigperf.cleanup_trigger_error_log(0)"), "30", "all of them")


@test("get_cache_trigger_health and test_cache_invalidation")
def _(installed):
    prepared(installed)
    installed.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity", "statement")
    collect(installed)
    insert(installed, 2)
    collect(installed)
    health = "select trigger_name, enabled, health, executions from trigperf.get_cache_trigger_health() order by 1"
    equal([row[1:] for row in installed.rows(health)], [["t", "ok", "1"]] * 4, "health")
    installed.sql("alter table calls disable trigger trigperf_capture_update")
    contains(installed.value("select finding || fix from trigperf.get_cache_trigger_health() where not enabled"),
             "ENABLE TRIGGER", "fix")
    installed.sql("alter table calls enable trigger trigperf_capture_update")
    with Follower(installed, "web") as one:
        one.ready().until(lambda f: f.resyncs(), "the first resync")
        known = len(one.resyncs())
        steps = installed.rows("select step, passed from trigperf.test_cache_invalidation('calls')")
        equal(steps, [["attached", "t"], ["told", "t"], ["read", "t"]], "steps")
        one.until(lambda f: len(f.resyncs()) > known, "the resync")
        one.close()
    installed.sql("create table other(id int)")
    equal(installed.value("select passed from trigperf.test_cache_invalidation('other')"), "f", "one not attached")


@test("errors of capture functions are counted, and divided by executions")
def _(installed):
    installed.sql(f"alter database {installed.name} set track_functions = 'pl'")
    installed.sql("create table calls(id bigint primary key, note text)")
    installed.attach("public.calls", "--key", "id", "--key", "bad=(1 / (id - 3))", "--rule", "call:{id}")
    collect(installed)
    installed.sql("insert into calls values (1); insert into calls values (3); insert into calls values (4); "
                  "insert into calls values (5); select pg_stat_force_next_flush()")
    collect(installed)
    whole = [one for one in report(installed)["triggers"] if one["trigger"] is None]
    equal([(one["executions"], one["errors"], one["error_rate"], one["ours"]) for one in whole], [(4, 1, 0.25, True)],
          "figures")
    equal(len(report(installed)["errors"]), 1, "errors in the report")


if __name__ == "__main__":
    harness.main()
