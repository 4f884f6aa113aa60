"""The pumping guard: who sends codes that nobody ever types pays for it, not the operator.

It counts sends and verifications per country, per two prefixes of the number and per address, and
caps what stays unverified by what was verified: see lua/includes/guard.lua for the rule, docs/guard.md
for its use. It is part of the scripts that issue and check codes, so it costs no round trip.

    decision   what the scripts are asked: what a number counts for; and what follows from their answer
    settings   GUARD_MODE, GUARD_ALLOW, GUARD_PRICES, GUARD_BUDGET, GUARD_FIGURES; ``checks`` judges them
    report     what an operator sees and says: ``manage.py guard``
"""
