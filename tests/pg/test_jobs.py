#!/usr/bin/python3
# suite: versions
"""What a context does for its database beside following it: jobs and series, on a connection of its own."""

import contextlib
import json
import os
import signal

import harness
from follower import LIB, Follower, turn_all
from harness import check, contains, equal, eventually, test
from measured import executions, insert, prepared
from pooling import pooler

QUICK = {"metrics.collect_ms": 30, "metrics.flush_ms": 0}
# The job "alerts" stands still until the table of that name has a row.
STALLED = """create table public.go (n int); grant all on public.go to public;
    create or replace function trigperf.alerts_judge(p_at_once boolean default false)
    returns setof trigperf.alert_history language plpgsql security definer as $$
    begin while not exists (select from public.go) loop perform pg_sleep(0.01); end loop; end $$"""


def attached(db):
    db.sql("create table calls (id bigint primary key)")
    db.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity", "statement")


def sessions(db, more=""):
    """Sessions of the second connection."""
    return int(db.value("select count(*) from pg_stat_activity where application_name = 'trigperf jobs' "
                        f"and datname = current_database() {more}"))


def job(db, name):
    rows = json.loads(db.value(f"select coalesce(json_agg(j), '[]') from trigperf.jobs() j where j.name = '{name}'"))
    return rows[0] if rows else {}


def outcomes(db, name):
    return [row[0] for row in db.rows(f"select outcome from trigperf.job_run where job = '{name}' order by id")]


def jobs_of(follower):
    return follower.status()["jobs"]


def deliver(follower, db, *numbers):
    for number in numbers:
        db.sql(f"insert into calls values ({number})")
        follower.until_keys(f"call:{number}")


@test("a job that takes long delays no delivery; its end is in the history")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    with Follower(installed, "web", **QUICK) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        before = job(installed, "alerts")["begun_at"]
        deliver(one, installed, *range(1, 11))
        now = job(installed, "alerts")
        equal([now["state"], now["begun_at"]], ["running", before], "the same run, after ten deliveries")
        eventually(lambda: job(installed, "alerts")["waits_for"] == "Timeout: PgSleep", "what it waits for")
        equal([jobs_of(one)["running"], jobs_of(one)["connection"]], ["alerts", "open"], "the context's own status")
        equal(sessions(installed), 1, "second connections")
        installed.value("select count(pg_terminate_backend(pid)) from pg_stat_activity "
                        "where application_name = 'trigperf' and datname = current_database()")
        deliver(one, installed, 11)
        equal(job(installed, "alerts")["begun_at"], before, "the same run, when the source has connected anew")
        pid = installed.value("select pid from trigperf.job where name = 'alerts'")
        installed.sql("insert into go values (1)")
        one.until(lambda f: job(installed, "alerts")["runs"] > 1, "further runs")
        check(installed.value("select pid from trigperf.job where name = 'alerts'") != pid, "the connection is not new")
        equal(outcomes(installed, "alerts"), [], "runs that had nothing to do are not listed")
        one.close()


@test("a lock on what jobs and series write to delays no delivery")
def _(installed):
    attached(installed)
    installed.sql(f"alter database {installed.name} set track_functions = 'pl'")
    with Follower(installed, "web", **{**QUICK, "metrics.flush_ms": 30}) as one:
        one.ready().until(lambda f: job(installed, "collect").get("runs", 0) > 1, "a first look")
        with installed.session() as holder:
            holder.run("begin; lock trigperf.trigger_performance_metrics, trigperf.host_series, "
                       "trigperf.collect_state in access exclusive mode")
            one.until(lambda f: sessions(installed, "and wait_event_type = 'Lock'") == 1, "waiting for the lock")
            deliver(one, installed, *range(1, 11))
            equal(installed.value("select count(*) from pg_locks where not granted and locktype = 'relation' and pid "
                                  "in (select pid from pg_stat_activity where application_name = 'trigperf')"), "0",
                  "waiting connections of the source")
            holder.run("rollback")
        runs = job(installed, "collect")["runs"]
        one.until(lambda f: job(installed, "collect")["runs"] > runs + 2, "looks afterwards")
        one.close()


