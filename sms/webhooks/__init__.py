"""Events for receivers of your own, by Standard Webhooks (standardwebhooks.com). The setting is ``WEBHOOKS``.

The script that makes a change writes its event in the same step, into a queue of each endpoint that takes it.
Workers with the queue ``events`` send them. They use threads outside Celery's pool, a few for each endpoint,
so one that hangs delays neither codes nor other endpoints. An event is claimed for the time of one call: if a
worker is killed, the event is sent again with the same id. It holds ids, states and our own words: no number,
no code, and nothing of a vendor's.
"""
