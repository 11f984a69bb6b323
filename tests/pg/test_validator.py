#!/usr/bin/python3
# suite: versions
"""Validators imported from tables: their answers against those of the server, thousands of them."""

import ctypes
import itertools
import json
import os
import random
import sys

import harness
from harness import check, contains, equal, eventually, test

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "ffi"))

from binding import CHECK_FN, Binding  # noqa: E402  pylint: disable=wrong-import-position

LIB = Binding()
VALID, INVALID, UNDECIDED = 0, 1, 2
E_STALE, E_STATE, E_UNSUPPORTED, E_NOT_FOUND = -9, -6, -16, -4

# The server's answer: whether a row of these texts goes in.
ASK = """
create function takes(p_table text, p_columns text[], p_values text[]) returns boolean language plpgsql as $$
declare
    list text := (select string_agg(coalesce(quote_literal(v), 'NULL'), ', ' order by n)
                  from unnest(p_values) with ordinality u(v, n));
    names text := (select string_agg(quote_ident(c), ', ' order by n) from unnest(p_columns) with ordinality u(c, n));
begin
    execute format('insert into %s (%s) values (%s)', p_table, names, list);
    return true;
exception when others then
    return false;
end $$;
create table asked (n int, tab text, cols text[], vals text[]);
"""


def literal(text):
    if text is None:
        return "NULL"
    return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") + "'"


class Server:
    """Collects rows and asks the server about all of them at once."""

    def __init__(self, db):
        self.db, self.rows = db, []
        db.sql(ASK)

    def ask(self, questions):
        """[(table, columns, values)] -> [bool]"""
        self.db.sql("truncate asked")
        for at in range(0, len(questions), 500):
            rows = ", ".join(
                f"({at + n}, {literal(table)}, array[{', '.join(map(literal, columns))}]::text[], "
                f"array[{', '.join(map(literal, values))}]::text[])"
                for n, (table, columns, values) in enumerate(questions[at:at + 500]))
            self.db.sql(f"insert into asked values {rows}")
        found = self.db.rows("select takes(tab, cols, vals) from (select * from asked order by n offset 0) a")
        return [row[0] == "t" for row in found]


