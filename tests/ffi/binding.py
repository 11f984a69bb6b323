"""A binding made from the headers alone: prototypes become ctypes signatures (standard library only).

Every call is recorded, so that a test can tell which exported symbols nobody called.
"""

import ctypes
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "pg"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

SCALARS = {"int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64,
           "uint64_t": ctypes.c_uint64, "double": ctypes.c_double, "uint8_t": ctypes.c_uint8}
LOG_FN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p)
READY_FN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
VERDICT_FN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char),
                              ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint32))
CHECK_FN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p),
                            ctypes.POINTER(ctypes.c_uint64), ctypes.c_uint32)
CALLBACKS = {"trigperf_log_fn": LOG_FN, "trigperf_ready_fn": READY_FN, "trigperf_check_fn": CHECK_FN,
             "trigperf_verdict_fn": VERDICT_FN}


def ctype(text):
    """The ctypes type of a C type; raises for what a binding could not express."""
    stars = text.count("*")
    base = re.sub(r"\bconst\b|\bstruct\b|\*", " ", text).split()
    if len(base) != 1:
        raise TypeError(f"no binding for the type {text!r}")
    base = base[0]
    if stars == 0:
        if base == "void":
            return None
        return SCALARS.get(base) or CALLBACKS[base]
    if base == "char" and "const" not in text and stars == 1:
        return ctypes.c_void_p
    if base == "char":
        return ctypes.c_char_p if stars == 1 else ctypes.POINTER(ctypes.c_char_p) \
            if re.search(r"\*\s*const\s*\*", text) else ctypes.POINTER(ctypes.c_void_p)
    if base in SCALARS and stars == 1:
        return ctypes.POINTER(SCALARS[base])
    if base == "void" or base.startswith("trigperf_"):
        return {1: ctypes.c_void_p, 2: ctypes.POINTER(ctypes.c_void_p)}[stars]
    raise TypeError(f"no binding for the type {text!r}")


def prototypes():
    """{name: (result type, [argument types])} as C text, from the public headers."""
    found = {}
    for path in glob.glob(os.path.join(ROOT, "include", "trigperf", "*.h")):
        with open(path, encoding="utf-8") as file:
            code = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
        code = re.sub(r"^\s*#(?:.*\\\n)*.*$", "", code, flags=re.M)
        for result, name, arguments in re.findall(
                r"([\w ]+?[\s*]+)(trigperf_\w+)\(([^()]*)\)\s*;", code):
            types = [re.sub(r"\w+\s*$", "", one).strip() if one.strip() not in ("void", "") else None
                     for one in arguments.split(",")]
            found[name] = (result.strip(), [one for one in types if one])
    return found


class TrigperfError(Exception):
    """A failed call with what its error object said."""

    def __init__(self, name, status, message, sqlstate, hint, retriable):
        super().__init__(f"{name}: {status} {message} ({hint})")
        self.status, self.message, self.sqlstate = status, message, sqlstate
        self.hint, self.retriable = hint, retriable


class Binding:
    """lib.trigperf_config_new(...) calls; lib.made(...) and lib.text(...) handle outputs."""

    def __init__(self):
        self._library = ctypes.CDLL(harness.LIBRARY)
        self.prototypes = prototypes()
        self.called = set()
        self._functions = {}
        for name, (result, arguments) in self.prototypes.items():
            try:
                function = getattr(self._library, name)
            except AttributeError:
                continue
            function.restype = ctype(result)
            function.argtypes = [ctype(one) for one in arguments]
            self._functions[name] = function

    def __getattr__(self, name):
        function = self.__dict__["_functions"].get(name)
        if function is None:
            raise AttributeError(name)

        def call(*arguments):
            self.called.add(name)
            return function(*arguments)

        return call

    def check(self, name, *arguments):
        """Calls a function whose last parameter is the error; raises when it fails."""
        error = ctypes.c_void_p()
        status = getattr(self, name)(*arguments, ctypes.byref(error))
        if status < 0:
            raise self.error(name, status, error)
        return status

    def error(self, name, status, error):
        """Makes an exception of an error object and releases the object."""
        harness.check(not error or self.trigperf_error_code(error) == status,
                      f"{name}: the code of the object is not the status {status}")
        try:
            return TrigperfError(name, status, self.trigperf_error_message(error).decode(),
                                 self.trigperf_error_sqlstate(error).decode(),
                                 self.trigperf_error_hint(error).decode(),
                                 self.trigperf_error_retriable(error))
        finally:
            self.trigperf_error_free(error)

    def fails(self, status, name, *arguments):
        """The call must fail with this status; returns the exception."""
        caught = harness.raises(TrigperfError, self.check, name, *arguments)
        harness.equal(caught.status, status, f"status of {name} ({caught})")
        harness.check(caught.message, f"{name} failed without a message")
        return caught

    def made(self, name, *arguments):
        """Calls a function whose last but one parameter receives a handle; returns the handle."""
        handle = ctypes.c_void_p()
        self.check(name, *arguments, ctypes.byref(handle))
        return handle

    def text(self, name, *arguments):
        """Calls a function that hands over a string; returns it and releases it."""
        pointer = self.made(name, *arguments)
        try:
            return ctypes.string_at(pointer).decode()
        finally:
            self.trigperf_string_free(pointer)
