#!/usr/bin/python3
"""Every exported symbol is called from Python, through a binding made from the headers alone."""

import ctypes
import json
import os
import re
import select
import subprocess

import metrics
import validators
from binding import LOG_FN, READY_FN, VERDICT_FN, Binding, harness

from harness import check, contains, equal, test

LIB = Binding()
OK, INVALID, CONFIG, NOT_FOUND, EXISTS, STATE, TIMEOUT, STALE = 0, -2, -3, -4, -5, -6, -8, -9
FLUSH, UPDATE = 2, 8


def config(**values):
    handle = LIB.made("trigperf_config_new")
    for name, value in values.items():
        LIB.check("trigperf_config_set", handle, name.replace("__", ".").encode(), str(value).encode())
    return handle


class Host:
    """A context without a database, with one rule."""

    def __init__(self):
        self.config = config(source="none", batch__window_ms=60000)
        LIB.check("trigperf_config_rule", self.config, b"public.calls", None, None, b"call:{id}", 0)
        self.context = LIB.made("trigperf_context_new", self.config)

    def push(self, number):
        names, values = (ctypes.c_char_p * 1)(b"id"), (ctypes.c_char_p * 1)(str(number).encode())
        LIB.check("trigperf_push", self.context, b"public.calls", UPDATE, names, values, 1)

    def next(self):
        """The next batch, waited for."""
        for _ in range(100):
            batch = LIB.made("trigperf_batch_next", self.context)
            if batch:
                return batch
            LIB.check("trigperf_wait", self.context, 10000)
        raise harness.Failure("no batch came")

    def batch_of(self, number):
        self.push(number)
        LIB.check("trigperf_flush", self.context)
        return self.next()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIB.trigperf_context_free(self.context)
        LIB.trigperf_config_free(self.config)


def batch_object(batch):
    text, length = ctypes.c_void_p(), ctypes.c_uint64()
    LIB.check("trigperf_batch_json", batch, ctypes.byref(text), ctypes.byref(length))
    return json.loads(ctypes.string_at(text, length.value))


def keys_of(batch):
    """The keys through the getters, compared with the JSON."""
    found, length = [], ctypes.c_uint64()
    for index in range(LIB.trigperf_batch_key_count(batch)):
        text = LIB.trigperf_batch_key_at(batch, index, ctypes.byref(length))
        equal(len(text), length.value, "length of the key")
        found.append(text.decode())
    equal(LIB.trigperf_batch_key_at(batch, len(found), None), None, "the key beyond the last")
    equal(batch_object(batch)["keys"], found, "keys of the JSON")
    return found


@test("names and versions")
def _():
    version = LIB.trigperf_version().decode()
    major, minor, patch = (int(part) for part in version.split("."))
    equal(LIB.trigperf_version_number(), major * 10000 + minor * 100 + patch, "version as a number")
    check(LIB.trigperf_schema_version() >= 1, "schema version")
    equal(LIB.trigperf_status_name(INVALID), b"E_INVALID", "name of a status")
    equal(LIB.trigperf_status_name(-999), b"E_UNKNOWN", "name of no status")
    contains(LIB.trigperf_status_text(-1), b"memory", "text of a status")


@test("configuration: set, get, refuse, describe, read a file and the environment")
def _(tmp):
    handle = config(batch__window_ms=250)
    equal(LIB.text("trigperf_config_get", handle, b"batch.window_ms"), "250", "value")
    contains(str(LIB.fails(CONFIG, "trigperf_config_set", handle, b"batch.window", b"1")),
             "batch.window_ms", "the nearest key")
    LIB.fails(CONFIG, "trigperf_config_set", handle, b"batch.window_ms", b"soon")
    equal(LIB.text("trigperf_config_get", handle, b"batch.window_ms"), "250", "value after a refusal")
    path = os.path.join(tmp, "trigperf.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[batch]\nwindow_ms = 300\n[rules]\npublic.calls = call:{id}\n")
    LIB.check("trigperf_config_load_file", handle, path.encode())
    equal(LIB.text("trigperf_config_get", handle, b"batch.window_ms"), "300", "value of the file")
    harness.raises(Exception, LIB.check, "trigperf_config_load_file", handle, b"/nonexistent.ini")
    os.environ["TRIGPERF_BATCH_WINDOW_MS"] = "350"
    LIB.check("trigperf_config_load_env", handle)
    del os.environ["TRIGPERF_BATCH_WINDOW_MS"]
    equal(LIB.text("trigperf_config_get", handle, b"batch.window_ms"), "350", "value of the environment")
    contains(LIB.text("trigperf_config_describe", b"json"), "batch.window_ms", "description")
    LIB.fails(INVALID, "trigperf_config_describe", b"papyrus", ctypes.byref(ctypes.c_void_p()))
    LIB.trigperf_config_free(handle)


