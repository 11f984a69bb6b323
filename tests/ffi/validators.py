"""Validators through the exported symbols. Part of test_ffi.py, which imports it."""

import ctypes
import json

from binding import CHECK_FN, Binding

from harness import check, contains, equal, test

LIB = Binding()
TEXT, INTEGER, NUMERIC, REAL = range(4)
VALID, WRONG, UNDECIDED = range(3)
NORMAL, MIGRATION, BULK = range(3)
INVALID, NOT_FOUND, EXISTS, STATE, STALE = -2, -4, -5, -6, -9


def strings(*texts):
    return (ctypes.c_char_p * len(texts))(*[None if text is None else text.encode() for text in texts])


class Validator:
    """A validator and findings."""

    def __init__(self, rules=None, handle=None):
        self.handle = handle or LIB.made("trigperf_validator_new", b"v", rules)
        self.findings = LIB.made("trigperf_findings_new")

    def column(self, name, kind):
        number = ctypes.c_uint32()
        LIB.check("trigperf_validator_column", self.handle, name.encode(), kind, ctypes.byref(number))
        return number.value

    def outcome(self, name, *arguments):
        outcome = ctypes.c_int32(-1)
        LIB.check(f"trigperf_validator_check_{name}", self.handle, *arguments, self.findings, ctypes.byref(outcome))
        return outcome.value

    def row(self, *texts, occasion=NORMAL):
        return self.outcome("row", occasion, None, strings(*texts), None, len(texts))

    def found(self):
        """The findings through the getters, compared with the JSON."""
        names = ("column", "rule", "expected", "actual")
        items = [{"row": LIB.trigperf_findings_row(self.findings, index),
                  **{name: getattr(LIB, f"trigperf_findings_{name}")(self.findings, index).decode()
                     for name in names}} for index in range(LIB.trigperf_findings_count(self.findings))]
        equal(self.json()["findings"], items, "findings of the JSON")
        equal(LIB.trigperf_findings_rule(self.findings, len(items)), None, "the finding beyond the last")
        return items

    def json(self):
        return json.loads(LIB.text("trigperf_findings_json", self.findings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIB.trigperf_findings_free(self.findings)
        LIB.trigperf_validator_free(self.handle)


@test("validators: rules as text, rows, what is found")
def _():
    rules = "severity: integer, not null, 1..10\nkind: one of ('headache', 'nausea')\nnote: length ..5 unless bulk\n"
    with Validator(rules.encode()) as validator:
        equal(validator.row("3", "nausea", "short"), VALID, "a good row")
        equal(validator.row("11", "joy", "too long"), WRONG, "a bad row")
        equal([(item["column"], item["rule"], item["expected"], item["actual"]) for item in validator.found()],
              [("severity", "range", ">= 1 and <= 10", "11"),
               ("kind", "one of", "one of 'headache', 'nausea'", "joy"),
               ("note", "length", "0 to 5 characters", "too long")], "findings")
        equal(validator.row("3", None, "too long", occasion=BULK), VALID, "bulk")
        equal(validator.json()["skipped"], 1, "skipped")
        equal(validator.row(None), WRONG, "a missing value")
        batch = strings("1", "nausea", "99", "joy", "1", "nausea")
        equal(validator.outcome("batch", NORMAL, None, batch, None, 2, 3), WRONG, "a batch")
        equal([(item["row"], item["column"]) for item in validator.found()], [(1, "severity"), (1, "kind")], "rows")
        equal(validator.json()["repeated"], 2, "equal values")
        equal([LIB.trigperf_findings_tally(validator.findings, what) for what in range(8)],
              [validator.json()[name] for name in ("judged", "cached", "repeated", "skipped", "undecided", "invalid",
                                                    "missed")]
              + [0], "tallies")
        contains(LIB.text("trigperf_validator_describe", validator.handle), '"one of"', "description")
    failure = LIB.fails(INVALID, "trigperf_validator_new", b"v", b"a: 1..x", ctypes.byref(ctypes.c_void_p()))
    contains(str(failure), "line 1", "where the rules are malformed")


@test("validators: rules by calls, numbers, functions")
def _():
    seen = []

    def wants_order(_, values, lengths, count):
        texts = [None if not values[i] else ctypes.string_at(values[i], lengths[i]).decode() for i in range(count)]
        seen.append(texts)
        return 2 if None in texts else int(int(texts[0]) > int(texts[1]))

    function = CHECK_FN(wants_order)
    with Validator() as validator:
        low, high = validator.column("low", INTEGER), validator.column("high", INTEGER)
        text, real, price = validator.column("t", TEXT), validator.column("r", REAL), validator.column("p", NUMERIC)
        LIB.fails(EXISTS, "trigperf_validator_column", validator.handle, b"t", TEXT, None)
        number = ctypes.c_uint32()
        LIB.check("trigperf_validator_find", validator.handle, b"p", ctypes.byref(number))
        equal(number.value, price, "the number of a column")
        LIB.fails(NOT_FOUND, "trigperf_validator_find", validator.handle, b"nope", ctypes.byref(number))
        LIB.check("trigperf_validator_not_null", validator.handle, text, 0)
        LIB.check("trigperf_validator_length", validator.handle, text, 1, 3, 0, 0)
        LIB.check("trigperf_validator_pattern", validator.handle, text, b"^[a-z]+$", MIGRATION)
        LIB.check("trigperf_validator_one_of", validator.handle, price, strings("1.5", "2"), 2, 0)
        LIB.check("trigperf_validator_range", validator.handle, real, b"0", b"1", 2, 0)
        LIB.check("trigperf_validator_finite", validator.handle, real, 0)
        LIB.check("trigperf_validator_function", validator.handle, (ctypes.c_uint32 * 2)(low, high), 2, b"order",
                  b"low is not above high", function, None, None, 0, 0)
        LIB.fails(INVALID, "trigperf_validator_range", validator.handle, text, b"0", None, 0, 0)
        equal(validator.outcome("text", NORMAL, text, b"abc", 3), VALID, "text")
        equal(validator.outcome("text", NORMAL, text, b"Abc", 3), WRONG, "pattern")
        equal(validator.outcome("text", MIGRATION, text, b"Abc", 3), VALID, "pattern in a migration")
        equal(validator.outcome("text", NORMAL, price, b"2.000", 5), VALID, "numbers are compared by value")
        equal(validator.outcome("integer", NORMAL, low, 5), VALID, "integer")
        equal(validator.outcome("real", NORMAL, real, 0.5), VALID, "real")
        equal(validator.outcome("real", NORMAL, real, 1.0), WRONG, "an open bound")
        equal(validator.outcome("real", NORMAL, real, float("nan")), WRONG, "NaN")
        LIB.fails(INVALID, "trigperf_validator_check_real", validator.handle, NORMAL, price, 1.0, None,
                  ctypes.byref(ctypes.c_int32()))
        equal(validator.row("1", "2"), VALID, "order")
        equal(validator.row("3", "2"), WRONG, "disorder")
        equal(validator.found()[0]["actual"], "low = 3, high = 2", "what came")
        equal(validator.row(None, "2"), UNDECIDED, "a function that cannot tell")
        equal(seen, [["1", "2"], ["3", "2"], [None, "2"]], "what the function saw")
        LIB.fails(STATE, "trigperf_validator_not_null", validator.handle, low, 0)


@test("validators: verdicts are kept in the context's cache")
def _():
    calls = []
    function = CHECK_FN(lambda *_: calls.append(1) or 0)
    config = LIB.made("trigperf_config_new")
    LIB.check("trigperf_config_set", config, b"source", b"none")
    context = LIB.made("trigperf_context_new", config)
    with Validator() as validator:
        column = validator.column("x", TEXT)
        LIB.check("trigperf_validator_function", validator.handle, (ctypes.c_uint32 * 1)(column), 1, b"f", b"f",
                  function, None, None, 0, 0)
        LIB.check("trigperf_validator_use", validator.handle, context, 3, 0, 0)
        LIB.fails(STATE, "trigperf_validator_use", validator.handle, context, 4, 0, 0)
        for _ in range(3):
            equal(validator.outcome("text", NORMAL, column, b"same", 4), VALID, "outcome")
        equal((len(calls), validator.json()["cached"]), (1, 1), "calls of the function, verdicts found")
    LIB.trigperf_context_free(context)
    LIB.trigperf_config_free(config)


@test("validators: imported from a table, and compared with it again")
def _(db):
    db.sql("create table t (a int not null check (a > 0), b text check (lower(b) = b))")
    config = LIB.made("trigperf_config_new")
    LIB.check("trigperf_config_set", config, b"connection", db.conninfo().encode())
    admin = LIB.made("trigperf_admin_new", config)
    handle, report = ctypes.c_void_p(), ctypes.c_void_p()
    LIB.check("trigperf_validator_import", admin, None, b"t", ctypes.byref(handle), ctypes.byref(report))
    contains(ctypes.string_at(report).decode(), "the function lower", "what is left")
    LIB.trigperf_string_free(report)
    libpq = ctypes.CDLL("libpq.so.5")
    libpq.PQconnectdb.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(libpq.PQconnectdb((db.conninfo() + " client_encoding=UTF8").encode()))
    with Validator(handle=handle) as validator:
        equal(validator.outcome("text", NORMAL, 0, b"0", 1), WRONG, "a = 0")
        equal(validator.found()[0]["rule"], "t_a_check", "rule")
        LIB.check("trigperf_validator_recheck", validator.handle, admin)
        LIB.check("trigperf_validator_recheck_pgconn", validator.handle, connection)
        db.sql("alter table t drop constraint t_a_check")
        LIB.fails(STALE, "trigperf_validator_recheck_pgconn", validator.handle, connection)
        LIB.fails(STALE, "trigperf_validator_check_text", validator.handle, NORMAL, 0, b"0", 1, None,
                  ctypes.byref(ctypes.c_int32()))
    again = ctypes.c_void_p()
    LIB.check("trigperf_validator_import_pgconn", connection, None, b"t", ctypes.byref(again), None)
    with Validator(handle=again) as validator:
        equal(validator.outcome("text", NORMAL, 0, b"0", 1), VALID, "a = 0 after the change")
        LIB.fails(STATE, "trigperf_validator_recheck", Validator().handle, admin)
    libpq.PQfinish(connection)
    LIB.trigperf_admin_free(admin)
    LIB.trigperf_config_free(config)
    check(LIB.called, "nothing was called")