@test("jobs.connection = shared: all of it over one connection, and delivery stands behind a long job")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    with Follower(installed, "web", **{**QUICK, "metrics.flush_ms": 30, "jobs.connection": "shared"}) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        equal([sessions(installed), jobs_of(one)["connection"]], [0, "shared"], "connections")
        installed.sql("insert into calls values (1)")
        for _ in range(15):
            one.turn()
        equal(one.keys(), set(), "delivered while the job runs")
        installed.sql("insert into go values (1)")
        one.until_keys("call:1")
        one.until(lambda f: installed.value("select count(*) > 0 from trigperf.host_series") == "t", "series")
        one.close()


@test("closing ends the job that runs, and writes what was measured last")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    with Follower(installed, "web", **{**QUICK, "metrics.flush_ms": 3600000}) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        deliver(one, installed, 1)
        equal(LIB.trigperf_context_close(one.context, 60000, None), 0, "closing")
        eventually(lambda: sessions(installed, "and state = 'active'") == 0, "the statement's end")
        equal(outcomes(installed, "alerts"), ["cancelled"], "history")
        equal(job(installed, "alerts")["state"], "cancelled", "state")
        equal(installed.value("select count(*) from trigperf.job_lease"), "0", "leases")
        check(int(installed.value("select count(*) from trigperf.host_series")) > 10, "the last flush is missing")
        one.free()
    eventually(lambda: sessions(installed) == 0, "the connection's end")


@test("a job ends when another context leads it")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    with Follower(installed, "web", **QUICK) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        installed.sql("update trigperf.job_lease set instance = gen_random_uuid(), beat = clock_timestamp()")
        # it asks every ten seconds, and at once on a new connection
        installed.value("select count(pg_terminate_backend(pid)) from pg_stat_activity "
                        "where application_name = 'trigperf' and datname = current_database()")
        one.until(lambda f: outcomes(installed, "alerts") == ["cancelled"], "the job's end")
        equal(jobs_of(one)["leads"], [], "jobs that it leads")
        deliver(one, installed, 1)
        one.close()


@test("closing waits no longer for series that cannot be written")
def _(installed):
    attached(installed)
    with Follower(installed, "web", **{**QUICK, "metrics.flush_ms": 3600000}) as one:
        one.ready().until(lambda f: jobs_of(f)["connection"] == "open", "the second connection")
        with installed.session() as holder:
            holder.run("begin; lock trigperf.host_series in access exclusive mode")
            deliver(one, installed, 1)
            equal(LIB.trigperf_context_close(one.context, 60000, None), 0, "closing, with the lock held")
            equal(installed.value("select acked_at is not null from trigperf.consumer"), "t", "the position is stored")
            equal(installed.value("select count(*) from trigperf.member"), "0", "contexts")
            holder.run("rollback")
        one.free()


@test("a process that dies: its statement ends, the run is lost, another one leads")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    with Follower(installed, "web", **QUICK) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        one.free()
    with Follower(installed, "other", application_name="other", **QUICK) as two:
        two.ready().until(lambda f: f.status()["jobs"]["schema"] == "present", "knowing the schema")
        installed.sql("update trigperf.job_lease set beat = beat - interval '1 minute'")
        eventually(lambda: sessions(installed) == 0, "the statement's end")
        installed.sql("insert into go values (1)")
        two.until(lambda f: outcomes(installed, "alerts") == ["lost", "done"], "the lost run, and the next one")
        equal(job(installed, "alerts")["leader"], "other", "leader")
        two.close()


@test("one of several leads, and goes on in the rhythm of the one before")
def _(installed):
    attached(installed)
    slow = {**QUICK, "metrics.collect_ms": 3600000, "kpi.refresh_ms": 20}
    with Follower(installed, "one", application_name="one", **slow) as one:
        one.ready().until(lambda f: "kpi" in jobs_of(f)["leads"], "leading")
        with Follower(installed, "two", application_name="two", **slow) as two:
            two.ready()
            turn_all([one, two], lambda: job(installed, "kpi").get("runs", 0) > 3, "runs")
            equal([jobs_of(two)["leads"], job(installed, "kpi")["leader"]], [[], "one"], "leaders")
            one.close()
            two.close()
    installed.sql("insert into trigperf.job (name, begun_at, ended_at, outcome, rows) "
                  "values ('alerts', clock_timestamp(), clock_timestamp(), 'done', 0)")
    instance = "00000000-0000-0000-0000-000000000001"
    lead = f"select string_agg(j, ' ') from trigperf.job_lead('{instance}', 'x', array['alerts', 'collect'], 30000) j"
    equal(installed.value(lead), "alerts collect", "led")
    equal(installed.value(lead.replace("0001'", "0002'")), None, "led by somebody else")
    begin = "select go, wait_ms > 50000 from trigperf.job_begin('{}', '" + instance + "', 'x', 60000, 1000)"
    equal(installed.rows(begin.format("alerts"))[0], ["f", "t"], "done a moment ago")
    equal(installed.rows(begin.format("collect"))[0], ["t", "f"], "never done")
    equal(installed.rows(begin.format("kpi"))[0][0], "f", "not led")