@test("a pushed change comes back as a batch with all its parts")
def _():
    with Host() as host:
        batch = host.batch_of(9)
        equal(keys_of(batch), ["call:9"], "keys")
        equal(LIB.trigperf_batch_number(batch), 1, "number")
        equal(LIB.trigperf_batch_attempt(batch), 1, "attempt")
        equal(LIB.trigperf_batch_reason(batch), FLUSH, "reason")
        equal(LIB.trigperf_batch_lsn(batch), 0, "lsn of a pushed change")
        check(LIB.trigperf_batch_position(batch) is not None, "position")
        equal(LIB.trigperf_batch_change_count(batch), 1, "changes")
        equal(LIB.trigperf_batch_change_table(batch, 0), b"public.calls", "table")
        equal(LIB.trigperf_batch_change_ops(batch, 0), UPDATE, "operations")
        equal(LIB.trigperf_batch_change_merged(batch, 0), 1, "merged changes")
        equal(LIB.trigperf_batch_change_key_count(batch, 0), 1, "keys of the change")
        equal(LIB.trigperf_batch_change_key_name(batch, 0, 0), b"id", "name of the key")
        length = ctypes.c_uint64()
        equal(LIB.trigperf_batch_change_key_value(batch, 0, 0, ctypes.byref(length)), b"9", "its value")
        equal(length.value, 1, "its length")
        equal(LIB.trigperf_batch_change_table(batch, 1), None, "table beyond the last")
        equal(batch_object(batch)["changes"],
              [{"table": "public.calls", "ops": ["update"], "keys": {"id": "9"}, "count": 1}], "JSON")
        LIB.check("trigperf_batch_ack", batch)


@test("changes pushed as JSON and keys pushed as they are")
def _():
    with Host() as host:
        text = b'{"table":"public.calls","op":"update","keys":{"id":"4"}}'
        LIB.check("trigperf_push_json", host.context, text, len(text))
        LIB.fails(INVALID, "trigperf_push_json", host.context, b"{nonsense", 9)
        LIB.check("trigperf_push_key", host.context, b"page:1", 6)
        LIB.check("trigperf_flush", host.context)
        batch = host.next()
        equal(keys_of(batch), ["call:4", "page:1"], "keys")
        LIB.trigperf_batch_free(batch)


@test("a batch that was given back comes again")
def _():
    with Host() as host:
        batch = host.batch_of(5)
        LIB.check("trigperf_batch_nack", batch)
        again = host.next()
        equal(keys_of(again), ["call:5"], "keys")
        equal(LIB.trigperf_batch_attempt(again), 2, "attempt")
        LIB.check("trigperf_batch_ack", again)


@test("a resync names tables, templates and prefixes, and raises the generation")
def _():
    with Host() as host:
        before, after = ctypes.c_uint64(), ctypes.c_uint64()
        LIB.check("trigperf_batch_ack", host.batch_of(1))
        LIB.check("trigperf_generation", host.context, b"call:{id}", ctypes.byref(before))
        LIB.check("trigperf_push_resync", host.context, b"public.calls")
        LIB.check("trigperf_flush", host.context)
        batch = host.next()
        equal(LIB.trigperf_batch_key_count(batch), 0, "keys")
        equal(LIB.trigperf_batch_resync_count(batch), 1, "tables")
        equal(LIB.trigperf_batch_resync_table(batch, 0), b"public.calls", "table")
        equal([LIB.trigperf_batch_resync_level(batch, i) for i in range(2)], [2, 0], "levels")
        equal(LIB.trigperf_batch_resync_template_count(batch, 0), 1, "templates")
        equal(LIB.trigperf_batch_resync_template(batch, 0, 0), b"call:{id}", "template")
        equal(LIB.trigperf_batch_resync_prefix_count(batch, 0), 1, "prefixes")
        equal(LIB.trigperf_batch_resync_prefix(batch, 0, 0), b"call:", "prefix")
        LIB.check("trigperf_batch_ack", batch)
        LIB.check("trigperf_generation", host.context, b"call:{id}", ctypes.byref(after))
        check(after.value > before.value, "the generation did not rise")
        LIB.fails(NOT_FOUND, "trigperf_generation", host.context, b"no:{such}", ctypes.byref(after))


