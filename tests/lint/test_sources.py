#!/usr/bin/python3
"""The shape of the sources: layers, sizes, format, words, lists of the build."""

import json
import os
import re
import subprocess
import tempfile

from tree import LAYERS, ROOT, files, harness, includes, none, read, tracked

LONGEST_FUNCTION = 80
LONGEST_FILE = 600

# What a layer must leave alone, apart from the layers above it.
ONLY_IN = {
    r"uthash\.h": r"lib/base/map\.c|tests/bench/.*",
    r"ut(list|array|string|ringbuffer)\.h": r"lib/base/.*",
    r"sys/(epoll|timerfd|eventfd)\.h": r"(lib/base/loop\.c|(tools|examples|tests)/.*)",
    r"libpq-fe\.h|postgres\w*\.h": r"(lib/(pg|db|api)|examples|tests)/.*",
    r"(sys/.*|unistd|poll|fcntl|netdb|signal)\.h": r"(lib/(base|pg|db|api)|tools|examples|tests)/.*",
    # The engine is the pipeline behind a lock; the deadline it waits for is an argument.
    r"(time|pthread|threads)\.h": r"(lib/(base|pg|db|api)|tools|examples|tests)/.*|lib/core/engine\.c",
    r"base/(clock|loop|entropy)\.h": r"(lib/(base|pg|db|api)|tests)/.*",
}


@harness.test("includes of the library go down only")
def _():
    problems = []
    for path in files(r"lib/\w+/.*\.[ch]"):
        own = LAYERS.index(path.split("/")[1])
        for mark, name in includes(path):
            layer = name.split("/")[0]
            if mark == '"' and layer not in LAYERS:
                problems.append(f'{path}: "{name}" is not written from lib/')
            elif mark == '"' and LAYERS.index(layer) > own:
                problems.append(f'{path}: "{name}" is above it')
    none(problems, "includes that go up")


@harness.test("tools and examples see the public headers only")
def _():
    problems = []
    for path in files(r"(tools|examples)/.*\.[ch]"):
        folder = os.path.dirname(path)
        for mark, name in includes(path):
            home = "examples" if name.startswith("common/") and path.startswith("examples/") else folder
            if mark == '"' and not os.path.isfile(os.path.join(ROOT, home, name)):
                problems.append(f'{path}: "{name}" is no header of its folder')
            if mark == '"' and ".." in name:
                problems.append(f'{path}: "{name}" leaves its folder')
            if name.startswith("trigperf/"):
                problems.append(f"{path}: <{name}> instead of <trigperf.h>")
    none(problems, "includes that reach inside")


@harness.test("system interfaces stay where they belong")
def _():
    problems = []
    for path in files(r"(lib|tools|examples|tests)/.*\.[ch]"):
        for _, name in includes(path):
            problems += [f"{path}: {name}" for pattern, where in ONLY_IN.items()
                         if re.fullmatch(pattern, name) and not re.fullmatch(where, path)]
    none(problems, "headers that this place must not use")


@harness.test("every module has a header, every source a head comment")
def _():
    problems = []
    for path in files(r"lib/.*\.c"):
        if not os.path.isfile(os.path.join(ROOT, path[:-1] + "h")) and "/api/" not in path:
            problems.append(f"{path}: no header of the same name")
    problems += [f"{path}: no comment at its head" for path in files(r"(lib|tools|examples)/.*\.[ch]")
                 if not read(path).startswith("/*")]
    none(problems, "modules")


def functions(text):
    """(first line, number of lines) of each function of a formatted file: it begins in the first
    column with a name and a parenthesis and ends with a brace in the first column."""
    first, start, inside = "", 0, False
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"[A-Za-z_][^;={]*\(", line):
            first, start = line, number
        if start and not inside:
            inside = line.endswith("{")
            start = 0 if line.endswith(";") else start
        elif inside and line == "}":
            yield first, number - start + 1
            start, inside = 0, False


