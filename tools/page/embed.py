#!/usr/bin/python3
"""Turns the files of the page into a C array: embed.py OUTPUT.c index.html app.css app.js"""
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8"}


def main(output, *paths):
    parts = ["/* Made by embed.py from the files of the page. */", '#include "page.h"', ""]
    entries = []
    for number, path in enumerate(map(pathlib.Path, paths)):
        data = path.read_bytes()
        rows = [", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
        parts.append(f"static const unsigned char file_{number}[] = {{\n    " + ",\n    ".join(rows) + "};\n")
        where = "/" if path.name == "index.html" else "/" + path.name
        entries.append(f'    {{"{where}", "{TYPES[path.suffix]}", (const char *)file_{number}, {len(data)}}},')
    parts += ["const page_file page_files[] = {", *entries, "    {NULL, NULL, NULL, 0},", "};", ""]
    pathlib.Path(output).write_text("\n".join(parts), encoding="utf-8")


main(*sys.argv[1:])