@test("a fence tells a stale fill from a fresh one")
def _():
    with Host() as host:
        token = ctypes.c_uint64()
        equal(LIB.trigperf_fence_begin(host.context, ctypes.byref(token)), OK, "begin")
        equal(LIB.trigperf_fence_check(host.context, token, b"call:3", 6), OK, "check before")
        host.push(3)
        equal(LIB.trigperf_fence_check(host.context, token, b"call:3", 6), STALE, "check after")
        equal(LIB.trigperf_fence_begin(host.context, ctypes.byref(token)), OK, "begin again")
        equal(LIB.trigperf_fence_check(host.context, token, b"call:3", 6), OK, "check again")


@test("verdicts are kept, found, worked out and forgotten, one by one and many at once")
def _():
    with Host() as host:
        verdict, token = ctypes.c_uint32(), ctypes.c_uint64()

        def get(validator, key):
            status = LIB.trigperf_cache_get(host.context, validator, key, len(key), ctypes.byref(verdict))
            return verdict.value if status == OK else status

        def put(validator, key, number, ttl_ms=0, fence=0):
            LIB.check("trigperf_cache_put", host.context, validator, key, len(key), number, ttl_ms, fence)

        equal(get(0, b"a"), NOT_FOUND, "verdict before put")
        put(0, b"a", 7)
        equal(get(0, b"a"), 7, "verdict")
        equal(get(1, b"a"), NOT_FOUND, "verdict of another validator")
        equal(LIB.trigperf_cache_get(host.context, 65536, b"a", 1, ctypes.byref(verdict)), INVALID, "validator")
        LIB.fails(INVALID, "trigperf_cache_put", host.context, 0, b"a", 1, 65536, 0, 0)
        LIB.fails(INVALID, "trigperf_cache_put", host.context, 0, b"a", 1, 1, -2, 0)
        LIB.fails(INVALID, "trigperf_cache_put", host.context, 0, b"a", 1 << 21, 1, 0, 0)
        equal(LIB.check("trigperf_cache_invalidate", host.context, 0, b"a", 1), 1, "forgotten")
        equal(LIB.check("trigperf_cache_invalidate", host.context, 0, b"a", 1), 0, "forgotten again")
        equal(LIB.trigperf_fence_begin(host.context, ctypes.byref(token)), OK, "token")
        LIB.check("trigperf_cache_invalidate", host.context, 0, b"a", 1)
        LIB.fails(STALE, "trigperf_cache_put", host.context, 0, b"a", 1, 1, 0, token)
        equal(get(0, b"a"), NOT_FOUND, "verdict that was overtaken")
        asked = []

        @VERDICT_FN
        def work_out(_, key, length, out):
            asked.append(key[:length])
            out[0] = length
            return OK if length else -77

        for cached in (0, 1):
            equal(LIB.check("trigperf_cache_compute", host.context, 3, b"four", 4, work_out, None,
                            ctypes.byref(verdict)), cached, "whether it was cached")
            equal(verdict.value, 4, "verdict")
        equal(asked, [b"four"], "keys that were worked out")
        keys, lengths = (ctypes.c_char_p * 2)(b"four", b"three"), (ctypes.c_uint64 * 2)(4, 5)
        verdicts = (ctypes.c_int32 * 2)()
        equal(LIB.trigperf_cache_get_many(host.context, 3, keys, lengths, 2, verdicts), 1, "found")
        equal(list(verdicts), [4, -1], "verdicts")
        equal(LIB.check("trigperf_cache_compute_many", host.context, 3, keys, lengths, 2, work_out, None,
                        verdicts), 1, "found")
        equal(list(verdicts), [4, 5], "verdicts")
        equal(asked, [b"four", b"three"], "keys that were worked out")
        LIB.check("trigperf_cache_put_many", host.context, 3, keys, lengths, (ctypes.c_int32 * 2)(-1, 9), 2, -1)
        equal(get(3, b"four"), 4, "verdict that was passed over")
        equal(get(3, b"three"), 9, "verdict that was put")
        equal(LIB.trigperf_cache_compute(host.context, 3, b"", 0, work_out, None, ctypes.byref(verdict), None),
              -77, "status of the function")
        equal(LIB.trigperf_cache_get(host.context, 3, b"four", 4, None), INVALID, "nowhere to put it")
        equal(LIB.trigperf_cache_get_many(host.context, 3, keys, lengths, 2, None), INVALID, "nor these")
        LIB.fails(INVALID, "trigperf_cache_compute", host.context, 3, b"four", 4, work_out, None, None)
        LIB.fails(INVALID, "trigperf_cache_compute", host.context, 3, b"five!", 5, type(work_out)(), None,
                  ctypes.byref(verdict))
        LIB.fails(INVALID, "trigperf_cache_compute_many", host.context, 3, keys, lengths, 2, type(work_out)(), None,
                  verdicts)
        LIB.fails(INVALID, "trigperf_cache_put_many", host.context, 3, keys, lengths, None, 2, -1)
        LIB.fails(INVALID, "trigperf_cache_save", host.context, None, None)
        LIB.check("trigperf_cache_validator_set", host.context, 3, 2, 5000)
        equal(get(3, b"four"), NOT_FOUND, "verdict of another version")
        LIB.check("trigperf_cache_validator_set", host.context, 3, 0, 0)
        equal(get(3, b"four"), 4, "verdict of the former version")
        LIB.check("trigperf_cache_invalidate_validator", host.context, 3)
        equal(get(3, b"four"), NOT_FOUND, "verdict of a former generation")
        put(0, b"b", 2)
        LIB.check("trigperf_cache_clear", host.context)
        equal(get(0, b"b"), NOT_FOUND, "verdict after clear")


