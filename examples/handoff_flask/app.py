"""A shop that has phones verified by Otpost's pages: `python app.py`, then open http://localhost:3000."""

import json
import os
import secrets
from hmac import compare_digest
from urllib.request import Request, urlopen

from flask import Flask, redirect, request, session

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
OTPOST, KEY = os.environ["OTPOST_URL"], os.environ["OTPOST_KEY"]


def otpost(path, body=None):
    """Ask Otpost, and read its answer."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{OTPOST}/v1/{path}", data, headers), timeout=10) as answer:
        return json.load(answer)


@app.get("/")
def start():
    return '<h1>Shop</h1><form method="post" action="/verify"><button>Verify my phone</button></form>'


@app.post("/verify")
def verify():
    state = secrets.token_urlsafe()
    made = otpost("sessions", {"return_url": request.host_url + "verified", "state": state})
    session["verifying"] = [made["id"], state]
    return redirect(made["url"], 303)


def brought(name, value):
    """Whether this browser brings that value in the address."""
    return compare_digest(request.args.get(name, "").encode(), value.encode())


@app.get("/verified")
def verified():
    id, state = session.get("verifying", ["", ""])  # the one that this user was given, and no other
    if not id or not brought("state", state):
        return "This is not where you began.", 400
    found = otpost(f"sessions/{id}")
    if found["status"] == "valid" and not brought("proof", found["proof"]):
        return "Somebody else has verified a phone here.", 400
    return f"<h1>{found['status']}</h1><p>{found['phone'] or found['masked'] or 'No phone.'}</p>"


if __name__ == "__main__":
    app.run(port=3000)
