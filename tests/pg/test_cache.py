#!/usr/bin/python3
# suite: versions
"""Verdicts that are bound to a table or a row go when that changes, in the database and by itself."""

import ctypes
import os
import sys
import time

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "ffi"))

from binding import Binding  # noqa: E402  pylint: disable=wrong-import-position

from harness import check, equal, test

LIB = Binding()
NOT_FOUND, STALE = -4, -9
TABLE = b"public.prices"


class Host:
    """A context that follows a database on the library's own thread."""

    def __init__(self, db):
        self.db = db
        db.sql("create table prices(id int primary key, amount int); create table other(id int primary key); "
               "insert into prices select i, i from generate_series(1, 20) i; insert into other values (1)")
        for table in ("public.prices", "public.other"):
            db.attach(table, "--key", "id", "--rule", "row:{id}")
        config = LIB.made("trigperf_config_new")
        for name, value in (("connection", db.conninfo()), ("batch.window_ms", "60000")):
            LIB.check("trigperf_config_set", config, name.encode(), value.encode())
        self.context = LIB.made("trigperf_context_new", config)
        LIB.trigperf_config_free(config)
        LIB.check("trigperf_thread_start", self.context)
        self.until(lambda: LIB.trigperf_context_state(self.context) == 2, "the context is ready")
        self.settle()

    def settle(self):
        """Until everything that was committed has arrived."""
        ticket = ctypes.c_uint64()
        LIB.check("trigperf_catch_up", self.context, ctypes.byref(ticket))
        self.until(lambda: LIB.trigperf_catch_up_done(self.context, ticket) == 1, "everything has arrived")

    def until(self, condition, what):
        end = time.monotonic() + harness.PATIENCE
        while not condition():
            check(time.monotonic() < end, f"waited in vain until {what}")
            time.sleep(0.01)

    def get(self, key):
        verdict = ctypes.c_uint32()
        status = LIB.trigperf_cache_get(self.context, 0, key, len(key), ctypes.byref(verdict))
        return verdict.value if status == 0 else status

    def token(self):
        token = ctypes.c_uint64()
        equal(LIB.trigperf_fence_begin(self.context, ctypes.byref(token)), 0, "token")
        return token

    def put_table(self, key, verdict, token=0, table=TABLE):
        LIB.check("trigperf_cache_put_table", self.context, 0, key, len(key), verdict, 0, token, table)

    def put_row(self, key, verdict, row, token=0):
        LIB.check("trigperf_cache_put_row", self.context, 0, key, len(key), verdict, 0, token, TABLE, b"id", row,
                  len(row))

    def goes(self, key, sql):
        """The verdict is there, and goes after this SQL."""
        check(self.get(key) >= 0, f"{key} is not cached")
        self.db.sql(sql)
        self.until(lambda: self.get(key) == NOT_FOUND, f"{key} goes after {sql}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIB.trigperf_context_free(self.context)


@test("a committed change ends verdicts of its table, those of another table stay")
def _(installed):
    with Host(installed) as host:
        host.put_table(b"sum", 7)
        host.put_table(b"apart", 8, table=b"public.other")
        host.goes(b"sum", "update prices set amount = 0 where id = 3")
        host.put_table(b"sum", 9)
        host.db.sql("begin; update prices set amount = 1 where id = 3; rollback")
        host.settle()
        equal(host.get(b"sum"), 9, "verdict after a rollback")
        host.goes(b"sum", "truncate prices")
        equal(host.get(b"apart"), 8, "verdict of another table")


@test("a committed change ends verdicts of its rows, also when the key moves")
def _(installed):
    with Host(installed) as host:
        host.put_row(b"three", 3, b"3")
        host.put_row(b"four", 4, b"4")
        host.put_row(b"new", 5, b"400")
        host.goes(b"three", "update prices set amount = 0 where id = 3")
        equal((host.get(b"four"), host.get(b"new")), (4, 5), "verdicts of other rows")
        host.goes(b"new", "update prices set id = 400 where id = 4")
        host.until(lambda: host.get(b"four") == NOT_FOUND, "the former key counts as well")
        host.put_row(b"five", 5, b"5")
        host.goes(b"five", "delete from prices")


@test("what was read before a change and is put after it has arrived is not kept")
def _(installed):
    with Host(installed) as host:
        token = host.token()
        host.put_table(b"first", 1, token)
        host.put_row(b"row", 1, b"1", token)
        host.goes(b"first", "update prices set amount = amount + 1 where id = 1")
        equal(host.get(b"row"), NOT_FOUND, "verdict of the row")
        name = b"late"
        arguments = (host.context, 0, name, len(name), 1, 0, token, TABLE)
        LIB.fails(STALE, "trigperf_cache_put_table", *arguments)
        LIB.fails(STALE, "trigperf_cache_put_row", *arguments, b"id", b"1", 1)
        equal(host.get(name), NOT_FOUND, "verdict that came late")
        host.put_row(b"another", 2, b"2", token)
        host.put_table(b"late", 1, host.token())
        equal(host.get(name), 1, "verdict with a token of its own time")


@test("a lost connection is a resync, and ends what was bound")
def _(installed):
    with Host(installed) as host:
        host.put_table(b"sum", 7)
        host.put_row(b"one", 1, b"1")
        LIB.check("trigperf_cache_put", host.context, 0, b"free", 4, 1, 0, 0)
        host.goes(b"sum", "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
                          "and datname = current_database() and application_name = 'trigperf'")
        equal(host.get(b"one"), NOT_FOUND, "verdict of a row")
        equal(host.get(b"free"), 1, "verdict that depends on nothing")


@test("tables that nobody follows are refused")
def _(installed):
    with Host(installed) as host:
        host.db.sql("create table unknown(id int)")
        LIB.fails(NOT_FOUND, "trigperf_cache_put_table", host.context, 0, b"a", 1, 1, 0, 0, b"public.unknown")
        equal(host.get(b"a"), NOT_FOUND, "verdict")


if __name__ == "__main__":
    harness.main()
