"""The pumping guard: stops SMS pumping, where fraudsters request codes that nobody ever types.

It counts sends and verifications for each country, for two prefixes of the number and for each address. Each
cap on unverified sends grows with the verified ones; lua/includes/guard.lua has the rule, docs/guard.md
its use. The guard runs inside the scripts that issue and check codes, so it costs no round trip.

    decision   what the scripts are asked about a send, and what follows from their answer
    settings   GUARD_MODE, GUARD_ALLOW, GUARD_PRICES, GUARD_BUDGET, GUARD_FIGURES; ``checks`` validates them
    paid       corrects the budget once the cost of a message is known
    report     what an operator sees, with ``manage.py guard`` or on the dashboard
    orders     what an operator can order: allow, block or release a scope
    metrics    the guard in ``/metrics``
"""
