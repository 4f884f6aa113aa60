"""Ids are drawn many at a time, and none is given out twice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from sms import ids

MANY = 20 * ids.AT_ONCE


def test_each_is_new_in_all_threads():
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: ids.new(), range(MANY)))
    assert len(set(drawn)) == MANY
    assert {len(id) for id in drawn} == {22}


def test_a_child_process_gives_out_none_of_its_parents():
    ids._drawn.clear()
    ids.new()
    left = set(ids._drawn[os.getpid()])
    readable, writable = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writable, "\n".join(ids.new() for _ in range(ids.AT_ONCE)).encode())
        os._exit(0)
    os.close(writable)
    with open(readable) as pipe:
        drawn = pipe.read().split()
    os.waitpid(child, 0)
    assert len(drawn) == ids.AT_ONCE
    assert left.isdisjoint(drawn)