@harness.test("the length of a function is measured right")
def _():
    text = "int a(void) {\n    return 1;\n}\n\nint b(int x,\n      int y) {\n}\nint c(void);\nint d[] = {\n};\n"
    harness.equal(list(functions(text)), [("int a(void) {", 3), ("int b(int x,", 3)], "functions")


@harness.test("functions and files are short")
def _():
    problems = []
    for path in files(r"(lib|tools|examples|include)/.*\.[ch]"):
        text = read(path)
        if text.count("\n") > LONGEST_FILE:
            problems.append(f"{path}: {text.count(chr(10))} lines, {LONGEST_FILE} allowed")
        problems += [f"{path}: {length} lines, {LONGEST_FUNCTION} allowed: {name}"
                     for name, length in functions(text) if length > LONGEST_FUNCTION]
    none(problems, "too long")


@harness.test("C is formatted as .clang-format says")
def _():
    sources = files(r"(lib|tools|examples|include|tests)/.*\.[ch]")
    none([] if sources else ["nothing found"], "sources")
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=ROOT,
                          capture_output=True, encoding="utf-8", check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    none(wrong, "run clang-format -i on")


@harness.test("no unfinished work, no traces of where it was written")
def _():
    # The brackets keep this list from finding itself.
    words = re.compile(r"\bTO[D]O\b|\bFIX[M]E\b|\bX[X]X\b|\bHA[C]K\b|\bst[u]b(s|bed)?\b|(?i:\bissue #?[0-9])"
                       r"|(?<![\w.])/w[o]rk/|\.\./sh[a]red|/ho[m]e/\w")
    problems = []
    for path in tracked():
        if not re.search(r"\.(abi|png|svg|gz)$", path):
            problems += [f"{path}:{number}: {line.strip()[:80]}"
                         for number, line in enumerate(read(path).split("\n"), 1) if words.search(line)]
    none(problems, "words that do not belong here")


@harness.test("lines end plainly")
def _():
    problems = []
    for path in tracked():
        text = read(path)
        if re.search(r"\.(abi|png|svg|gz)$|^tests/fuzz/corpus/", path) or not text:
            continue
        if "\r" in text or not text.endswith("\n") or re.search(r"[ \t]$", text, re.M):
            problems.append(path)
        elif "\t" in text and re.search(r"\.([ch]|py|sql)$", path):
            problems.append(f"{path}: tab")
    none(problems, "carriage returns, blanks at line ends or a last line without end")


@harness.test("the build lists every source")
def _():
    with open(os.path.join(harness.BUILD, "compile_commands.json"), encoding="utf-8") as file:
        built = {os.path.relpath(os.path.realpath(os.path.join(entry["directory"], entry["file"])), ROOT)
                 for entry in json.load(file)}
    none([path for path in files(r"(lib|tools|examples)/.*\.c|tests/unit/.*\.c") if path not in built],
         "sources that no build list names")


@harness.test("scripts parse")
def _():
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for path in tracked():
            head = read(path).split("\n", 1)[0]
            if re.match(r"#!.*\b(bash|sh)$", head):
                argv = ["bash", "-n", path]
            elif path.endswith(".py") or re.match(r"#!.*python3", head):
                argv = ["/usr/bin/python3", "-c", "import py_compile, sys; py_compile.compile("
                        "sys.argv[1], cfile=sys.argv[2], doraise=True)", path, folder + "/out"]
            else:
                continue
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
            problems += [f"{path}: {done.stderr.strip()}"] if done.returncode else []
    none(problems, "scripts that do not parse")


@harness.test("scripts say python3 of the system")
def _():
    none([path for path in tracked() if re.match(r"#!.*python", read(path))
          and not read(path).startswith("#!/usr/bin/python3\n")], "first line is not #!/usr/bin/python3")


if __name__ == "__main__":
    harness.main()
