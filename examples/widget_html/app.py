"""A shop with Otpost's widget in a page of its own: `python app.py`, then open http://localhost:3000."""

import json
import os
import secrets
from urllib.request import Request, urlopen

from flask import Flask, render_template, request, session

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
def account():
    id = session.get("verifying")
    if not id or otpost(f"sessions/{id}")["status"] == "expired":
        id = begin()["id"]
    return render_template("index.html", otpost=OTPOST, session_id=id)


@app.post("/session")
def begin():
    made = otpost("sessions", {"return_url": request.host_url})
    session["verifying"] = made["id"]
    return {"id": made["id"]}


@app.post("/verified")
def verified():
    # Ask only about the session that this user was given.
    found = otpost(f"sessions/{session.get('verifying')}/proof", {"proof": request.get_data(as_text=True)})
    return {"status": found["status"], "phone": found.get("phone") or found.get("masked")}


@app.after_request
def strict(response):
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src 'self' {OTPOST}; connect-src 'self' {OTPOST}"
    )
    return response


if __name__ == "__main__":
    app.run(port=3000)