class CacheStats(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("reserved", ctypes.c_uint32)] + [
        (name, ctypes.c_uint64) for name in ("capacity", "entries", "bytes", "hits", "misses", "insertions",
                                             "evictions", "expirations", "invalidations")
    ] + [("hit_rate", ctypes.c_double)]


@test("verdicts go with the table or the row that they are bound to; the cache changes size, is saved and loaded")
def _():
    with Host() as host, Host() as other:
        verdict, token, length = ctypes.c_uint32(), ctypes.c_uint64(), ctypes.c_uint64()

        def get(who, key):
            status = LIB.trigperf_cache_get(who.context, 0, key, len(key), ctypes.byref(verdict))
            return verdict.value if status == OK else status

        equal(LIB.trigperf_fence_begin(host.context, ctypes.byref(token)), OK, "token")
        LIB.check("trigperf_cache_put_table", host.context, 0, b"t", 1, 1, 0, token, b"public.calls")
        LIB.check("trigperf_cache_put_row", host.context, 0, b"r5", 2, 2, 0, token, b"public.calls", b"id", b"5", 1)
        LIB.check("trigperf_cache_put_row", host.context, 0, b"r6", 2, 3, 0, 0, b"public.calls", b"id", b"6", 1)
        LIB.fails(INVALID, "trigperf_cache_put_table", host.context, 0, b"t", 1, 1, 0, 0, b"calls")
        LIB.fails(INVALID, "trigperf_cache_put_row", host.context, 0, b"t", 1, 1, 0, 0, b"public.calls", None, None, 0)
        equal([get(host, key) for key in (b"t", b"r5", b"r6")], [1, 2, 3], "verdicts")
        host.push(5)
        equal([get(host, key) for key in (b"t", b"r5", b"r6")], [NOT_FOUND, NOT_FOUND, 3], "after a change of row 5")
        LIB.fails(STALE, "trigperf_cache_put_table", host.context, 0, b"t", 1, 1, 0, token, b"public.calls")
        LIB.check("trigperf_push_resync", host.context, None)
        equal(get(host, b"r6"), NOT_FOUND, "after a resync")
        for number in range(50):
            LIB.check("trigperf_cache_put", host.context, 0, b"k%d" % number, len(b"k%d" % number), number, 0, 0)
        LIB.check("trigperf_cache_resize", host.context, 500)
        equal([get(host, b"k%d" % number) for number in range(50)], list(range(50)), "verdicts after a resize")
        LIB.fails(INVALID, "trigperf_cache_resize", host.context, 1 << 40)
        bytes_ = ctypes.c_void_p()
        LIB.check("trigperf_cache_save", host.context, ctypes.byref(bytes_), ctypes.byref(length))
        loaded = ctypes.c_uint64()
        LIB.check("trigperf_cache_load", other.context, bytes_, length, ctypes.byref(loaded))
        equal(loaded.value, 50, "verdicts of the snapshot")
        equal([get(other, b"k%d" % number) for number in range(50)], list(range(50)), "verdicts that were loaded")
        LIB.fails(INVALID, "trigperf_cache_load", other.context, bytes_, length.value - 1, None)
        LIB.trigperf_string_free(bytes_)
        stats = CacheStats(struct_size=ctypes.sizeof(CacheStats))
        LIB.check("trigperf_cache_stats_get", other.context, ctypes.byref(stats))
        equal((stats.hits, stats.misses, stats.entries, stats.hit_rate, stats.capacity), (50, 0, 50, 1.0, 10000),
              "figures")
        stats.struct_size = 0
        LIB.fails(INVALID, "trigperf_cache_stats_get", other.context, ctypes.byref(stats))
        short = CacheStats(struct_size=24)
        LIB.check("trigperf_cache_stats_get", other.context, ctypes.byref(short))
        equal((short.entries, short.bytes), (50, 0), "figures that fit")