class Imported:
    """A validator of a table, through the library."""

    def __init__(self, admin, table, context=None):
        self.handle, report = ctypes.c_void_p(), ctypes.c_void_p()
        LIB.check("trigperf_validator_import", admin, context, table.encode(), ctypes.byref(self.handle),
                  ctypes.byref(report))
        self.report = json.loads(ctypes.string_at(report).decode())
        LIB.trigperf_string_free(report)

    def check(self, columns, values, occasion=0):
        """outcome of a row; values are bytes, str or None."""
        numbers = (ctypes.c_uint32 * len(columns))(*[self.find(name) for name in columns])
        coded = [value.encode() if isinstance(value, str) else value for value in values]
        texts = (ctypes.c_char_p * len(columns))(*coded)
        lengths = (ctypes.c_uint64 * len(columns))(*[len(value or b"") for value in coded])
        outcome = ctypes.c_int32()
        LIB.check("trigperf_validator_check_row", self.handle, occasion, numbers, texts, lengths,
                  len(columns), None, ctypes.byref(outcome))
        return outcome.value

    def find(self, name):
        number = ctypes.c_uint32()
        LIB.check("trigperf_validator_find", self.handle, name.encode(), ctypes.byref(number))
        return number.value

    def left(self):
        return {item["name"]: item["reason"] for item in self.report["left_to_the_database"]}

    def imported(self):
        return [item["name"] for item in self.report["imported"]]

    def free(self):
        LIB.trigperf_validator_free(self.handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.free()


class Admin:
    def __init__(self, db):
        self.config = LIB.made("trigperf_config_new")
        LIB.check("trigperf_config_set", self.config, b"connection", db.conninfo().encode())
        self.handle = LIB.made("trigperf_admin_new", self.config)

    def __enter__(self):
        return self.handle

    def __exit__(self, *_):
        LIB.trigperf_admin_free(self.handle)
        LIB.trigperf_config_free(self.config)


INTEGERS = [0, 1, -1, 2, 5, 7, 9, 10, 11, 99, 100, 101, 127, 128, 255, 256, 1000,
            32767, 32768, -32768, -32769, 2147483647, 2147483648, -2147483648, -2147483649,
            9223372036854775807, 9223372036854775808, -9223372036854775808, -9223372036854775809]
WORDS = ["", " ", "  ", "a", "A", "b", "ab", "abc", "abcd", "abcde", "abcdef", "abc  ", "abcde ", "abcdef ",
         "é", "éé", "ééééé", "éééééé", "日本語", "日本語日本", "😀", "😀😀😀😀😀😀", "a\nb", "x'y", "\\", "a\\b",
         "%", "_", "red", "green", "blue", "Red", "red ", " red", "null", "NULL", "yes", "user@example.com",
         "user@", "a-b", "a_b", "0", "42", "a1", "1a", "[a]", "~", "Ω", "z", "Z", "á", "zz", "tab\there"]


def integer_texts(dice):
    """Numbers around every bound, in the ways in which they can be written, and what is none."""
    for number in INTEGERS:
        yield str(number)
        for form in ("+{}", " {}", "{} ", "\t{}\n", "{}.0", "{}.", "{}e0", "0{}", "{}x", "- {}"):
            yield form.format(number)
    yield from ("", " ", "-", "+", "--1", "1 1", "0x10", "0b1", "0o7", "1_000", "1e3", ".5", "NaN", "Infinity",
                "١", "abc", "1,000", "00000000000000000000000012", "-0", "+0")
    for _ in range(120):
        yield str(dice.randint(-40000, 40000))
        yield str(dice.randint(-2**33, 2**33))
        yield str(dice.randint(-12, 120))


def decimal_texts(dice):
    yield from integer_texts(dice)
    yield from ("1.0", "1.00", "1.000", "-1.0", "0.0", "-0.0", "0.00", ".5", "5.", "0.005", "0.0049", "0.00499999",
                "0.0050000001", "-0.005", "-0.0049", "999.99", "999.994", "999.995", "-999.995", "99999.99",
                "999999.99", "999999.994", "999999.995", "1e2", "1E2", "1e+2", "1e-2", "1e-3", "5e-3", "1e400",
                "1e-400", "1e5000", "1.2.3", "1e", "e1", "1e1.5", "nan", "NAN", "-NaN", "+NaN", "inf", "-inf", "+inf",
                "infinity", "-Infinity", "+Infinity", "INF", "infin", "1" * 60, "0." + "3" * 60, "1" * 300, "1e99999",
                "0.1", "0.10", "10.50", "10.5", "10.500000000000000000000001", "10.499999999999999999999999",
                "49.5", "50.5", "149", "150", "-150", "1234.5678", "0.01234", "0.00999", "0.009994", "0.009995")
    for _ in range(250):
        scale = dice.randint(0, 6)
        text = f"{dice.randint(-1100, 1100)}.{dice.randrange(10**scale):0{scale}d}" if scale else "7"
        yield text + ("0" * dice.randint(0, 2))


def word_texts(dice):
    yield from WORDS
    for word in WORDS:
        yield word + " "
        yield word * 3
    for _ in range(250):
        yield "".join(dice.choice("abcxyzABC019 .-_@éß日😀") for _ in range(dice.randint(0, 9)))


# name, type, constraint, texts
COLUMNS = [
    ("i2", "smallint", "", integer_texts),
    ("i4", "integer", "check (x between 1 and 100)", integer_texts),
    ("i8", "bigint", "check (x > -5 and x <> 7)", integer_texts),
    ("i4in", "integer", "check (x in (1, 5, 10, -1))", integer_texts),
    ("i2in", "smallint", "check (x in (1, 5, 10))", integer_texts),
    ("i8notin", "bigint", "check (x not in (1, 5, 32768))", integer_texts),
    ("i4nn", "integer", "not null check (x >= 0 or x = -1)", integer_texts),
    ("i4frac", "integer", "check (x > 9.5 and x < 100.5)", integer_texts),
    ("i4not", "integer", "check (not (x < 10 or x > 100))", integer_texts),
    ("i4null", "integer", "check (x is not null and x < 100)", integer_texts),
    ("i4nulls", "integer", "check (x in (1, null, 2) or x > 100)", integer_texts),
    ("n", "numeric", "check (x >= 0)", decimal_texts),
    ("n52", "numeric(5,2)", "check (x > 0)", decimal_texts),
    ("n82", "numeric(8,2)", "check (x between 0.5 and 999.99)", decimal_texts),
    ("n30", "numeric(3,0)", "check (x <> 100)", decimal_texts),
    ("n3n", "numeric(3,-2)", "check (x < 50000)", decimal_texts),
    ("n35", "numeric(3,5)", "", decimal_texts),
    ("nin", "numeric", "check (x in (1.5, 10.50, 100))", decimal_texts),
    ("nnan", "numeric", "check (x <> 'NaN' and x < 'Infinity')", decimal_texts),
    ("nbig", "numeric", "check (x < 12345678901234567890.5)", decimal_texts),
    ("t", "text", "check (length(x) between 1 and 5)", word_texts),
    ("tnn", "text", "not null check (x <> '')", word_texts),
    ("tin", "text", "check (x in ('red', 'green', 'blue', 'x''y', 'a\\b', ''))", word_texts),
    ("tnot", "text", "check (x not in ('red', 'é', '日本語'))", word_texts),
    ("tre", "text", "check (x ~ '^[a-z]+$')", word_texts),
    ("tre2", "text", "check (x ~ '^([a-z0-9]+[-_])*[a-z0-9]+@?[^@ ]*$' and x !~ 'zz')", word_texts),
    ("tre3", "text", "check (x ~ '^.{2,3}$')", word_texts),
    ("tre4", "text", "check (x ~ '\\.' or x ~ '[0-9]{2,}' or x is null or x ~ '^(a|é|日)')", word_texts),
    ("tc", 'text collate "C"', "check (x >= 'a' and x < 'é')", word_texts),
    ("tcol", "text", "check (x collate \"C\" < 'b')", word_texts),
    ("v", "varchar(5)", "check (char_length(x) <> 3)", word_texts),
    ("vin", "varchar(6)", "check (x in ('red', 'green', 'abc  '))", word_texts),
    ("vany", "varchar", "check (x = any (array['red', 'blue']::text[]))", word_texts),
    ("e", "mood", "", word_texts),
    ("enn", "mood", "not null", word_texts),
    ("d1", "percent", "", integer_texts),
    ("d2", "small_percent", "check (x <> 7)", integer_texts),
    ("d3", "code", "", word_texts),
    ("d4", "price", "not null", decimal_texts),
    ("d5", "required", "", word_texts),
]

TYPES = """
create type mood as enum ('red', 'green', 'é', 'with space', 'x''y');
create domain percent as integer check (value between 0 and 100);
create domain small_percent as percent constraint small check (value < 50);
create domain code as varchar(5) check (value ~ '^[a-z]*$') check (length(value) <> 2);
create domain price as numeric(6,2) constraint positive check (value > 0);
create domain required as text not null check (value <> 'red');
"""


def disagreements(server, questions, ours):
    """Compares outcomes with the server's answers; returns (decided, undecided, what differs)."""
    theirs = server.ask(questions)
    wrong, decided = [], 0
    for question, outcome, goes_in in zip(questions, ours, theirs):
        if outcome != UNDECIDED:
            decided += 1
            if (outcome == VALID) != goes_in:
                wrong.append((question, outcome, goes_in))
    return decided, len(ours) - decided, wrong


@test("10,000 values around every bound: what is decided is what the server decides")
def _(db):
    dice = random.Random(5)
    server = Server(db)
    db.sql(TYPES)
    questions, ours = [], []
    with Admin(db) as admin:
        for name, kind, constraint, texts in COLUMNS:
            db.sql(f"create table t_{name} (x {kind} {constraint})")
            with Imported(admin, f"t_{name}") as validator:
                equal(validator.left(), {}, f"left of {name}")
                for value in itertools.chain([None], texts(dice)):
                    questions.append((f"t_{name}", ["x"], [value]))
                    ours.append(validator.check(["x"], [value]))
    check(len(questions) >= 10000, f"only {len(questions)} values")
    decided, undecided, wrong = disagreements(server, questions, ours)
    equal(wrong[:10], [], f"{len(wrong)} disagreements")
    check(decided >= 10000, f"only {decided} of {len(questions)} values were decided")
    check(ours.count(VALID) > 2000 and ours.count(INVALID) > 2000, "one-sided values")
    print(f"# {decided} decided alike, {undecided} left to the server, 0 disagreements")


class Maker:
    """Random conditions of what is on the list."""

    NUMBERS = ["0", "1", "5", "-3", "10", "100", "2.5", "-0.5", "10.50", "32767", "2147483648"]
    WORDS = ["'a'", "'b'", "''", "'é'", "'red'", "'x''y'"]

    def __init__(self, dice):
        self.dice = dice

    def number(self):
        return self.dice.choice(["i", "n", "b", "s"])

    def word(self):
        return self.dice.choice(["t", "v"])

    def comparison(self):
        pick, sign = self.dice.choice, self.dice.choice(["=", "<>", "<", "<=", ">", ">="])
        forms = [
            lambda: f"{self.number()} {sign} {pick(self.NUMBERS)}",
            lambda: f"{pick(self.NUMBERS)} {sign} {self.number()}",
            lambda: f"{self.number()} {sign} {self.number()}",
            lambda: f"{self.number()} between {pick(self.NUMBERS)} and {pick(self.NUMBERS)}",
            lambda: f"{self.number()} in ({', '.join(pick(self.NUMBERS) for _ in range(self.dice.randint(1, 4)))})",
            lambda: f"{self.number()} not in ({pick(self.NUMBERS)}, {pick(self.NUMBERS)})",
            lambda: f"{self.number()} {sign} all (array[{pick(self.NUMBERS)}, {pick(self.NUMBERS)}])",
            lambda: f"{self.word()} {pick(['=', '<>'])} {pick(self.WORDS)}",
            lambda: "t = v",
            lambda: f"{self.word()} in ({', '.join(pick(self.WORDS) for _ in range(self.dice.randint(1, 4)))})",
            lambda: f"{self.word()} not in ({pick(self.WORDS)}, {pick(self.WORDS)}, null)",
            lambda: f"length({self.word()}) {sign} {self.dice.randint(0, 4)}",
            lambda: f"length({self.word()}) {sign} i",
            lambda: f"{self.word()} {pick(['~', '!~'])} {pick(['$$^[a-z]+$$', '$$a|é$$', '$$^.{1,2}$$', '$$[^a]$$'])}",
            lambda: f"{pick('inbstvd')} is {pick(['', 'not '])}null",
            lambda: pick(["true", "i > 0 or true", "s <= i"]),
        ]
        return pick(forms)()

    def condition(self, depth):
        if depth == 0 or self.dice.random() < 0.3:
            return self.comparison()
        kind = self.dice.random()
        if kind < 0.2:
            return f"not ({self.condition(depth - 1)})"
        word = " and " if kind < 0.6 else " or "
        return word.join(f"({self.condition(depth - 1)})" for _ in range(self.dice.randint(2, 3)))


ROW = {"i": [None, "0", "1", "5", "-3", "10", "100", "2147483647", "-2147483648"],
       "n": [None, "0", "1.00", "2.5", "2.50", "-0.5", "10.5", "10.50", "100", "NaN", "99999999", "0.004", "0.005"],
       "b": [None, "0", "5", "-3", "2147483648", "9223372036854775807"],
       "s": [None, "0", "1", "10", "32767", "-32768"],
       "t": [None, "", "a", "b", "é", "red", "x'y", "ab", "日本"],
       "v": [None, "", "a", "é", "red", "abc ", "abcd"],
       "d": [None, "2026-01-01"]}


@test("random conditions over several columns: the server's answers, NULLs included")
def _(db):
    dice = random.Random(11)
    server, maker = Server(db), Maker(dice)
    questions, ours, left = [], [], []
    names = list(ROW)
    with Admin(db) as admin:
        for number in range(260):
            condition = maker.condition(dice.randint(0, 3))
            table = f"r_{number}"
            try:
                db.sql(f"create table {table} (i int, n numeric(8,2), b bigint, s smallint, t text, v varchar(4),"
                       f" d date, check ({condition}))")
            except Exception:  # a comparison that the server has no operator for
                continue
            with Imported(admin, table) as validator:
                reasons = {name: reason for name, reason in validator.left().items() if name != "d"}
                left += [(condition, reason) for reason in reasons.values()]
                if reasons:
                    continue
                for _ in range(40):
                    values = [dice.choice(ROW[name]) for name in names]
                    questions.append((table, names, values))
                    ours.append(validator.check(names, values))
    decided, undecided, wrong = disagreements(server, questions, ours)
    equal(wrong[:5], [], f"{len(wrong)} disagreements")
    check(decided > 8000, f"only {decided} of {len(questions)} were decided")
    equal([item for item in left if item[1] != "a condition without columns"], [], "conditions that were left")
    print(f"# {decided} rows decided alike, {undecided} undecided, {len(left)} conditions left, 0 disagreements")


# What must be left, and a part of the reason.
LEFT = [
    ("x timestamptz check (x < now())", "the function now"),
    ("x date check (x > '2020-01-01')", "a cast to the type date"),
    ("x double precision check (x > 0)", "a cast to the type double"),
    ("x text check (lower(x) = x)", "the function lower"),
    ("x text check (x like 'a%')", "the operator ~~"),
    ("x text check (x < 'b')", "depends on the locale"),
    ("x text check (x ~* 'a')", "the operator ~*"),
    ("x text check (x ~ '\\d')", "the regular expression"),
    ("x text check (x ~ '[[:alpha:]]')", "the regular expression"),
    ("x text check (x ~ '(?i)a')", "the regular expression"),
    ("x text check (x ~ '(a)\\1')", "the regular expression"),
    ("x int check (x + 1 > 0)", "the operator +"),
    ("x int check (x % 2 = 0)", "the operator %"),
    ("x int check (coalesce(x, 1) > 0)", "COALESCE"),
    ("x int check (case when x > 0 then true else false end)", "CASE"),
    ("x int check (public.is_fine(x))", "outside pg_catalog"),
    ("x text check (public.length(x) > 3)", "outside pg_catalog"),
    ("x int check (x operator(public.=) 3)", "outside pg_catalog"),
    ("x int check (x is distinct from 3)", "IS"),
    ("x int check (x::text <> '3')", "a cast to the type text"),
    ("x int check (x = any ('{1,2}'))", "array that is not written out"),
    ("x bool check (x)", "a value where a condition"),
    ("x char(3) check (x = 'abc')", "a cast to the type bpchar"),
    ("x bigint check (x::integer > 0)", "a cast to the type integer"),
    ("x numeric check (x::numeric(4,1) > 0)", "a cast to the type numeric"),
    ("x text check (x collate \"und-x-icu\" <> 'a')", "the collation"),
    ("x text collate nodet check (x = 'a')", "deterministic"),
    ("x varchar(9) check (length(x || 'a') > 3)", "the operator ||"),
    ("x int[] check (x[1] > 0)", "a part of"),
    ("x int check (x > 0) not enforced", "not enforced"),
]


@test("what is not on the list is left to the database, with the reason")
def _(db):
    db.sql("""create function public.is_fine(int) returns bool immutable language sql as 'select $1 > 0';
              create function public.length(text) returns int immutable language sql as 'select 3';
              create function public.eq(int, int) returns bool immutable language sql as 'select true';
              create operator public.= (leftarg = int, rightarg = int, function = public.eq);
              create collation nodet (provider = icu, locale = 'und', deterministic = false);""")
    wrong = []
    with Admin(db) as admin:
        for number, (column, reason) in enumerate(LEFT):
            table = f"l_{number}"
            if "not enforced" in column and int(db.value("show server_version_num")) < 180000:
                continue
            db.sql(f"create table {table} ({column})")
            with Imported(admin, table) as validator:
                found = validator.left().get(f"{table}_x_check", "imported")
                wrong += [(column, found)] if reason not in found else []
    equal(wrong, [], "(column, reason found)")


@test("triggers, rules, other constraints and generated columns are named")
def _(db):
    db.sql("""
        create table parent (id int primary key);
        create table plain (id int primary key, a int not null check (a > 0), b int references parent unique,
                            g int generated always as (a + 1) stored, check (g > a), exclude (a with =));
        create table guarded (like plain including constraints);
        create function fix() returns trigger language plpgsql as 'begin new.a := 1; return new; end';
        create trigger fix before insert on guarded for each row execute function fix();
        create table ruled (a int not null);
        create rule skip as on insert to ruled where new.a is null do instead nothing;
        create view seen as select * from plain;
        create table parts (a int not null check (a < 10)) partition by range (a);
        create table part_1 partition of parts for values from (0) to (5);
        create trigger fix before insert on part_1 for each row execute function fix();""")
    with Admin(db) as admin:
        with Imported(admin, "plain") as plain:
            left = plain.left()
            for name in ("plain_pkey", "plain_b_key", "plain_b_fkey", "plain_a_excl"):
                contains(left.get(name, ""), "other rows", name)
            contains(left["g"], "generated", "column g")
            contains(left["plain_check"], "the name g", "check of a generated column")
            equal(plain.check(["a"], ["0"]), INVALID, "a = 0")
            equal(plain.check(["a"], [None]), INVALID, "a is null")
            equal(plain.check(["b"], ["7"]), VALID, "b alone")
        with Imported(admin, "guarded") as guarded:
            contains(guarded.left()["plain_a_check"], "trigger", "check behind a trigger")
            equal(guarded.check(["a"], ["0"]), VALID, "a trigger repairs it")
            equal(guarded.check(["a"], ["x"]), INVALID, "no trigger repairs a type")
        with Imported(admin, "ruled") as ruled:
            contains(ruled.left()["a"], "rule", "not null behind a rule")
        with Imported(admin, "parts") as parts:
            contains(parts.left()["parts_a_check"], "trigger", "check behind a trigger of a partition")
            contains(parts.left()["part_1"], "not on the list", "bound of a partition")
        handle = ctypes.c_void_p()
        LIB.fails(E_UNSUPPORTED, "trigperf_validator_import", admin, None, b"seen", ctypes.byref(handle), None)
        LIB.fails(E_NOT_FOUND, "trigperf_validator_import", admin, None, b"nothing", ctypes.byref(handle), None)


@test("values that cannot be stored: zero bytes and what is not UTF-8")
def _(db):
    db.sql("create table b (x text, v varchar(3))")
    with Admin(db) as admin, Imported(admin, "b") as validator:
        for value in (b"a\0b", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"):
            equal(validator.check(["x"], [value]), INVALID, repr(value))
        equal(validator.check(["x", "v"], ["é" * 1000, "日本語"]), VALID, "valid text")


CHANGES = [
    "alter table t drop constraint t_a_check",
    "alter table t add constraint more check (a < 50)",
    "alter table t alter a set not null",
    "alter table t alter b type varchar(9)",
    "alter table t rename column a to c",
    "alter type mood add value 'blue'",
    "alter domain percent add constraint even check (value <> 13)",
    "create trigger fix before insert on t for each row execute function fix()",
    "alter table t rename to u",
    "drop table t",
]


@test("a definition that changed is noticed on demand, whatever changed")
def _(db):
    db.sql("""create type mood as enum ('red'); create domain percent as int check (value <= 100);
              create function fix() returns trigger language plpgsql as 'begin return new; end';
              create table t (a int check (a > 0), b varchar(5), m mood, p percent)""")
    with Admin(db) as admin:
        for change in CHANGES:
            with Imported(admin, "t") as validator:
                LIB.check("trigperf_validator_recheck", validator.handle, admin)
                db.sql(change)
                LIB.fails(E_STALE, "trigperf_validator_recheck", validator.handle, admin)
                harness.raises(Exception, validator.check, ["a"], ["1"])
                LIB.fails(E_STALE, "trigperf_validator_recheck", validator.handle, admin)
            if "rename" in change and "table t rename to" in change:
                db.sql("alter table u rename to t")
            if "rename column" in change:
                db.sql("alter table t rename column c to a")


class Context:
    """A context that follows the database."""

    def __init__(self, db):
        self.config = LIB.made("trigperf_config_new")
        for name, value in (("connection", db.conninfo()), ("batch.window_ms", "10")):
            LIB.check("trigperf_config_set", self.config, name.encode(), value.encode())
        self.handle = LIB.made("trigperf_context_new", self.config)

    def turn(self):
        """Processes, and acknowledges whatever comes."""
        LIB.trigperf_wait(self.handle, 50, None)
        while batch := LIB.made("trigperf_batch_next", self.handle):
            LIB.check("trigperf_batch_ack", batch)

    def settle(self):
        """Until all that is visible now has been delivered."""
        ticket = ctypes.c_uint64()
        LIB.check("trigperf_catch_up", self.handle, ctypes.byref(ticket))
        eventually(lambda: self.turn() or LIB.trigperf_catch_up_done(self.handle, ticket), "a catch-up", pause=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIB.trigperf_context_free(self.handle)
        LIB.trigperf_config_free(self.config)


def is_stale(validator):
    outcome, status = ctypes.c_int32(), None
    status = LIB.trigperf_validator_check_text(validator.handle, 0, 0, b"1", 1, None, ctypes.byref(outcome), None)
    check(status in (0, E_STALE), f"status {status}")
    return status == E_STALE


DDL = ["alter table t add constraint more check (a < 50)", "alter table t alter a set not null",
       "alter type mood add value 'blue'", "alter domain percent add check (value <> 13)",
       "create trigger fix before insert on t for each row execute function fix()",
       "alter table t drop constraint more"]


@test("DDL on an attached table drops the validator and its verdicts, through the context")
def _(installed):
    db = installed
    db.sql("""create type mood as enum ('red'); create domain percent as int check (value <= 100);
              create function fix() returns trigger language plpgsql as 'begin return new; end';
              create table t (a int check (a > 0), m mood, p percent); create table other (a int)""")
    for table in ("public.t", "public.other"):
        db.attach(table, "--key", "a", "--rule", table[7:] + ":{a}", "--granularity", "statement")
    with Admin(db) as admin, Context(db) as context:
        context.settle()
        for number, change in enumerate(DDL):
            db.sql("select trigperf.table_check_all()")
            context.settle()
            with Imported(admin, "t", context.handle) as validator:
                LIB.check("trigperf_validator_use", validator.handle, context.handle, 1 + number, 0, 1)
                equal(validator.check(["a"], ["60"]), INVALID if number in (1, 2, 3, 4) else VALID, "60")
                db.sql("insert into t values (5, 'red', 7); insert into other values (5)")
                context.settle()
                check(not is_stale(validator), f"changes of rows made it stale, before {change}")
                db.sql(change)
                db.sql("select trigperf.table_check_all()")
                eventually(lambda: context.settle() or is_stale(validator), f"the context learns of: {change}")
                LIB.fails(E_STALE, "trigperf_validator_recheck", validator.handle, admin)


@test("verdicts of a function that reads a table go with that table's changes, through the context")
def _(installed):
    db, calls = installed, []
    db.sql("create table t (a int); create table limits (id int primary key, most int); insert into limits values (1, 10)")
    db.attach("public.limits", "--key", "id", "--rule", "limit:{id}", "--granularity", "statement")

    def within(_, values, lengths, __):
        calls.append(1)
        return int(int(ctypes.string_at(values[0], lengths[0])) > int(db.value("select most from limits")))

    function = CHECK_FN(within)
    with Admin(db) as admin, Context(db) as context, Imported(admin, "t") as validator:
        context.settle()
        LIB.check("trigperf_validator_function", validator.handle, (ctypes.c_uint32 * 1)(0), 1, b"limit",
                  b"at most the limit", function, None, b"public.limits", 0, 0)
        LIB.check("trigperf_validator_use", validator.handle, context.handle, 1, 0, 0)

        def kept():
            validator.check(["a"], ["50"])
            before = len(calls)
            validator.check(["a"], ["50"])
            return len(calls) == before

        eventually(kept, "a verdict that is kept")
        equal(validator.check(["a"], ["50"]), INVALID, "above the limit")
        db.sql("update limits set most = 100")
        context.settle()
        equal(validator.check(["a"], ["50"]), VALID, "below the new limit")
        db.sql("insert into t values (1)")
        eventually(kept, "a verdict that is kept again")


@test("a resync without DDL is settled by comparing once")
def _(installed):
    db = installed
    db.sql("create table t (a int check (a > 0))")
    db.attach("public.t", "--key", "a", "--rule", "t:{a}", "--granularity", "statement")
    with Admin(db) as admin, Context(db) as context:
        context.settle()
        with Imported(admin, "t", context.handle) as validator:
            equal(validator.check(["a"], ["0"]), INVALID, "before")
            LIB.check("trigperf_push_resync", context.handle, b"public.t")
            check(is_stale(validator), "a resync of the table is no news")
            LIB.check("trigperf_validator_recheck", validator.handle, admin)
            equal(validator.check(["a"], ["0"]), INVALID, "after")
            LIB.check("trigperf_push_resync", context.handle, b"public.other")
            check(is_stale(validator), "a resync of an unknown table counts as one of everything")
            LIB.check("trigperf_validator_recheck", validator.handle, admin)
            check(not is_stale(validator), "still stale")


if __name__ == "__main__":
    harness.main()
