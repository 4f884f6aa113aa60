"""``file:///path/outbox.jsonl``: appends each SMS to a file, one JSON object a line.

Keys: ``id``, ``to``, ``body``, ``alias``, ``at`` (seconds since the epoch). It is meant for tests of other
programs, and for sites that hand their SMS to a spooler of their own. The file holds codes in clear, so only
its owner can read it. With DEBUG off, only ``file:///path/outbox.jsonl?clear=yes`` is accepted.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from sms.errors import TemporaryFailure
from sms.providers.base import ClearProvider, Sms
from sms.providers.url import BadProviderURL


class FileProvider(ClearProvider):
    scheme = "file"
    name = "file"
    example = "file:///path/outbox.jsonl?clear=yes"

    def __init__(self, alias: str, *, host: str = "", path: str = "", **common: Any) -> None:
        super().__init__(alias, **common)
        if host or not path:  # in file://outbox.jsonl, the name is the host
            raise BadProviderURL(
                f"{alias}: write the full path after three slashes, such as file:///var/spool/outbox.jsonl."
            )
        if not os.path.isdir(os.path.dirname(path)):
            raise BadProviderURL(f"{alias}: the folder of {path} does not exist.")
        self.path = path

    def send(self, sms: Sms) -> str:
        line = json.dumps(
            {"id": sms.id, "to": sms.to, "body": sms.body, "alias": self.alias, "at": time.time()}
        )
        try:
            # A single write in append mode, so that lines of several processes do not mix.
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line.encode() + b"\n")
            finally:
                os.close(file)
        except OSError as error:
            raise TemporaryFailure("the file cannot be written", code=type(error).__name__) from None
        return sms.id
