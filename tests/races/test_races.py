#!/usr/bin/python3
"""The fence and trigperf_wait_position: 100,000 races for each source."""

import harness
import racing
from harness import test

RACES = 100_000


def races_of(source):
    @test(f"{source}: {RACES:,} fills with the fence, {RACES:,} looks at own writes")
    def _(installed):
        settings = racing.fills(installed, source, RACES, RACES)
        racing.own_writes(installed, settings, RACES, RACES // 10)


for each in racing.SOURCES:
    races_of(each)

if __name__ == "__main__":
    harness.main()
