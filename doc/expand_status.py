#!/usr/bin/python3
"""Doxygen's input filter: writes the one list of status codes out as documented enumerators."""

import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
codes = re.findall(r'^    X\((\w+), (-?\d+), "([^"]*)"\)', text, re.M)
members = "\n".join(f"    TRIGPERF_{name} = {value}, /**< {meaning} */" for name, value, meaning in codes)
sys.stdout.write(re.sub(r"^/\*\* @cond \*/\n.*?@endcond \*/$", lambda _: members, text,
                        flags=re.S | re.M) if codes else text)
