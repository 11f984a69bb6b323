#!/usr/bin/python3
"""The pages tell the truth: reference without warnings, code that compiles, links that lead somewhere."""

import ast
import ctypes
import glob
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pg"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
from harness import BUILD, ROOT, check, equal, run, skip, test  # noqa: E402


def pages():
    return ["README.md"] + [os.path.relpath(path, ROOT)
                            for path in sorted(glob.glob(os.path.join(ROOT, "doc", "*.md")))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def blocks(language):
    """(page, line, code) of every fenced block of a language."""
    for page in pages():
        text = read(page)
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.S | re.M):
            yield page, text[:found.start()].count("\n") + 1, found.group(1)


@test("Doxygen has nothing to complain of")
def _():
    if shutil.which("doxygen") is None:
        skip("doxygen is not installed")
    run(["ninja", "-C", BUILD, "doc"], ok=True, timeout=1200)


@test("the README shows a whole program")
def _():
    check(readme_program(), "README.md shows no whole program in C")


def readme_program():
    """(line, code) of the README's program."""
    return [(line, code) for page, line, code in blocks("c") if page == "README.md" and "main(" in code][:1]


def compiled(tmp, name, page, line, code):
    """Compiles a block, and links it when it is a whole program; returns the path of the result."""
    source, out = os.path.join(tmp, name + ".c"), os.path.join(tmp, name)
    with open(source, "w", encoding="utf-8") as file:
        file.write(f'#line {line + 1} "{page}"\n{code}')
    flags = run(["pkg-config", "--cflags", "--libs", "libpq"], ok=True).out.split()
    run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
         "-I" + os.path.join(ROOT, "include"), *([] if "main(" in code else ["-c"]), source, "-o", out,
         *([harness.LIBRARY, *flags, "-pthread"] if "main(" in code else [])], ok=True)
    return out


@test("C on the pages compiles, whole programs link")
def _(tmp):
    for number, (page, line, code) in enumerate(blocks("c")):
        compiled(tmp, f"page{number}", page, line, code)


def attach_calls(db):
    """The table and the attachment that the README shows."""
    db.sql("create table calls(id int primary key, user_id int, status text, amount numeric, heartbeat timestamptz)")
    command = re.search(r"^    trigperf (attach .*\n.*)$", read("README.md"), re.M).group(1)
    db.trigperf(*shlex.split(command.replace("\\\n", " ")))