@test("what fails is tried again, each time later, and listed")
def _(installed):
    attached(installed)
    installed.sql("""create or replace function trigperf.alerts_judge(p_at_once boolean default false)
        returns setof trigperf.alert_history language plpgsql security definer as $$
        begin raise 'out of %', 'order' using errcode = 'TP001'; end $$""")
    with Follower(installed, "web", **QUICK) as one:
        one.ready().until(lambda f: len(outcomes(installed, "alerts")) > 3, "four attempts")
        deliver(one, installed, 1)
        rows = installed.rows("select attempt, outcome, sqlstate, error, begun_at - lag(ended_at, 1, begun_at) over "
                              "(order by id) < interval '10 ms' * 2 ^ attempt / 4 from trigperf.job_run order by id limit 4")
        equal([row[:3] for row in rows], [[str(n), "failed", "TP001"] for n in (1, 2, 3, 4)], "history")
        contains(rows[0][3], "out of order", "error")
        equal([level for level, line in one.log_lines if "alerts failed" in line and level < 2], [1], "warnings")
        equal(jobs_of(one)["failed"], ["alerts"], "the context's own status")
        one.until(lambda f: jobs_of(f)["running"] is None, "a moment in between")
        told = json.loads(installed.trigperf("status", "--format", "json", ok=True).out)
        equal({one["name"]: one["state"] for one in told["jobs"]}["alerts"], "failed", "status")
        contains(told["job_failures"][0]["error"], "out of order", "newest failure")
        contains(installed.trigperf("status", ok=True).out, "alerts", "status as text")
        installed.sql("create or replace function trigperf.alerts_judge(p_at_once boolean default false) returns setof "
                      "trigperf.alert_history language sql as 'select * from trigperf.alert_history limit 0'")
        one.until(lambda f: outcomes(installed, "alerts")[-1] == "done", "the end of it")
        one.until(lambda f: any("works again" in line for _, line in f.log_lines), "a line of the log")
        equal(jobs_of(one)["failed"], [], "the context's own status")
        one.close()


@test("runs of a minute share a row of the history, which is kept for so many days")
def _(installed):
    instance = "00000000-0000-0000-0000-000000000001"
    installed.sql(f"""select trigperf.job_lead('{instance}', 'x', array['a'], 30000);
        do $$ begin for i in 1 .. 5 loop
            perform trigperf.job_begin('a', '{instance}', 'x', 0, 1000);
            perform trigperf.job_end('a', '{instance}', 'done', i, null, null);
        end loop; end $$""")
    equal(installed.rows("select runs, rows from trigperf.job_run"), [["5", "15"]], "the row")
    installed.sql("update trigperf.job_run set begun_at = begun_at - interval '31 days'; "
                  f"select trigperf.job_begin('a', '{instance}', 'x', 0, 1000)")
    installed.sql(f"select trigperf.job_end('a', '{instance}', 'done', 1, null, null)")
    equal(installed.value("select count(*) from trigperf.job_run"), "1", "another session's end is none")
    equal(installed.value("select trigperf.metrics_cleanup(30)"), "1", "removed")
    equal(installed.value("select trigperf.metrics_cleanup(30)"), "0", "removed again")


