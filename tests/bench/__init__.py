"""Benchmarks: what Otpost promises about its speed, measured on the machine at hand.

    python -m tests.bench [--quick] [--json] [--only NAME]

Everything runs on 127.0.0.1: a real Redis server out of a wheel, real workers and web processes,
and a stand-in for the provider that answers after 200 ms. Where there is something to compare
with, both sides run in turns on the same server, so that a busy machine slows both; a ratio says
more than a rate. It measures and judges nothing but its own goals: the exit code is 0.
"""