class Host:
    """A program that runs on, with its lines as they come."""

    def __init__(self, argv, db):
        folder = os.path.dirname(harness.LIBRARY)
        env = {**os.environ, **db.env(), "LD_LIBRARY_PATH": folder, "TRIGPERF_CONSUMER": "docs"}
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def until(self, wanted):
        """Reads lines until one contains what is wanted; returns them."""
        lines = []
        timer = threading.Timer(harness.PATIENCE, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                lines.append(line.rstrip("\n"))
                if wanted in line:
                    return lines
        finally:
            timer.cancel()
        raise harness.Failure(f"the program ended without {wanted!r}; it printed {lines!r}")


@test("the README's program says which keys to forget")
def _(installed, tmp):
    attach_calls(installed)
    line, code = readme_program()[0]
    with Host([compiled(tmp, "host", "README.md", line, code)], installed) as host:
        equal(sorted(host.until("forget dashboard:*")), ["forget call:*", "forget dashboard:*"], "resync")
        installed.sql("insert into calls values (9, 7, 'ringing')")
        equal(host.until("dashboard"), ["forget call:9", "forget dashboard:7"], "keys of an insert")
        installed.sql("update calls set heartbeat = now(); update calls set status = 'answered', user_id = 8")
        equal(host.until("dashboard:8"), ["forget call:9", "forget dashboard:7", "forget dashboard:8"],
              "keys of a call that moved")


@test("the README's Python prints batches")
def _(installed, tmp):
    attach_calls(installed)
    code = [code for page, _, code in blocks("python") if page == "README.md"][0]
    with open(os.path.join(tmp, "host.py"), "w", encoding="utf-8") as file:
        file.write(code)
    with Host(["/usr/bin/python3", file.name], installed) as host:
        host.until('"table":"*"')
        installed.sql("insert into calls values (9, 7, 'ringing')")
        equal(json.loads(host.until("call:9")[-1])["keys"], ["call:9", "dashboard:7"], "keys")


@test("the binding for Python follows a database")
def _(installed, tmp):
    attach_calls(installed)
    code = [code for page, _, code in blocks("python") if page == "doc/embedding.md"][0]
    with open(os.path.join(tmp, "host.py"), "w", encoding="utf-8") as file:
        file.write(code + BINDING_USE)
    with Host(["/usr/bin/python3", file.name], installed) as host:
        host.until("resync")
        installed.sql("insert into calls values (9, 7, 'ringing')")
        host.until("call:9 dashboard:7")
        host.until("refused: expected a whole number")


BINDING_USE = """
async def main():
    context = Context(consumer="python", batch__window_ms="0")
    async for batch in context.batches():
        print(" ".join(batch["keys"]) or "resync", flush=True)
        if "call:9" in batch["keys"]:
            break
    context.close()
    try:
        Context(batch__window_ms="soon")
    except Failed as error:
        print("refused:", str(error).split(": ", 1)[1], flush=True)


asyncio.run(main())
"""


@test("Python on the pages parses")
def _():
    for page, line, code in blocks("python"):
        try:
            ast.parse(code)
        except SyntaxError as wrong:
            raise harness.Failure(f"{page}:{line}: {wrong}") from wrong


def library_series():
    """Names of the series that a context has of itself; those of a source from the sources."""
    with open(os.path.join(ROOT, "lib", "api", "internals.c"), encoding="utf-8") as file:
        return sorted(set(re.findall(r'"(trigperf_\w+)"', file.read())))


@test("the page on metrics names every series of the library, and no other")
def _():
    names = library_series()
    check(len(names) > 30, f"only {len(names)} names found")
    page = read("doc/metrics.md")
    equal(unnamed("doc/metrics.md", names), [], "series that the page leaves out")
    table = page[page.index("## What the library tells"):page.index("## Alerts")]
    equal(sorted(set(re.findall(r"`(trigperf_\w+)`", table)) - set(names)), [], "series that do not exist")


@test("the program on metrics prints what the page says")
def _(tmp):
    page, line, code = [block for block in blocks("c") if block[0] == "doc/metrics.md"][0]
    out = run([compiled(tmp, "metrics", page, line, code)], ok=True,
              env={**os.environ, "LD_LIBRARY_PATH": os.path.dirname(harness.LIBRARY)}).out
    equal(out.split("\n")[0][:64], re.search(r"^    (host_query_seconds.*)$", read(page), re.M).group(1)[:64], "alert")
    harness.contains(out, 'host_query_seconds_count{table="calls"} 1001\n', "text")


@test("the SQL on packed histograms computes what the library computes")
def _(db):
    library = harness.library()
    library.trigperf_histogram_record.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64]
    query = [code for page, _, code in blocks("sql") if page == "doc/metrics.md"][0]
    db.sql("create table durations (packed bigint[])")
    whole, numbers = new_histogram(library), random.Random(5)
    for _ in range(3):
        part = new_histogram(library)
        for _ in range(400):
            ns = int(2 ** numbers.uniform(6, 39))
            library.trigperf_histogram_record(part, ns, 1 + ns % 3)
        text = ctypes.c_char_p()
        equal(library.trigperf_histogram_text(part, ctypes.byref(text), None), 0, "text")
        db.sql(f"insert into durations values ('{text.value.decode()}')")
        packed = text.value
        library.trigperf_histogram_parse(whole, 1, packed, ctypes.c_uint64(len(packed)), ctypes.c_uint64(0),
                                         ctypes.c_uint64(0), None)
        library.trigperf_histogram_free(part)
    for q in (0.0, 0.01, 0.07, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0):
        ns = ctypes.c_uint64()
        library.trigperf_histogram_quantile(whole, ctypes.c_double(q), ctypes.byref(ns), None)
        equal(db.value(query.replace("0.95::", f"{q}::")), str(ns.value), f"quantile {q}")
    library.trigperf_histogram_free(whole)


def new_histogram(library):
    histogram = ctypes.c_void_p()
    equal(library.trigperf_histogram_new(ctypes.byref(histogram), None), 0, "new histogram")
    return histogram