@test("the descriptor becomes readable, process makes progress, callbacks are called")
def _():
    with Host() as host:
        said, told = [], []
        log = LOG_FN(lambda user, level, message: said.append((level, message)))
        ready = READY_FN(lambda user, context: told.append(context))
        equal(LIB.trigperf_log_set(host.context, 3, log, None), OK, "log_set")
        equal(LIB.trigperf_ready_set(host.context, ready, None), OK, "ready_set")
        equal(LIB.trigperf_context_state(host.context), 0, "state without a database")
        descriptor = LIB.trigperf_fd(host.context)
        host.push(1)
        LIB.check("trigperf_flush", host.context)
        for _ in range(100):
            check(select.select([descriptor], [], [], 30)[0], "the descriptor stayed silent")
            LIB.check("trigperf_process", host.context)
            if told:
                break
        check(told, "the callback was not called")
        batch = host.next()
        LIB.check("trigperf_batch_ack", batch)
        equal(LIB.trigperf_log_set(host.context, 0, LOG_FN(), None), OK, "log_set back")
        equal(LIB.trigperf_ready_set(host.context, READY_FN(), None), OK, "ready_set back")


@test("waiting ends by time and by a wake-up; status is JSON; closing is polite")
def _():
    with Host() as host:
        LIB.fails(TIMEOUT, "trigperf_wait", host.context, 1)
        LIB.trigperf_wakeup(host.context)
        LIB.check("trigperf_wait", host.context, -1)
        check(isinstance(json.loads(LIB.text("trigperf_context_status", host.context)), dict), "status")
        equal(LIB.trigperf_context_error(host.context), None, "error of a context that had none")
        LIB.fails(STATE, "trigperf_context_retry", host.context)
        LIB.fails(STATE, "trigperf_wait_position", host.context, None, 0)
        LIB.check("trigperf_context_close", host.context, 1000)


@test("the library's own thread processes")
def _():
    with Host() as host:
        LIB.check("trigperf_thread_start", host.context)
        LIB.fails(STATE, "trigperf_thread_start", host.context)
        batch = host.batch_of(2)
        equal(keys_of(batch), ["call:2"], "keys")
        LIB.check("trigperf_batch_ack", batch)
        LIB.check("trigperf_thread_stop", host.context)
        LIB.fails(STATE, "trigperf_thread_stop", host.context)


