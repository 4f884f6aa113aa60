"""Events for receivers of your own, as Standard Webhooks (standardwebhooks.com); the setting is ``WEBHOOKS``.

An event is written by the script that makes the change, in the same step: once for each endpoint that takes
it, into a queue of that endpoint. Threads of a worker that takes the queue ``events`` send it. They are not
those of Celery's pool, and each endpoint has a few of its own: one that hangs holds neither a code nor
another endpoint. An event is claimed for the time of a call, so what a killed worker had in hand is sent
again, with the same id. It holds ids, states and our own words: no number, no code, nothing of a vendor's.
"""
