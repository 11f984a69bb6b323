#!/usr/bin/python3
"""What measuring triggers costs them: ours (the server's counters, and one execution in a hundred of our own
triggers) beside a log row for each execution and a table of counters.

Two questions. An execution: one statement inserts 2,000 rows, a row trigger fires for each; the difference
to the same trigger without measuring. And writers: 8 clients update a row each; the rate against the same
trigger without measuring, which runs by turns with it, each for a tenth of a second: runs of seconds, one after
the other, differ by more than what is to be seen, and so do tables. How well that works is told by a trigger
beside another like it. The triggers of `plain` and its kind add one to a column of the row, as small triggers do.
"""

import os
import statistics

import bench
import harness

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
    "alike": "another like it",
    "sampled": "ours: 1 % sampled, counted",
}
# what each is measured against
BASE = {"counted": "plain", "log": "plain", "counters": "plain", "alike": "capture", "sampled": "capture"}
TRACKED = ("counted", "sampled")

TURN_MS = 100
# Rounds of turns for each second of the options: a loss of a hundredth needs more of them than one of a quarter.
WEIGHTS = {"log": 2, "counters": 2, "counted": 8, "alike": 8, "sampled": 16}


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


def show(work, medians, results):
    for variant, value in medians.items():
        base = BASE.get(variant)
        against = "" if base is None else f"{value - medians[base]:+10.2f} {value / medians[base]:8.1%}"
        runs = " ".join(f"{run:.2f}" for run in results[variant])
        work.say(f"    {VARIANTS[variant]:34}{value:12,.2f} us/row  {against:22}   {runs}")


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
    show(work, medians, results)
    for ours in ("counted", "sampled"):
        for peer in ("log", "counters"):
            work.figure(f"added to an execution, {VARIANTS[ours]}", max(medians[ours] - medians[BASE[ours]], 0.001),
                        medians[peer] - medians["plain"], VARIANTS[peer], "us", False)


def middle(values):
    """(median, its standard error), from the quartiles: a few bad moments do not count."""
    low, median, high = statistics.quantiles(values, n=4)
    return median, 0.93 * (high - low) / len(values) ** 0.5


def make_target(work):
    """A database with one table that has the triggers of all: two tables alike differ by some microseconds a
    transaction, by where their pages are and how full they have become."""
    database = make_database(work, "writers")
    database.sql("""create table target(id bigint primary key, amount bigint not null, note text) with (fillfactor = 50);
        insert into target select i, 0, 'note' from generate_series(1, 100000) i""")
    for variant in VARIANTS:
        when, function = "before", f"public.{variant}"
        if variant not in BODIES:
            name = database.value(f"select function_name from trigperf.captured_table where table_name = '{variant}'")
            when, function = "after", f"trigperf.{name}"
        database.sql(f"create trigger {variant} {when} update on target for each row execute function {function}('{variant}')")
    database.sql("vacuum analyze")
    return database


def turns(work, database, base, variant, rounds):
    """[[(transactions a second, server us a transaction) of base, of variant], ...] by rounds; the first, in which
    sessions compile and plan, is left out. Both triggers are there, one fires in sessions of a replica."""
    database.sql(f"""alter table target disable trigger user; alter table target enable replica trigger {base};
        alter table target enable trigger {variant}; truncate bench_log, trigperf.outbox, trigperf.trigger_execution_log""")
    database.sql("vacuum target; vacuum bench_counters; checkpoint")
    options = [f"-c session_replication_role={role} -c track_functions={'pl' if name in TRACKED else 'none'}"
               for role, name in (("replica", base), ("origin", variant))]
    output = harness.run([os.path.join(harness.BUILD, "bench_turns"), database.conninfo(), "target", "8", str(TURN_MS),
                          str(rounds + 1), *options], env=database.env(), ok=True, timeout=600).out
    sums = [[[0, 0, 0], [0, 0, 0]] for _ in range(rounds + 1)]
    for line in output.splitlines():
        number, kind, *figures = (int(field) for field in line.split())
        sums[number][kind] = [one + another for one, another in zip(sums[number][kind], figures)]
    return [[(count / took * 1e9, cpu / count / 1000) for count, took, cpu in of_round] for of_round in sums[1:]]


def kept(work, database, variant, weight):
    """The share of the rate that the base's writers keep with the variant."""
    base = BASE[variant]
    found = turns(work, database, base, variant, weight * work.chosen.rounds * work.chosen.seconds)
    rates = [bench.median([each[i][0] for each in found]) for i in (0, 1)]
    server = [bench.median([each[i][1] for each in found]) for i in (0, 1)]
    share, share_error = middle([new[0] / old[0] for old, new in found])
    added, added_error = middle([new[1] - old[1] for old, new in found])
    work.say(f"    {VARIANTS[variant]:34}{rates[0]:10,.0f} {rates[1]:10,.0f} {share:8.1%} +-{share_error:5.1%}"
             f"{server[0]:8.1f} {server[1]:8.1f} {added:+8.1f} +-{added_error:4.1f}")
    return share


def writers(work):
    if not os.path.exists("/proc/self/schedstat"):
        return work.skip("writers", "this system does not tell processor times of processes in nanoseconds")
    work.say(f"  UPDATE of one row, 8 clients, in turns of {TURN_MS} ms with the trigger not measured: medians of rounds of four"
             " turns, and the standard error of the median")
    work.say(f"    {'':34}{'tx/s':>10} {'measured':>10} {'kept':>8} {'':8}{'server us':>8}{'measured':>9}{'added':>9}")
    database = make_target(work)
    shares = {variant: kept(work, database, variant, weight) for variant, weight in WEIGHTS.items()}
    for ours in ("counted", "sampled"):
        for peer in ("log", "counters"):
            work.figure(f"share of the rate kept, {VARIANTS[ours]}", shares[ours], shares[peer], VARIANTS[peer],
                        "of 1", True)


if __name__ == "__main__":
    bench.main("instrument", [("execution", execution), ("writers", writers)])