def kpis(db, admin):
    kpi = LIB.made("trigperf_kpi_new", b"per_user", b"public.calls")
    LIB.check("trigperf_kpi_group", kpi, b"user_id", None)
    LIB.check("trigperf_kpi_value", kpi, b"calls", b"count(*)")
    LIB.fails(EXISTS, "trigperf_kpi_value", kpi, b"calls", b"count(*)")
    LIB.check("trigperf_kpi_set", kpi, b"where", b"id > 10")
    LIB.fails(INVALID, "trigperf_kpi_set", kpi, b"mode", b"later")
    contains(LIB.text("trigperf_admin_kpi_add", admin, kpi, 1), "CREATE TRIGGER", "SQL of the dry run")
    LIB.check("trigperf_admin_kpi_add", admin, kpi, 0, None)
    LIB.trigperf_kpi_free(kpi)
    db.sql("insert into calls values (20, 3), (21, 3), (5, 3)")
    equal(db.rows("select * from per_user"), [["3", "2"]], "the KPI")
    equal(json.loads(LIB.text("trigperf_admin_kpis", admin))[0]["state"], "ok", "state")
    equal(json.loads(LIB.text("trigperf_admin_kpi_refresh", admin, b"public.per_user", b"check"))[0]["rows"], 0, "differ")
    LIB.fails(INVALID, "trigperf_admin_kpi_refresh", admin, None, b"soon", None)
    LIB.check("trigperf_admin_kpi_drop", admin, b"per_user", 0, 0, None)
    db.sql("delete from calls")


def administer_consumers(db, admin):
    db.sql("select trigperf.consumer_claim('old', gen_random_uuid(), 1, gen_random_uuid(), null)")
    names = [one["name"] for one in json.loads(LIB.text("trigperf_admin_consumers", admin))]
    equal(names, ["old", None], "consumers")
    contains(LIB.text("trigperf_admin_consumer_reset", admin, b"old", None, 0), "consumer_reset", "reset")
    LIB.fails(INVALID, "trigperf_admin_consumer_reset", admin, b"", None, 0, None)
    contains(LIB.text("trigperf_admin_consumer_drop", admin, b"old", b"outbox", 0, 0), "consumer_drop", "drop")
    LIB.fails(NOT_FOUND, "trigperf_admin_consumer_drop", admin, b"old", None, 1, 0, None)
    report = json.loads(LIB.text("trigperf_admin_doctor", admin))
    equal((report["worst"], report["counts"]["critical"]), ("ok", 0), "the doctor's report")