@test("the connection is there while there is work")
def _(installed):
    attached(installed)
    with Follower(installed, "web", **{"jobs.enabled": "off", "metrics.flush_ms": 700, "jobs.idle_ms": 50}) as one:
        one.ready()
        equal(jobs_of(one)["connection"], "closed", "before there is any")
        for _ in range(2):
            one.until(lambda f: jobs_of(f)["connection"] == "open", "the connection")
            one.until(lambda f: jobs_of(f)["connection"] == "closed", "its end")
        equal(sessions(installed), 0, "sessions")
        check(int(installed.value("select count(*) from trigperf.host_series")) > 10, "nothing was written")
        equal(installed.value("select count(*) from trigperf.job_lease"), "0", "leases")
        one.close()


@test("no connection is left: jobs wait, with one line of the log; delivery goes on")
def _(installed):
    attached(installed)
    installed.sql("create role narrow login connection limit 1")
    installed.trigperf("grants", "--consumer", "narrow", "--apply", ok=True)
    user = installed.as_user("narrow")
    with Follower(user, "web", **{**QUICK, "metrics.flush_ms": 30, "reconnect.max_ms": 100}) as one:
        one.ready().until(lambda f: jobs_of(f).get("reconnects", 0) > 2, "attempts")
        contains(jobs_of(one)["connection_error"], "too many connections", "error")
        deliver(one, installed, 1, 2, 3)
        equal(len([line for level, line in one.log_lines if level < 2]), 1, "warnings")
        installed.sql("alter role narrow connection limit 3")
        one.until(lambda f: job(installed, "collect").get("runs", 0) > 1, "the job")
        check(any("is back" in line for _, line in one.log_lines), f"log {one.log_lines}")
        equal([line for level, line in one.log_lines if level < 2][1:], [], "further warnings")
        one.close()


def flushes(db):
    return int(db.value("select coalesce(max(sequence), 0) from trigperf.host_process"))


# What STALLED does, and does not heed being cancelled.
STUBBORN = STALLED.replace("begin while not exists (select from public.go) loop perform pg_sleep(0.01); end loop; end",
                           "begin while not exists (select from public.go) loop begin perform pg_sleep(0.01); "
                           "exception when query_canceled then null; end; end loop; end")


@test("series do not wait for a job that takes long")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    third = "select count(*) from pg_stat_activity where application_name = 'trigperf series' and datname = current_database()"
    with Follower(installed, "web", **{**QUICK, "metrics.flush_ms": 30, "jobs.idle_ms": 100}) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        run, before = job(installed, "alerts")["begun_at"], flushes(installed)
        one.until(lambda f: flushes(installed) > before + 3, "series beside the job")
        equal([job(installed, "alerts")["begun_at"], job(installed, "alerts")["state"]], [run, "running"], "the same run")
        equal([installed.value(third), jobs_of(one)["series"]["connection"]], ["1", "open"], "the third connection")
        deliver(one, installed, 1)
        before = flushes(installed)
        installed.value("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'trigperf series'")
        one.until(lambda f: flushes(installed) > before + 3, "series over another one, when it was cut")
        installed.sql("insert into go values (1)")
        one.until(lambda f: job(installed, "alerts")["runs"] > 1, "the job's end, and another run")
        one.until(lambda f: installed.value(third) == "0", "the end of the third connection")
        before = flushes(installed)
        one.until(lambda f: flushes(installed) > before + 3, "series over the second one")
        one.close()


@test("closing writes what was measured last, beside a job that does not end")
def _(installed):
    attached(installed)
    installed.sql(STUBBORN)
    with Follower(installed, "web", **{**QUICK, "metrics.flush_ms": 3600000}) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        deliver(one, installed, 1)
        equal(LIB.trigperf_context_close(one.context, 60000, None), 0, "closing")
        equal(job(installed, "alerts")["state"], "running", "the job, which was cancelled in vain")
        check(int(installed.value("select count(*) from trigperf.host_series")) > 10, "the last flush is missing")
        one.free()
    installed.sql("insert into go values (1)")
    eventually(lambda: sessions(installed) == 0, "the connection's end")


def findings(db, name):
    told = json.loads(db.trigperf("doctor", "--format", "json", ok=None).out)
    return [(one["severity"], one["found"]) for one in told["findings"] if one["check"] == name]


def warnings(follower):
    return [line for level, line in follower.log_lines if level < 2]


