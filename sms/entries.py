"""The Celery entry that wakes a worker, for the script that accepts a message.

Publishing by Celery takes longer than everything else that a start does, and is a step of its own. Where the
queues stand on the server and in the database of the store, the script pushes the entry itself: what kombu
would have sent (message protocol 2), made by kombu once per process. The task gets the id of the message.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from celery.app import app_or_default
from celery.signals import after_task_publish, before_task_publish
from kombu import Connection
from kombu.utils.json import dumps

from sms import broker, names, scripts, store
from sms.conf import cached

#: While a queue holds so many entries, an accepted message needs none of its own: a free thread finds one of
#: these, and a busy one goes on with whatever is due. So it must be more than the threads of all workers
#: together; it is enough for twelve of 80 threads each.
ENOUGH = 1000

#: They stand in a form for the id and for the body.
_ID, _BODY = "{id}", "{body}"


class _Form(NamedTuple):
    """An entry with its id left open."""

    key: str  # the list that is the queue
    text: str
    body: str  # which goes into the text as base64


def entry(message_id: str, queue: str) -> dict[str, Any] | None:
    """What includes/accept.lua pushes for a message; None where the queues stand elsewhere."""
    form = _form(names.queue(queue))
    if form is None:
        return None
    body = base64.b64encode(form.body.replace(_ID, message_id).encode()).decode()
    text = form.text.replace(_BODY, body).replace(_ID, message_id)
    return {"key": form.key, "text": text, "enough": ENOUGH}


def are_pushed() -> bool:
    """Whether the scripts that accept messages push their entries."""
    return _form(names.queue(store.OTP_QUEUE)) is not None


def _form(queue: str) -> _Form | None:
    if before_task_publish.receivers or after_task_publish.receivers:
        return None  # who hears of what Celery publishes shall hear of each
    return _made(app_or_default(), queue)


@cached
def _made(app: Any, queue: str) -> _Form | None:
    """What kombu sends for a task of ours; None where that is more than one push to one list of the store."""
    if app.conf.task_always_eager or _place_of_store() != _place_of_broker(app):
        return None
    with Connection("memory://") as connection:
        options = {"task_id": _ID, "queue": queue, "producer": app.amqp.Producer(connection)}
        app.tasks[broker.DELIVER].apply_async((_ID,), **options)
        channel: Any = connection.default_channel
        sent = channel._get(queue)
    properties = sent["properties"]
    body = base64.b64decode(sent["body"]).decode(errors="replace")
    plain = not properties["delivery_info"]["exchange"] and not properties["priority"]
    if not plain or _ID not in body:
        return None
    properties["delivery_tag"] = _ID
    sent["headers"] |= {"root_id": _ID, "parent_id": None}  # also where the form is made within a task
    prefix = app.connection_for_write().transport_options.get("global_keyprefix", "")
    return _Form(prefix + queue, dumps(sent | {"body": _BODY}), body)


def _place_of_store() -> object:
    """Server, database, user and CA of the store, in a form that can be compared with the broker's."""
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
    """The same of the broker; None if it is not Redis."""
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


def room(queue: str) -> int | None:
    """How many more entries a queue has use for; None: it cannot be known; 0 if the broker is away.

    Ask before a message gets another one, or entries would grow with each time that it has to wait.
    """
    name = names.queue(queue)
    try:
        with broker.producer() as found:
            match broker.driver(found):
                case "redis":
                    count = found.channel.client.llen(name)
                case "amqp":
                    count = found.channel.queue_declare(name, passive=True).message_count
                case _:
                    return None
            return max(ENOUGH - int(count), 0)
    except broker.AWAY:
        return 0
