"""``python -m tests.bench.bare_pool TASK``: the same POST again and again, by threads with one urllib3 pool.

TASK is JSON: ``{"url", "headers", "fields", "count", "threads"}``.
"""

from __future__ import annotations

import json
import sys
import threading

import urllib3

#: The slots of a worker by default.
THREADS = 80


def main(url: str, headers: dict[str, str], fields: dict[str, str], count: int, threads: int) -> None:
    """Post ``count`` times. Raises ``RuntimeError`` where one is not taken."""
    pool = urllib3.PoolManager(maxsize=threads, block=True, timeout=10)
    left = iter(range(count))  # one for all threads: each takes the next
    refused: list[int] = []

    def post() -> None:
        for _ in left:
            answer = pool.request("POST", url, headers=headers, fields=fields, encode_multipart=False)
            if answer.status != 201 or not answer.json()["sid"]:
                refused.append(answer.status)

    posting = [threading.Thread(target=post) for _ in range(threads)]
    for thread in posting:
        thread.start()
    for thread in posting:
        thread.join()
    if refused:
        raise RuntimeError(f"the provider answered {refused[0]}")


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
