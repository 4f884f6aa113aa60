"""The Celery entry that wakes a worker for a message, as kombu would send it (message protocol 2).

Publishing by Celery takes longer than everything else in a start. So kombu makes one entry per process, and
each message gets a copy with its id. If the queues are on the store's server and in its database, the script
that accepts the message pushes the entry; otherwise ``sms.broker`` publishes it.
"""

from __future__ import annotations

import base64
import threading
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from celery.app import app_or_default
from celery.signals import after_task_publish, before_task_publish
from kombu import Connection
from kombu.utils.json import dumps

from sms import names, scripts, steps
from sms.conf import cached

#: The task's name. The task itself is in a higher layer, and loaded by the app's config.
DELIVER = "sms.deliver"

#: While a queue holds this many entries, an accepted message needs none of its own: a free thread takes one
#: of these, and a busy one goes on with whatever is due. It must exceed the threads of all workers together,
#: and is enough for twelve workers of 80 threads.
ENOUGH = 1000

#: Placeholders in a form.
_ID, _BODY = "{id}", "{body}"

#: kombu keeps the queues in memory for all threads together, and may lose an entry if two make such a queue.
_alone = threading.Lock()


class Form(NamedTuple):
    """An entry without its id."""

    queue: str
    key: str  # the list, if the queue is one in Redis
    text: str
    body: str  # goes into the text as base64
    driver: str  # redis or amqp
    is_here: bool  # the queue is on the store's only server

    def filled(self, message_id: str) -> str:
        """The entry for a message, as JSON for a list in Redis."""
        body = base64.b64encode(self.body.replace(_ID, message_id).encode()).decode()
        return self.text.replace(_BODY, body).replace(_ID, message_id)


def entry(message_id: str, queue: str) -> dict[str, Any] | None:
    """The entry that includes/accept.lua pushes for a message. None if the queues are elsewhere."""
    found = form(queue)
    if found is None or not found.is_here:
        return None
    return {"key": found.key, "text": found.filled(message_id), "enough": ENOUGH}


def are_pushed() -> bool:
    """Whether the scripts that accept messages push their entries."""
    found = form(steps.OTP_QUEUE)
    return found is not None and found.is_here


def form(queue: str) -> Form | None:
    """The form of a queue's entries. None if Celery has to make each entry."""
    if before_task_publish.receivers or after_task_publish.receivers:
        return None  # receivers of Celery's signals must hear of every entry
    return _made(app_or_default(), names.queue(queue))


@cached
def _made(app: Any, queue: str) -> Form | None:
    """The entry that kombu sends for our task. None if it does not send just one entry to one queue."""
    connection = app.connection_for_write()
    driver = connection.get_transport_cls().driver_type
    if app.conf.task_always_eager or driver not in ("redis", "amqp"):
        return None
    if driver == "redis" and connection.alt and connection.transport_cls != "sentinel":
        return None  # kombu goes from one server to the next by itself
    with _alone, Connection("memory://") as memory:
        options = {"task_id": _ID, "queue": queue, "producer": app.amqp.Producer(memory)}
        app.tasks[DELIVER].apply_async((_ID,), **options)
        channel: Any = memory.default_channel
        sent = channel._get(queue)
    properties = sent["properties"]
    body = base64.b64decode(sent["body"]).decode(errors="replace")
    plain = not properties["delivery_info"]["exchange"] and not properties["priority"]
    if not plain or _ID not in body:
        return None
    properties["delivery_tag"] = _ID
    sent["headers"] |= {"root_id": _ID, "parent_id": None}  # even if the form is made within a task
    key = connection.transport_options.get("global_keyprefix", "") + queue
    return Form(queue, key, dumps(sent | {"body": _BODY}), body, driver, _is_here(app))


def _is_here(app: Any) -> bool:
    """Whether the queues are on the store's only server, and so in reach of the scripts of each cell."""
    return len(names.cache_aliases()) == 1 and _place_of_store() == _place_of_broker(app)


def _place_of_store() -> object:
    """Server, database, user and CA of the store, comparable with the broker's."""
    pool = scripts.connection().connection_pool
    known = pool.connection_kwargs
    end = (int(known.get("db") or 0), known.get("username") or "", known.get("ssl_ca_certs"))
    if sentinels := getattr(pool, "sentinel_manager", None):
        at = (sentinel.connection_pool.connection_kwargs for sentinel in sentinels.sentinels)
        return {(one["host"], one["port"]) for one in at}, pool.service_name, *end
    if "path" in known:
        return known["path"], *end
    return known.get("host") or "localhost", int(known.get("port") or 6379), *end


def _place_of_broker(app: Any) -> object:
    """The same for the broker; None if it is not Redis."""
    connection = app.connection_for_write()
    if connection.transport_cls not in ("redis", "rediss", "sentinel"):
        return None
    host = connection.hostname or "localhost"
    if host.startswith("socket://"):
        socket = urlsplit(host)
        database = dict(parse_qsl(socket.query)).get("virtual_host", "0")
        return unquote(socket.path), int(database), unquote(socket.username or ""), None
    ca = connection.ssl.get("ssl_ca_certs") if connection.ssl else None
    end = (int(str(connection.virtual_host).strip("/") or 0), connection.userid or "", ca)
    if connection.transport_cls == "sentinel":
        at = (Connection(url) for url in connection.alt or [connection.as_uri()])
        hosts = {(one.hostname, one.port or 26379) for one in at}
        return hosts, connection.transport_options["master_name"], *end
    return host, int(connection.port or 6379), *end
