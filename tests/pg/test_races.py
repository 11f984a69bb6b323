#!/usr/bin/python3
# suite: versions
"""The fence and trigperf_wait_position under races, a few thousand for each source. tests/run races has
100,000 of each."""

import harness
import racing
from harness import test


def races_of(source):
    @test(f"{source}: a slow reader's fills stay stale without the fence, never with it; own writes are read")
    def _(installed):
        settings = racing.fills(installed, source, 4000, 1000)
        racing.own_writes(installed, settings, 2000, 500)


for each in racing.SOURCES:
    races_of(each)

if __name__ == "__main__":
    harness.main()