def hold(db, user, held, count):
    """Sessions of the user, one of them in the place of the connection for jobs: its host does not turn meanwhile."""
    of_host = f"from pg_stat_activity where usename = '{user.user}' and application_name <> 'psql'"
    db.sql(f"select pg_terminate_backend(pid) from (select pid {of_host} order by backend_start offset 1) as s")
    eventually(lambda: db.value(f"select count(*) {of_host}") == "1", "the end of the connection for jobs")
    for _ in range(count):
        held.enter_context(user.session()).run("select 1")


@test("max_connections is reached, then the reserved ones too: delivery goes on, jobs wait and come back")
def _():
    with harness.Cluster(options=["-c max_connections=9", "-c superuser_reserved_connections=3"]) as small:
        db = small.installed()
        attached(db)
        db.sql("create role narrow login")
        db.trigperf("grants", "--consumer", "narrow", "--apply", ok=True)
        user = db.as_user("narrow")
        with Follower(user, "web", **{**QUICK, "metrics.flush_ms": 30, "reconnect.max_ms": 100, "jobs.idle_ms": 50}) as one, \
                contextlib.ExitStack() as held:
            one.ready()
            hold(db, user, held, 5)
            one.until(lambda f: jobs_of(f).get("reconnects", 0) > 2, "attempts")
            one.until(lambda f: jobs_of(f)["connection"] == "backoff", "the context's own status")
            warned = warnings(one)
            check(warned, "nobody was warned")
            contains(jobs_of(one)["connection_error"], "remaining connection slots are reserved", "error")
            deliver(one, db, 1, 2)
            equal(findings(db, "connections"), [("critical", "6 of the 6 connections that are not reserved are in use: "
                                                 "nobody else gets one, jobs and series of contexts wait")], "doctor")
            contains(user.trigperf("doctor", ok=None).out + user.trigperf("doctor", ok=None).err, "reserved", "without rights")
            writer = held.enter_context(db.session())
            writer.run("select 1")
            for _ in range(2):
                held.enter_context(db.session()).run("select 1")
            one.until(lambda f: "too many clients" in jobs_of(f)["connection_error"], "the server's word for it")
            writer.run("insert into calls values (3)")
            one.until_keys("call:3")
            equal(warnings(one), warned, "warnings")
            held.close()
            one.until(lambda f: jobs_of(f)["connection_error"] is None, "a connection")
            one.until(lambda f: job(db, "collect").get("runs", 0) > 1 and flushes(db) > 0, "jobs and series")
            check(any("is back" in line for _, line in one.log_lines), f"log {one.log_lines}")
            equal(findings(db, "connections")[0][0] != "critical", True, "doctor afterwards")
            one.close()


@test("through a pooler in session mode: jobs are begun, and ended on the way out")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    with pooler(installed, "session", size=3) as way, Follower(installed, "web", str(way), **QUICK) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        deliver(one, installed, 1)
        one.close()
        equal(outcomes(installed, "alerts"), ["cancelled"], "history")


@test("a forked child lets go of the connection and leaves the parent's job alone")
def _(installed):
    attached(installed)
    installed.sql(STALLED)
    with Follower(installed, "web", **QUICK) as one:
        one.ready().until(lambda f: job(installed, "alerts").get("state") == "running", "the job")
        child = os.fork()
        if child == 0:
            LIB.trigperf_context_free(one.context)
            os._exit(0)
        equal(os.waitpid(child, 0)[1], 0, "the child's end")
        installed.sql("insert into go values (1)")
        one.until(lambda f: job(installed, "alerts")["runs"] > 1, "the job's end, and another one")
        equal(outcomes(installed, "alerts"), [], "runs that did not end well")
        one.close()


# --- source = notify ------------------------------------------------------------------------------

@test("source = notify: collects and writes its series where the schema is installed")
def _(installed):
    prepared(installed)
    with Follower(installed, source="notify", **{**QUICK, "metrics.flush_ms": 30}) as one:
        one.ready().until(lambda f: job(installed, "collect").get("runs", 0) > 1, "the first look")
        insert(installed, 5)
        one.until(lambda f: executions(installed) == "5", "the executions")
        one.until(lambda f: installed.value("select count(*) > 10 from trigperf.host_series") == "t", "series")
        one.close()


