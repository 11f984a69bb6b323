#!/usr/bin/python3
"""Listens with asyncpg, for measuring: listener.py drain COUNT | follow

Prints "ready"; `drain` ends after COUNT notifications with a line as of bench_host, whose clock time
is the moment of the last one; `follow` ends at SIGTERM with lines "ID NANOSECONDS".
"""

import asyncio
import json
import resource
import signal
import sys
import time

import asyncpg


def cpu_us():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1e6)


async def main(mode, count):
    loop = asyncio.get_running_loop()
    end = loop.create_future()
    state = {"changes": 0, "sum": 0}
    notes = []

    def finish():
        if not end.done():
            end.set_result(None)

    def drained(_connection, _pid, _channel, payload):
        state["sum"] += json.loads(payload)["id"]
        state["changes"] += 1
        if state["changes"] == count:
            state["ns"], state["cpu"] = time.monotonic_ns(), cpu_us()
            finish()

    def noted(_connection, _pid, _channel, payload):
        notes.append((json.loads(payload)["id"], time.monotonic_ns()))

    connection = await asyncpg.connect()
    loop.add_signal_handler(signal.SIGTERM, finish)
    await connection.add_listener("bench", drained if mode == "drain" else noted)
    before = cpu_us()
    print("ready", flush=True)
    await end
    if mode == "drain" and "ns" in state:
        print(state["changes"], state["sum"], 0, state["ns"], state["cpu"] - before, flush=True)
    for number, moment in notes:
        print(number, moment)
    connection.terminate()


asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
