#!/usr/bin/python3
"""Follows a database (PG* variables), prints each batch as a line of JSON, acknowledges it."""
import ctypes
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
lib = ctypes.CDLL("libtrigperf.so.0")
lib.trigperf_error_message.restype = ctypes.c_char_p
context, batch, error, json = (ctypes.c_void_p() for _ in range(4))
status = lib.trigperf_context_new(None, ctypes.byref(context), ctypes.byref(error))
while status == 0:
    status = lib.trigperf_wait(context, -1, ctypes.byref(error))
    while lib.trigperf_batch_next(context, ctypes.byref(batch), None) == 0 and batch:
        lib.trigperf_batch_json(batch, ctypes.byref(json), None, None)
        print(ctypes.string_at(json.value).decode(), flush=True)
        lib.trigperf_batch_ack(batch, None)
sys.exit(lib.trigperf_error_message(error).decode())