@test("schema, tables and rules are administered; changes of the database arrive")
def _(db):
    db.sql("create table calls(id int primary key, user_id int)")
    handle = config(connection=db.conninfo(), batch__window_ms=20)
    admin = LIB.made("trigperf_admin_new", handle)
    contains(LIB.text("trigperf_admin_install", admin, 1), "CREATE", "SQL of the dry run")
    LIB.check("trigperf_admin_install", admin, 0, None)
    table = LIB.made("trigperf_attachment_new", b"public.calls")
    LIB.check("trigperf_attachment_key", table, b"id", None)
    LIB.fails(EXISTS, "trigperf_attachment_key", table, b"id", None)
    LIB.check("trigperf_attachment_watch", table, b"user_id")
    LIB.check("trigperf_attachment_rule", table, b"call:{id}", None, 0)
    LIB.check("trigperf_attachment_granularity", table, b"statement")
    LIB.check("trigperf_attachment_set", table, b"max_keys", b"500")
    LIB.fails(INVALID, "trigperf_attachment_set", table, b"max_keys", b"many")
    LIB.check("trigperf_admin_attach", admin, table, 0, None)
    LIB.fails(EXISTS, "trigperf_admin_attach", admin, table, 0, None)
    LIB.trigperf_attachment_free(table)
    LIB.check("trigperf_admin_rule_add", admin, b"public.calls", None, None, b"also:{id}", 0)
    contains(LIB.text("trigperf_admin_rules", admin), "also:{id}", "rules")
    LIB.check("trigperf_admin_rule_remove", admin, b"public.calls", None, b"also:{id}")
    contains(LIB.text("trigperf_admin_status", admin), "public.calls", "status")
    scope = LIB.made("trigperf_attachment_new_scope", b"call")
    LIB.check("trigperf_attachment_rule", scope, b"detail:{id}", None, 0)
    equal(json.loads(LIB.text("trigperf_admin_apply", admin, scope, 1))["rules_added"], ["detail:{id}"], "plan")
    LIB.fails(INVALID, "trigperf_admin_attach", admin, scope, 1, None)
    LIB.trigperf_attachment_free(scope)
    equal(json.loads(LIB.text("trigperf_admin_attachments", admin))[0]["keys"],
          [{"name": "id", "expression": None}], "keys of the attached table")
    listed = json.loads(LIB.text("trigperf_admin_triggers", admin, b"public.calls"))["triggers"]
    check(listed and all(one["ours"] for one in listed), "triggers")
    equal(json.loads(LIB.text("trigperf_admin_advise", admin, None))["findings"], [], "advice")
    equal(json.loads(LIB.text("trigperf_admin_collect", admin))["collected"], True, "collected")
    equal(json.loads(LIB.text("trigperf_admin_report", admin, 86400, 0))["format"], 1, "format of the report")
    LIB.fails(INVALID, "trigperf_admin_report", admin, 60, 60, None)
    equal(json.loads(LIB.text("trigperf_admin_cleanup", admin, 7, 0, 1))["older_than_days"], 7, "days of a plan")
    equal(json.loads(LIB.text("trigperf_admin_cleanup", admin, 0, 0, 0))["more"], False, "more to clean up")
    LIB.fails(INVALID, "trigperf_admin_cleanup", admin, 3661, 0, 1, None)
    equal(LIB.text("trigperf_admin_bracket", admin, b"public.calls", 1, 1), "", "brackets to be removed")
    LIB.fails(INVALID, "trigperf_admin_bracket", admin, b"", 0, 1, None)
    LIB.fails(NOT_FOUND, "trigperf_admin_bracket", admin, b"missing", 0, 1, None)
    equal(json.loads(LIB.text("trigperf_admin_alerts_judge", admin, 1)), [], "events")
    equal(json.loads(LIB.text("trigperf_admin_alerts_take", admin)), [], "events that nobody took")
    LIB.check("trigperf_admin_alerts_silence", admin, None, 3600000)
    LIB.fails(NOT_FOUND, "trigperf_admin_alerts_silence", admin, b"nonsense", 3600000)
    LIB.fails(INVALID, "trigperf_admin_alerts_silence", admin, None, -1)
    LIB.fails(INVALID, "trigperf_admin_alerts", admin, -1, 0, None)
    check(all(one["silent_until"] for one in json.loads(LIB.text("trigperf_admin_alerts", admin, 0, 0))["rules"]), "silence")
    contains(LIB.text("trigperf_admin_grants", admin, b"writer", db.user.encode(), None, 0, 0, 1),
             "no right", "grants of a writer")
    LIB.fails(INVALID, "trigperf_admin_grants", admin, b"reader", db.user.encode(), None, 0, 0, 1, None)
    kpis(db, admin)
    context = LIB.made("trigperf_context_new", handle)
    follow_one_change(db, context)
    administer_consumers(db, admin)
    LIB.check("trigperf_context_close", context, 60000)
    LIB.trigperf_context_free(context)
    LIB.check("trigperf_admin_detach", admin, b"public.calls", 0, None)
    LIB.check("trigperf_admin_uninstall", admin, 0, None)
    LIB.trigperf_admin_free(admin)
    LIB.trigperf_config_free(handle)
    equal(db.value("select count(*) from pg_namespace where nspname = 'trigperf'"), "0", "schemas left")


def drain(context):
    """Pulls and acknowledges what is there; returns the keys."""
    keys = []
    while batch := LIB.made("trigperf_batch_next", context):
        keys += keys_of(batch)
        LIB.check("trigperf_batch_ack", batch)
    return keys


def follow_one_change(db, context):
    """Reads its own write: the key must have come by the time wait_position returns."""
    ticket, keys = ctypes.c_uint64(), []

    def caught_up():
        status = LIB.trigperf_wait(context, 50, None)
        check(status in (OK, TIMEOUT), f"wait returned {status}")
        keys.extend(drain(context))
        return LIB.trigperf_catch_up_done(context, ticket)

    LIB.check("trigperf_catch_up", context, ctypes.byref(ticket))
    harness.eventually(caught_up, "the first catch-up", pause=0)
    equal(LIB.trigperf_context_state(context), 2, "state")
    keys.clear()
    position = db.sql("insert into calls values (11, 7) returning pg_current_xact_id()").encode()

    def delivered():
        status = LIB.trigperf_wait_position(context, position, 1000, None)
        keys.extend(drain(context))
        return status == OK

    harness.eventually(delivered, "the delivery of one's own write", pause=0)
    equal(keys, ["call:11"], "keys")


