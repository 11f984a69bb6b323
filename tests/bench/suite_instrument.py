#!/usr/bin/python3
"""What measuring triggers costs them: ours (the server's counters, and one execution in a hundred of our own
triggers) beside a log row for each execution and a table of counters.

Two questions. An execution: one statement inserts 2,000 rows, a row trigger fires for each; the difference
to the same trigger without measuring. And writers: 8 clients update a row each; the rate against the same
trigger without measuring. The triggers of `plain` and its kind add one to a column of the row, as small
triggers do.
"""

import bench

ROWS = 2_000

WORK = "new.amount := new.amount + 1;"
BODIES = {
    "plain": WORK,
    "counted": WORK,
    "log": "begun := clock_timestamp(); " + WORK
           + " insert into public.bench_log values (tg_name, begun, clock_timestamp() - begun);",
    "counters": "begun := clock_timestamp(); " + WORK + " update public.bench_counters set calls = calls + 1,"
                " total = total + (clock_timestamp() - begun) where name = tg_argv[0];",
}
VARIANTS = {
    "plain": "a trigger, not measured",
    "counted": "ours: track_functions = pl",
    "log": "a log row each",
    "counters": "a table of counters",
    "capture": "our capture trigger, not sampled",
    "sampled": "ours: 1 % sampled, counted",
}
# what each is measured against
BASE = {"counted": "plain", "log": "plain", "counters": "plain", "sampled": "capture"}
TRACKED = ("counted", "sampled")


def make_database(work, name):
    database = work.cluster.installed(name)
    database.sql("""create table public.bench_log(name text, at timestamptz, took interval);
        create table public.bench_counters(name text primary key, calls bigint, total interval) with (fillfactor = 50)""")
    for variant in VARIANTS:
        database.sql(f"""create table {variant}(id bigint primary key, amount bigint not null, note text)
            with (fillfactor = 50); insert into {variant} select i, 0, 'note' from generate_series(1, 100000) i;
            insert into bench_counters values ('{variant}', 0, '0')""")
        if variant in BODIES:
            database.sql(f"""create function {variant}() returns trigger language plpgsql as
                $$ declare begun timestamptz; begin {BODIES[variant]} return new; end $$;
                create trigger t before insert or update on {variant} for each row execute
                function {variant}('{variant}')""")
        else:
            database.attach(variant, "--key", "id", "--granularity", "row", "--sample-rate",
                            "0.01" if variant == "sampled" else "0")
    database.sql("analyze")
    return database


def prepare(database, variant):
    tracked = "pl" if variant in TRACKED else "none"
    database.sql(f"alter database {database.name} set track_functions = '{tracked}'")
    database.sql(f"vacuum {variant}; vacuum bench_counters; truncate bench_log, trigperf.outbox, "
                 "trigperf.trigger_execution_log; checkpoint")


def show(work, medians, results, unit, digits):
    for variant, value in medians.items():
        base = BASE.get(variant)
        against = "" if base is None else f"{value - medians[base]:+10.{digits}f} {value / medians[base]:8.1%}"
        runs = " ".join(f"{run:.{digits}f}" for run in results[variant])
        work.say(f"    {VARIANTS[variant]:34}{value:12,.{digits}f} {unit:8}{against:22}   {runs}")


def execution(work):
    work.say(f"  INSERT of {ROWS:,} rows in a statement, microseconds a row at best; difference to the trigger not measured")
    database = make_database(work, "execution")

    def one(variant):
        prepare(database, variant)
        best = None
        for _ in range(3 if variant == "counters" else 15):
            took = database.value(f"""do $$ declare begun timestamptz := clock_timestamp(); begin
                insert into {variant} select i, 0, 'note' from generate_series(200001, {200000 + ROWS}) i;
                perform set_config('bench.took', extract(epoch from clock_timestamp() - begun)::text, false);
                delete from {variant} where id > 200000; end $$; select current_setting('bench.took')""")
            best = min(float(took), best or float(took))
        return best * 1e6 / ROWS

    results = work.rounds(list(VARIANTS), one)
    medians = {variant: min(runs) for variant, runs in results.items()}
    show(work, medians, results, "us/row", 2)
    for ours in ("counted", "sampled"):
        for peer in ("log", "counters"):
            work.figure(f"added to an execution, {VARIANTS[ours]}", max(medians[ours] - medians[BASE[ours]], 0.001),
                        medians[peer] - medians["plain"], VARIANTS[peer], "us", False)


def writers(work):
    work.say("  UPDATE of one row, 8 clients; difference to the trigger not measured")
    database = make_database(work, "writers")

    def one(variant):
        prepare(database, variant)
        return work.pgbench(database, "\\set id random(1, 100000)\n"
                            f"update {variant} set note = 'n' || :id where id = :id;\n")

    results = work.rounds(list(VARIANTS), one)
    rates = {variant: [run[0] for run in runs] for variant, runs in results.items()}
    medians = {variant: bench.median(runs) for variant, runs in rates.items()}
    show(work, medians, rates, "tx/s", 0)
    costs = {variant: bench.median([run[1] for run in runs]) for variant, runs in results.items()}
    work.say("    server us/transaction: " + ", ".join(f"{VARIANTS[v]} {costs[v]:.1f}" for v in VARIANTS))
    for ours in ("counted", "sampled"):
        for peer in ("log", "counters"):
            work.figure(f"share of the rate kept, {VARIANTS[ours]}", medians[ours] / medians[BASE[ours]],
                        medians[peer] / medians["plain"], VARIANTS[peer], "of 1", True)


if __name__ == "__main__":
    bench.main("instrument", [("execution", execution), ("writers", writers)])
