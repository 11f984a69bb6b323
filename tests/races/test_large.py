#!/usr/bin/python3
"""Transactions of two million rows through the write-ahead log: what they cost the host in memory."""

import time

import harness
from harness import check, test

ROWS = 2_000_000
BOUND = 64 << 20    # memory.max_bytes


def memory(process, name):
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name + ":"))


def told(database, what, sql, tables, max_keys=1000):
    """Runs the transaction while a process follows; how much larger that became. All rows of a table are told,
    or its resync is."""
    for table in tables:
        database.sql(f"create table {table} (id bigint primary key, user_id bigint); "
                     f"alter table {table} replica identity full")
        database.attach(table, "--key", "user_id", "--key", "id", "--rule", table + ":{id}", "--granularity", "wal",
                        "--max-keys", str(max_keys))
    with database.tail_start("--follow", "-o", "source=wal") as tail:
        tail.until(lambda line: line["resync"], "the first resync")
        before = memory(tail.process, "VmRSS")
        began = time.monotonic()
        database.sql(sql)
        database.sql(f"insert into {tables[0]} values (-1, -1)")
        written = time.monotonic() - began
        tail.until(lambda line: tables[0] + ":-1" in line["keys"], "what came after it", timeout=300)
        grown = memory(tail.process, "VmHWM") - before
        seconds = time.monotonic() - began - written
        resynced = {one["table"] for line in tail.lines[1:] for one in line["resync"]}
        keys = {table: 0 for table in tables}
        for key in tail.keys():
            keys[key.split(":")[0]] += 1
    whole = [table for table in tables if keys[table] > 1]
    print(f"# {what}: {ROWS:,} rows written in {written:.1f} s, told {seconds:.1f} s later, {len(whole)} tables by "
          f"keys; resident size {before >> 20} MiB, at most {grown / 2**20:.1f} MiB more", flush=True)
    for table in tables:
        check(f"public.{table}" in resynced or keys[table] >= ROWS // len(tables), f"{table}: {keys[table]} keys")
    return grown


def rows(table, first, final):
    return f"insert into {table} select i, i % 5000 from generate_series({first}, {final}) i;"


@test("one table: above max_keys only its resync is kept")
def _(installed):
    grown = told(installed, "one table", rows("calls", 1, ROWS), ["calls"])
    check(grown < BOUND / 4, f"{grown} bytes more")


@test("eight tables that may have a million keys each: bounded by memory.max_bytes")
def _(installed):
    tables = [f"calls_{i}" for i in range(8)]
    sql = "begin;" + "".join(rows(table, 1, ROWS // 8) for table in tables) + "commit"
    grown = told(installed, "eight tables", sql, tables, 1000000)
    check(grown < 3 * BOUND, f"{grown} bytes more")


@test("in two hundred savepoints")
def _(installed):
    sql = "begin;" + "".join(f"savepoint s{i};" + rows("calls", i * 10000 + 1, i * 10000 + 10000)
                             for i in range(ROWS // 10000)) + "commit"
    grown = told(installed, "savepoints", sql, ["calls"])
    check(grown < BOUND / 4, f"{grown} bytes more")


if __name__ == "__main__":
    harness.main()
