#!/usr/bin/python3
"""What capturing costs the writers.

Each variant has a table of its own with the same 100,000 rows. Ours, and PgQ's triggers, watch the same
columns; nobody reads either. Notifications have one listener, as in use, and are shown without one too.
Tables are vacuumed and outboxes emptied before each run.
"""

import bench

ROWS = 100_000

NOTIFY_FUNCTION = """
create function notify_change() returns trigger language plpgsql as $$
begin
    perform pg_notify(tg_argv[0], json_build_object('table', 'public.' || tg_table_name, 'op', tg_op,
                                                    'user_id', new.user_id, 'id', new.id)::text);
    return null;
end $$"""

VARIANTS = {
    "none": "no trigger",
    "row": "ours, row",
    "statement": "ours, statement",
    "sqltriga": "PgQ sqltriga",
    "logutriga": "PgQ logutriga",
    "notify": "row pg_notify, a listener",
    "notify_alone": "row pg_notify, no listener",
}

OURS = ("row", "statement")

ONE_ROW = "\\set id random(1, 100000)\nupdate {table} set amount = amount + 1 where id = :id;\n"
UNWATCHED = "\\set id random(1, 100000)\nupdate {table} set note = 'n' || :id where id = :id;\n"
THOUSAND = ("\\set first random(0, 99) * 1000\n"
            "update {table} set amount = amount + 1 where id > :first and id <= :first + 1000;\n")


def make_table(database, variant, key):
    table = f"calls_{variant}"
    database.sql(f"""
        create table {table}(id bigint not null, user_id bigint not null, status text not null,
                             amount bigint not null, note text, created_at timestamptz)
            with (fillfactor = 50);
        insert into {table} select i, i % 5000, 'open', 0, 'note ' || i, now()
            from generate_series(1, {ROWS}) i;""")
    database.sql(f"alter table {table} add primary key (id)" if key else f"create index on {table}(id)")
    trigger = f"create trigger t after insert or update or delete on {table} for each row execute "
    if variant in ("row", "statement"):
        database.attach(f"public.{table}", "--key", "user_id", "--key", "id", "--watch",
                        "status,amount", "--rule", "call:{id}", "--granularity", variant)
    elif variant in ("sqltriga", "logutriga"):
        database.sql(trigger + f"function pgq.{variant}('bench', 'pkey=id', 'ignore=note,created_at')")
    elif variant.startswith("notify"):
        database.sql(trigger + f"function notify_change('{variant}')")


def make_database(work, name, variants, key=True):
    """A database with a table for each variant; gives it and the variants that can be had."""
    database = work.cluster.installed(name)
    missing = bench.has_pgq(database)
    if missing:
        work.skip("PgQ", missing)
    else:
        database.sql("select pgq.create_queue('bench')")
    database.sql(NOTIFY_FUNCTION)
    kept = [v for v in variants if not (missing and VARIANTS[v].startswith("PgQ"))]
    for variant in kept:
        make_table(database, variant, key)
    database.sql("analyze")
    return database, kept


def empty_queues(database, variant):
    database.sql(f"vacuum calls_{variant}; truncate trigperf.outbox")
    if database.value("select count(*) from pg_namespace where nspname = 'pgq'") == "1":
        for (table,) in database.rows("select quote_ident(schemaname) || '.' || quote_ident(tablename) "
                                      "from pg_tables where tablename ~ '^event_\\d+_\\d+$'"):
            database.sql(f"truncate {table}")
    database.sql("checkpoint")


def measure(work, database, variants, script):
    """{variant: (median transactions per second, median server µs per transaction)}."""

    def one(variant):
        empty_queues(database, variant)
        text = script.format(table=f"calls_{variant}")
        if variant != "notify":
            return work.pgbench(database, text)
        with database.session() as listener:
            listener.run("listen notify")
            return work.pgbench(database, text)

    results = work.rounds(variants, one)
    medians = {variant: tuple(map(bench.median, zip(*runs))) for variant, runs in results.items()}
    show(work, medians, results)
    return medians


def show(work, medians, results):
    """A table for people: every variant against no trigger, and ours against it."""
    plain = medians["none"]
    work.say(f"    {'':28}{'tps':>8} {'of none':>8} {'us/tx':>9} {'of none':>8}"
             f"   ours row x, statement x (tps; cpu)   rounds")
    for variant, (tps, cpu) in medians.items():
        rates = ", ".join(f"{medians[ours][0] / tps:.2f}" for ours in OURS)
        costs = ", ".join(f"{cpu / medians[ours][1]:.2f}" for ours in OURS)
        runs = " ".join(f"{run[0]:.0f}" for run in results[variant])
        work.say(f"    {VARIANTS[variant]:28}{tps:8,.0f} {tps / plain[0]:8.1%} {cpu:9,.1f}"
                 f" {cpu / plain[1]:8.2f}   {rates + '; ' + costs:36} {runs}")


def report(work, medians, case, with_tps):
    """Ours against everybody else, in transactions per second and in the server's processor time."""
    for ours in OURS:
        for peer in (name for name in medians if name not in OURS):
            if with_tps:
                work.figure(f"{case}, {ours}", medians[ours][0], medians[peer][0], VARIANTS[peer],
                            "transactions/s", True, show=False)
            work.figure(f"{case}, {ours}, server CPU", medians[ours][1], medians[peer][1],
                        VARIANTS[peer], "us/transaction", False, show=False)


def single(work):
    work.say("  UPDATE of one row, 8 clients, synchronous commit")
    database, variants = make_database(work, "single", list(VARIANTS))
    report(work, measure(work, database, variants, ONE_ROW), "update 1 row", True)


def unwatched(work):
    work.say("  UPDATE of one row that touches no watched column")
    database, variants = make_database(work, "unwatched",
                                       ["none", "row", "statement", "sqltriga", "logutriga"])
    report(work, measure(work, database, variants, UNWATCHED), "update 1 row unwatched", True)


def bulk(work, key, name):
    text = "with" if key else "without"
    work.say(f"  UPDATE of 1,000 rows, {text} a primary key, 8 clients")
    database, variants = make_database(
        work, name, ["none", "row", "statement", "sqltriga", "logutriga", "notify"], key)
    report(work, measure(work, database, variants, THOUSAND), f"update 1000 rows {text} key", False)


if __name__ == "__main__":
    bench.main("capture", [
        ("single", single),
        ("unwatched", unwatched),
        ("bulk key", lambda work: bulk(work, True, "bulk_key")),
        ("bulk nokey", lambda work: bulk(work, False, "bulk_nokey")),
    ])