@test("source = notify: without the schema there is one line of the log, and with it work begins")
def _(db):
    with Follower(db, source="notify", **{**QUICK, "metrics.flush_ms": 30}) as one:
        one.ready().until(lambda f: jobs_of(f)["schema"] == "absent", "the answer")
        for _ in range(10):
            one.turn()
        equal([line for _, line in one.log_lines if "no schema" in line and "jobs" in line][1:], [], "further lines")
        equal([jobs_of(one)["connection"], sessions(db)], ["closed", 0], "the second connection")
        db.trigperf("install", ok=True)
        db.value("select count(pg_terminate_backend(pid)) from pg_stat_activity "
                 "where application_name = 'trigperf' and datname = current_database()")
        one.until(lambda f: job(db, "collect").get("runs", 0) > 0, "the first look")
        one.close()


@test("source = notify: a role without rights is told so once, and listens on")
def _(installed):
    installed.sql("create role bare login; create table calls (id bigint); create trigger t after insert on calls "
                  "for each row execute function trigperf.notify_cache_invalidation()")
    with Follower(installed.as_user("bare"), source="notify", **QUICK) as one:
        one.ready().until(lambda f: jobs_of(f)["schema"] == "forbidden", "the answer")
        installed.sql("insert into calls values (1)")
        one.until(lambda f: f.status()["notifications"] == 1, "the notification")
        equal(len([line for level, line in one.log_lines if level < 2]), 1, "warnings")
        one.close()


# --- statistics that are lost ---------------------------------------------------------------------

def sound(db):
    equal(db.value("select count(*) from trigperf.trigger_performance_metrics "
                   "where executions < 0 or total_ms < 0 or self_ms < 0"), "0", "rows below zero")


@test("the statistics are reset while a context collects: nothing twice, nothing below zero")
def _(installed):
    prepared(installed)
    with Follower(installed, "web", **QUICK) as one:
        one.ready().until(lambda f: job(installed, "collect").get("runs", 0) > 0, "the first look")
        for reset in ("pg_stat_reset()", "pg_stat_reset_single_function_counters('public.slow'::regproc)",
                      "pg_stat_reset_shared('bgwriter')", "pg_stat_reset()"):
            before = int(executions(installed))
            insert(installed, 6)
            one.until(lambda f: int(executions(installed)) == max(before, 0) + 6, "what came before the reset")
            installed.sql(f"select {reset}")
            insert(installed, 4)
            one.until(lambda f: int(executions(installed)) == max(before, 0) + 10, f"what came after {reset}")
        sound(installed)
        one.close()


def crash(cluster):
    """Kills the server's first process: the others notice and go without a word."""
    with open(os.path.join(os.path.dirname(cluster.env["TRIGPERF_PG_SOCKET"]), "data", "postmaster.pid"),
              encoding="utf-8") as file:
        pid = int(file.readline())
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        others = file.read().split()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(os.path.exists(f"/proc/{one}") for one in (pid, *others)), "the server's end")
    cluster.resume()


@test("the server crashes while a context collects: counters that begin anew are told from old ones")
def _(cluster, installed):
    prepared(installed)
    with Follower(installed, "web", **QUICK) as one:
        one.ready().until(lambda f: job(installed, "collect").get("runs", 0) > 0, "the first look")
        for number, (end, after) in enumerate([(lambda: cluster.halt("immediate") or cluster.resume(), 3),
                                               (lambda: crash(cluster), 40)]):
            insert(installed, 9)
            one.until(lambda f: int(executions(installed)) > 0, "executions")
            with installed.session() as holder:
                holder.run("begin; lock trigperf.trigger_performance_metrics in share mode")
                insert(installed, 5)
                one.until(lambda f: sessions(installed, "and wait_event_type = 'Lock'") == 1, "being in the middle of it")
                end()
            kept = int(installed.value("select coalesce(sum(executions), 0) from trigperf.trigger_performance_metrics"))
            # more commits than there were before, so that their number does not tell
            installed.sql(f"do $$ begin for i in 1 .. {1000 + 4000 * number} loop perform 1; commit; end loop; end $$")
            insert(installed, after)
            one.until(lambda f: int(executions(installed)) >= kept + after, f"what came after crash {number}")
            equal(int(executions(installed)), kept + after, f"executions after crash {number}")
            insert(installed, 2)
            one.until(lambda f: int(executions(installed)) == kept + after + 2, "what came later")
        sound(installed)
        one.close()


if __name__ == "__main__":
    harness.main()
