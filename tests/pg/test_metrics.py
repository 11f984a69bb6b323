#!/usr/bin/python3
# suite: versions
"""What a context that follows a database tells about itself, and alerts on it."""

import ctypes
import json

import harness
from follower import LIB, TIMEOUT, Follower
from harness import check, equal, eventually, test


def attached(database):
    database.sql("create table calls (id bigint primary key)")
    database.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity", "statement")


def series(follower):
    """{name: value, or count of a histogram} of the series without labels."""
    families = json.loads(LIB.text("trigperf_series_text", follower.context, b"json"))
    return {family["name"]: one.get("value", one.get("count"))
            for family in families for one in family["series"] if not one["labels"]}


@test("rows, polls, reconnects, lag and durations are counted")
def _(installed):
    attached(installed)
    with Follower(installed, "web") as follower:
        follower.ready().until(lambda f: f.resyncs(), "the first resync")
        before = series(follower)
        equal(before["trigperf_source_ready"], 1, "ready")
        installed.sql("insert into calls values (1), (2)")
        follower.until_keys("call:1", "call:2")
        after = series(follower)
        equal(after["trigperf_source_rows_total"] - before["trigperf_source_rows_total"], 1, "rows of the outbox")
        equal(after["trigperf_changes_total"] - before["trigperf_changes_total"], 2, "changes")
        equal(after["trigperf_keys_delivered_total"] - before["trigperf_keys_delivered_total"], 2, "keys")
        check(after["trigperf_source_polls_total"] > before["trigperf_source_polls_total"], "polls stand still")
        check(after["trigperf_batch_apply_seconds"] >= 2, "acknowledged batches were not timed")
        check(after["trigperf_turn_seconds"] > before["trigperf_turn_seconds"], "turns were not timed")
        check(0 <= after["trigperf_source_lag_seconds"] < harness.PATIENCE, f"lag {after}")
        equal(after["trigperf_source_reconnects_total"], 0, "reconnects")
        installed.value("select count(pg_terminate_backend(pid)) from pg_stat_activity"
                        " where application_name = 'trigperf' and datname = current_database()")
        follower.until(lambda f: series(f)["trigperf_source_reconnects_total"] > 0, "a reconnect")
        follower.close()


@test("an alert wakes who waits: the library's thread processes, the connection is lost")
def _(installed):
    attached(installed)
    settings = {"alert.interval_ms": 20}
    with Follower(installed, "web", **settings) as follower:
        follower.ready()
        LIB.check("trigperf_alert_rule", follower.context, b"lag",
                  b"measure=value series=trigperf_source_ready direction=below warn=1 hysteresis=0 cooldown_ms=0")
        LIB.check("trigperf_thread_start", follower.context)
        other = harness.Database(installed.cluster, "postgres")
        other.sql(f"alter database {installed.name} allow_connections false")
        other.value("select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    f" where application_name = 'trigperf' and datname = '{installed.name}'")
        equal(wait_for(follower)["to"], "warning", "level")
        other.sql(f"alter database {installed.name} allow_connections true")
        equal(wait_for(follower)["to"], "ok", "level")
        LIB.check("trigperf_thread_stop", follower.context)
        follower.close()


def wait_for(follower):
    """Waits until an alert comes; acknowledges batches on the way."""
    found = []

    def came():
        status = LIB.trigperf_wait(follower.context, 1000, None)
        check(status in (0, TIMEOUT), f"wait returned {status}")
        follower.take()
        alert = LIB.made("trigperf_alert_next", follower.context)
        if alert:
            found.append(json.loads(LIB.trigperf_alert_json(alert)))
            LIB.trigperf_alert_free(ctypes.c_void_p(alert.value))
        return found

    eventually(came, "an alert", pause=0)
    return found[0]


if __name__ == "__main__":
    harness.main()
