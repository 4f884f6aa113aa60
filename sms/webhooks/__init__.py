"""Send events to your own receivers as Standard Webhooks (standardwebhooks.com). The setting is ``WEBHOOKS``.

The script that makes a change also writes its event, in the same step, into the queue of each endpoint that
takes it. A worker with the queue ``events`` sends it. Each endpoint has a few threads of its own, outside of
Celery's pool. So a receiver that hangs delays neither codes nor other endpoints.

An event is claimed for the time of one call. If a worker is killed meanwhile, the event is sent again with
the same id. Events hold ids, states and our own words, but no number, no code and nothing from a vendor.
"""
