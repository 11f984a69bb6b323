#!/usr/bin/python3
"""Out of memory is an error that passes: every allocation of a connected context fails once."""

import concurrent.futures
import os

import harness
from harness import check, test

HOST = os.path.join(harness.BUILD, "tests", "oom_host")
HOSTS = 4

TABLE = "create table calls (id bigint primary key, user_id bigint)"


def prepare(database, source):
    database.sql(TABLE)
    if source == "notify":
        database.sql("create trigger told after insert on calls for each row "
                     "execute function trigperf.notify_cache_invalidation()")
    else:
        database.attach("public.calls", "--key", "id", "--rule", "call:{id}", "--granularity",
                        "wal" if source == "wal" else "statement")


def follow(cluster, source, *more):
    """Several hosts at a time, each in a database of its own: most of what they do is to wait."""
    databases = [cluster.installed() for _ in range(HOSTS)]
    for database in databases:
        prepare(database, source)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda place: harness.run(
            [HOST, databases[place].conninfo(), source, str(place + 1), str(HOSTS), *more], timeout=1200), range(HOSTS)))
    for result in results:
        check(result.code == 0, f"{result.out} {result.err}")
    tried = sum(int(result.out) for result in results)
    check(tried > 50, f"only {tried} allocations were tried")
    print(f"# {' '.join((source, *more))}: {tried} allocations failed, one at a time")
    cluster.database().sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")


@test("each failing allocation: the context comes back, nothing is lost")
def _(cluster):
    follow(cluster, "outbox")


@test("the same with source = wal")
def _(cluster):
    follow(cluster, "wal")


@test("the same with source = notify")
def _(cluster):
    follow(cluster, "notify")


@test("the same while it does jobs, on a connection that comes and goes")
def _(cluster):
    follow(cluster, "notify", "jobs")


@test("administration with each allocation failing: all or nothing, and again is enough")
def _(db):
    db.sql("create table calls (id bigint primary key, note text); create role oom_reader; "
           "create role oom_owner; alter table calls owner to oom_owner; create type mood as enum ('a', 'b'); "
           "create domain small as int check (value < 100); create table demands (a small not null check (a > 0), "
           "m mood, t varchar(5) check (t in ('x', 'y') or length(t) > 3), n numeric(5,2), "
           "check (n < a), check (lower(t) = t)); create table checked (a int, " +
           ", ".join(f"check (a > {-i})" for i in range(10)) + "); "
           "insert into checked select 1 from generate_series(1, 12000); "
           "create table sums (k int primary key, n int); "
           "create function counts() returns trigger language plpgsql as $$ begin insert into sums (k, n) values (new.a, 1) "
           "on conflict (k) do update set n = sums.n + 1; return null; end $$; "
           "create function catches() returns trigger language plpgsql as $$ begin begin insert into sums values (new.a, 1); "
           "exception when unique_violation then null; end; return null; end $$; "
           "create trigger counts after insert on checked for each row execute function counts(); "
           "create trigger catches after insert on checked for each row execute function catches(); "
           "create function told() returns trigger language plpgsql security definer as $$ begin notify x; "
           "update demands set a = a + 1; update checked set a = 2; return null; end $$; "
           "create trigger told after insert or update on demands for each row execute function told('x'); "
           "create trigger told_too after update on demands for each row execute function told('x'); "
           "create trigger back after update on checked for each row execute function told(); "
           "select pg_stat_force_next_flush()")
    result = harness.run([os.path.join(harness.BUILD, "tests", "oom_admin"), db.conninfo()], timeout=1200)
    check(result.code == 0, f"{result.out} {result.err}")
    tried = dict(line.rsplit(" ", 1) for line in result.out.strip().split("\n"))
    check(all(int(tried[name]) > 5 for name in ("apply", "apply, otherwise", "grant consumer", "import", "advise", "doctor", "add a rule")), f"{tried}")
    check(all(int(tried[name]) > 0 for name in ("collect", "report", "put brackets", "clean up")), f"{tried}")
    print("# " + ", ".join(f"{name} {count}" for name, count in tried.items()))
    check(db.value("select to_regnamespace('trigperf') is null") == "t", "the schema is left behind")


if __name__ == "__main__":
    harness.main()
