"""Statements that define attached tables anew while writers write: columns and tables renamed, added, dropped,
rewritten."""

import random
import time

from lab import RULES, TABLES
from pq import Connection, Refused
from harness import check

# What writers may meet while a name is another one: no such column, no such table, a deadlock.
REFUSALS = ("42703", "42P01", "40P01")
KEYS = ("--key", "id", "--key", "owner", "--key", "number")


def insist(database, *args, done):
    """Again and again, while the command gives up because of writers' locks; done: what it says afterwards."""
    for _ in range(20):
        result = database.trigperf(*args, ok=None)
        if result.code == 0 or done in result.err:
            return
        check("lock" in result.err, f"{result!r}")
    check(False, f"never: {result!r}")


def attach(database, source, *more):
    wal = ["--granularity", "wal"] if source == "wal" else []
    insist(database, "detach", f"public.{TABLES[source]}", done="is not attached")
    insist(database, "attach", f"public.{TABLES[source]}", *KEYS,
           *(part for rule in RULES for part in ("--rule", rule)), *wal, *more, done="is attached already")


class Schema:
    """Statements that take locks for a moment only, and try again when they do not get them."""

    def __init__(self, database):
        self.database, self.count = database, 0

    def run(self, *statements):
        with Connection(self.database.conninfo()) as connection:
            connection.run("set lock_timeout = '300ms'")
            for statement in statements:
                for _ in range(200):
                    try:
                        connection.run(statement)
                        break
                    except Refused as refusal:
                        check(refusal.state in ("55P03", "40P01"), f"{statement}: {refusal}")
                        time.sleep(random.random() * 0.05)

    def next(self, kind):
        self.count += 1
        return f"{kind}{self.count}"


def rename_key_column(schema, source):
    table = TABLES[source]
    schema.run(f"alter table {table} rename owner to keeper")
    time.sleep(0.1)
    schema.run(f"alter table {table} rename keeper to owner")


def rename_table(schema, source):
    table = TABLES[source]
    schema.run(f"alter table {table} rename to elsewhere")
    time.sleep(0.1)
    schema.run(f"alter table elsewhere rename to {table}")


def add_and_drop_column(schema, source):
    table, name = TABLES[source], schema.next("extra")
    schema.run(f"alter table {table} add {name} int default 7")
    time.sleep(0.05)
    schema.run(f"alter table {table} drop {name}")


def add_watched_column(schema, source):
    """A column that the attachment names: it is attached anew, and the column goes later."""
    table = TABLES[source]
    schema.run(f"alter table {table} add if not exists watched int default 1")
    attach(schema.database, source, "--watch", "watched,owner,number")
    schema.run(f"update {table} set watched = 2 where id in (select id from {table} limit 3)")
    if schema.count % 2:
        attach(schema.database, source)
        schema.run(f"alter table {table} drop watched")


def rewrite(schema, source):
    """Another type of a column, and back: the whole table is written anew."""
    table = TABLES[source]
    schema.run(f"alter table {table} alter owner type numeric")
    schema.run(f"alter table {table} alter owner type bigint")


def rename_watched_column(schema, source):
    """One that the attachment watches, where add_watched_column() has left it; it is there again at the end."""
    table = TABLES[source]
    schema.run(f"alter table {table} add if not exists watched int default 1")
    attach(schema.database, source, "--watch", "watched,owner,number")
    schema.run(f"alter table {table} rename watched to observed", f"update {table} set observed = 5",
               f"alter table {table} rename observed to watched")


def change_form(schema, source):
    """A key whose text has another form while it is of another type: blanks that fill it are no part of it."""
    table = TABLES[source]
    schema.run(f"alter table {table} alter owner type char(12) using owner::text")
    time.sleep(0.1)
    schema.run(f"alter table {table} alter owner type bigint using owner::text::bigint")


def edit_publication(schema, source):
    """Another row filter, by hand, until a look puts it right."""
    if source == "wal":
        table = TABLES[source]
        schema.run(f"begin; alter publication trigperf drop table {table}; "
                   f"alter publication trigperf add table only {table} where (id < 0); commit")
        schema.run("select trigperf.wal_check_all()")


def drop_and_make(schema, source):
    """The table goes, with its rows and triggers, and another one of that name comes."""
    table = TABLES[source]
    full = f"; alter table {table} replica identity full" if source == "wal" else ""
    schema.run(f"begin; drop table {table}; create table {table} (id bigint primary key, owner bigint, number bigint)"
               f"{full}; commit")
    attach(schema.database, source)