@test("links lead to files that exist")
def _():
    broken = []
    for page in pages():
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```", "", read(page), flags=re.S)):
            if not re.match(r"[a-z]+:", target):
                if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
                    broken.append(f"{page}: {target}")
    equal(broken, [], "broken links")


@test("the page on configuration is what the table says")
def _():
    library = harness.library()
    text = ctypes.c_char_p()
    equal(library.trigperf_config_describe(b"markdown", ctypes.byref(text), None), 0, "status")
    table = "\n".join(re.findall(r"^\|.*$", read("doc/configuration.md"), re.M))
    equal(table, text.value.decode().strip(),
          "table in doc/configuration.md (paste the output of `trigperf config --format markdown`)")


@test("key values are written as doc/sql.md says, whatever the session's settings")
def _(installed):
    block = re.search(r"^```\ntype +a value +its text\n(.*?)^```", read("doc/sql.md"), re.S | re.M).group(1)
    kinds = [re.fullmatch(r"(\S.*?)  +'(.*?)'  +(.*)", line).groups() for line in block.splitlines()]
    check(len(kinds) > 20, f"only {len(kinds)} types in the table")
    settings = "set timezone = 'Asia/Kolkata'; set datestyle = 'SQL, DMY'; set intervalstyle = 'iso_8601';" \
               " set bytea_output = 'escape'; set extra_float_digits = -3; set lc_monetary = 'C.UTF-8';"
    for number, (kind, literal, _) in enumerate(kinds):
        installed.sql(f"create table t{number}(id {kind}); insert into t{number} values ('{literal}')")
        installed.trigperf("attach", f"t{number}", "--key", "id", "--granularity",
                           "statement" if number % 2 else "row")
    installed.tail("--consumer", "rendering")
    for number in range(len(kinds)):
        installed.sql(f"{settings} delete from t{number}")
    found = {change["table"]: change["keys"]["id"]
             for line in installed.tail("--consumer", "rendering") for change in line["changes"]}
    wanted = {f"public.t{number}": text for number, (_, _, text) in enumerate(kinds)}
    equal({kinds[int(name[8:])][0]: (text, found.get(name)) for name, text in wanted.items()
           if found.get(name) != text}, {}, "types that are written otherwise: (page, library)")


@test("the rights that doc/sql.md grants are enough to follow")
def _(installed):
    grants = [code for page, _, code in blocks("sql") if page == "doc/sql.md" and "GRANT" in code][0]
    attach_calls(installed)
    installed.sql("create role app login")
    try:
        app = installed.as_user("app")
        harness.contains(app.trigperf("tail", ok=1).err, "permission denied", "a role without rights")
        equal(grants, installed.trigperf("grants", "--consumer", "app").out, "what the page shows of grants")
        installed.sql(grants)
        for arguments in ([], ["--consumer", "rights"]):
            equal([line["reason"] for line in app.tail(*arguments)], ["resync"], f"tail {arguments}")
        installed.sql("insert into calls values (9, 7)")
        equal([line["keys"] for line in app.tail("--consumer", "rights")], [["call:9", "dashboard:7"]], "keys")
        harness.contains(app.fails("insert into trigperf.outbox select * from trigperf.outbox"), "denied",
                         "a role that follows writes into the outbox")
    finally:
        installed.sql("drop owned by app; drop role app")


def unnamed(page, names):
    return [name for name in names if not re.search(rf"\b{re.escape(name)}\b", read(page))]


@test("the pages name every object of the schema, every status and every command")
def _(installed):
    objects = installed.rows("""
        select relname from pg_class where relnamespace = 'trigperf'::regnamespace
           and relkind in ('r', 'p') and relname !~ '^outbox_[0-9]$'
        union select proname from pg_proc where pronamespace = 'trigperf'::regnamespace""")
    check(len(objects) > 20, f"only {len(objects)} objects found")
    equal(unnamed("doc/sql.md", [row[0] for row in objects]), [], "objects that doc/sql.md leaves out")
    codes = re.findall(r"^    X\((E_\w+),", read("include/trigperf/error.h"), re.M)
    check(len(codes) > 10, f"only {len(codes)} codes found")
    equal(unnamed("doc/operations.md", ["TRIGPERF_" + code for code in codes]), [],
          "status codes that doc/operations.md leaves out")
    commands = re.findall(r"^  (\w+) ", installed.trigperf("--help").out.split("options of")[0], re.M)
    check("tail" in commands, f"commands {commands}")
    equal(unnamed("doc/operations.md", [f"trigperf {name}" for name in commands if name != "help"]), [],
          "commands that doc/operations.md leaves out")


if __name__ == "__main__":
    harness.main()
