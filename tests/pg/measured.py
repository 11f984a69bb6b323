"""A table with a trigger that takes a while, and what is measured of it."""

import json

SLEEPY = """create function public.{name}() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.0005); return coalesce(new, old); end $$"""


def prepared(db):
    db.sql("create table public.calls(id bigint primary key, note text)")
    db.sql(f"alter database {db.name} set track_functions = 'pl'")
    db.sql(SLEEPY.format(name="slow"))
    db.sql("create trigger slow_one before insert or update on calls for each row execute function slow()")


def collect(db):
    return json.loads(db.value("select trigperf.collect()"))


def insert(db, count):
    """Inserts rows, and leaves the server's counters up to date."""
    db.sql(f"insert into public.calls select coalesce((select max(id) from public.calls), 0) + g, 'x' "
           f"from generate_series(1, {count}) g; select pg_stat_force_next_flush()")


def executions(db, name="slow_one"):
    return db.value("select coalesce(sum(executions), -1) from trigperf.trigger_performance_metrics "
                    f"where trigger_name = '{name}'")