@test("records seen twice in a batch are counted by family")
def _():
    with Host() as host:
        names = (ctypes.c_char_p * 2)(b"nutrition", b"symptoms")
        dedup = LIB.made("trigperf_dedup_new", host.context, names, 2)
    equal(LIB.trigperf_dedup_family_count(dedup), 2, "families")
    equal(LIB.trigperf_dedup_family_name(dedup, 1), b"symptoms", "name")
    family, length = ctypes.c_uint32(), ctypes.c_uint64()
    LIB.check("trigperf_dedup_family_find", dedup, b"symptoms", ctypes.byref(family))
    equal(family.value, 1, "number")
    LIB.fails(NOT_FOUND, "trigperf_dedup_family_find", dedup, b"sleep", ctypes.byref(family))
    records, duplicates = LIB.made("trigperf_dedup_stats_new"), LIB.made("trigperf_dedup_stats_new")
    for flags in (0, 1):
        tracker = LIB.made("trigperf_dedup_tracker_new", dedup, flags, 100)
        for before in (0, 1):
            equal(LIB.check("trigperf_dedup_seen", tracker, 1, b"a\0b", 3), before, "seen")
        keys = (ctypes.c_char_p * 3)(b"x", b"y", b"x")
        lengths, seen = (ctypes.c_uint64 * 3)(1, 1, 1), (ctypes.c_uint8 * 3)()
        equal(LIB.check("trigperf_dedup_seen_many", tracker, 0, keys, lengths, 3, seen), 3, "taken")
        equal(list(seen), [0, 0, 1], "seen")
        equal(json.loads(LIB.text("trigperf_dedup_batch_json", tracker))["ratio"], 0.4, "ratio of the batch")
        check(LIB.trigperf_dedup_tracker_bytes(tracker) > 0, "bytes")
        LIB.check("trigperf_dedup_batch_end", tracker, records, duplicates)
        LIB.trigperf_dedup_seen(tracker, 0, b"x", 1, None)
        LIB.trigperf_dedup_batch_abandon(tracker)
        LIB.trigperf_dedup_tracker_free(tracker)
    equal(json.loads(LIB.text("trigperf_dedup_stats_json", duplicates, dedup)),
          {"nutrition": 2, "symptoms": 2}, "duplicates")
    equal(LIB.trigperf_dedup_stats_get(records, 0), 6, "records of a family")
    equal(LIB.trigperf_dedup_stats_total(records), 10, "records")
    batches = ctypes.c_uint64()
    LIB.trigperf_dedup_stats_clear(records)
    LIB.check("trigperf_dedup_totals", dedup, ctypes.byref(batches), records, None)
    equal((batches.value, LIB.trigperf_dedup_stats_total(records)), (2, 10), "totals")
    equal(json.loads(LIB.text("trigperf_dedup_json", dedup))["families"]["nutrition"]["records"], 6, "JSON")
    equal(LIB.trigperf_dedup_stats_bytes(records), 24, "bytes")
    LIB.check("trigperf_dedup_stats_add", records, 11, 1 << 40)
    LIB.check("trigperf_dedup_stats_merge", records, duplicates)
    equal(LIB.trigperf_dedup_stats_bytes(records), 120, "bytes of a large counter")
    plain, code = (ctypes.c_uint64 * 12)(), (ctypes.c_uint8 * 104)()
    LIB.check("trigperf_dedup_stats_to_plain", records, plain, 12)
    equal(list(plain), [8, 6] + [0] * 9 + [1 << 40], "plain form")
    LIB.check("trigperf_dedup_stats_encode", records, code, 104, ctypes.byref(length))
    LIB.check("trigperf_dedup_stats_from_plain", records, None, 0)
    LIB.check("trigperf_dedup_stats_decode", records, code, length.value)
    equal(LIB.trigperf_dedup_stats_get(records, 11), 1 << 40, "decoded")
    LIB.fails(INVALID, "trigperf_dedup_stats_decode", records, code, 23)
    LIB.trigperf_dedup_stats_free(records)
    LIB.trigperf_dedup_stats_free(duplicates)
    LIB.trigperf_dedup_free(dedup)


@test("every exported symbol has a prototype and was called")
def _():
    listed = subprocess.run(["nm", "-D", "--defined-only", harness.LIBRARY], capture_output=True,
                            encoding="utf-8", check=True).stdout
    exported = set(re.findall(r" [TWDB] (\w+)", listed))
    equal(sorted(exported - set(LIB.prototypes)), [], "exported without a prototype")
    equal(sorted(exported - LIB.called - metrics.LIB.called - validators.LIB.called), [], "exported and never called here")
    check(exported, "nothing is exported")


if __name__ == "__main__":
    harness.main()
