"""A shop that has phones verified by Otpost's pages."""

import os

import requests
from flask import Flask, redirect, request, session

app = Flask(__name__)
app.secret_key = os.urandom(32)


def otpost(path, **body):
    key = {"Authorization": f"Bearer {os.environ['OTPOST_KEY']}"}
    return requests.post(os.environ["OTPOST_URL"] + path, json=body, headers=key, timeout=10).json()


@app.get("/")
def verify():
    made = otpost("/v1/sessions", return_url=request.host_url + "verified")
    session["verifying"] = made["id"]  # in this user's own cookie
    return redirect(made["url"])


@app.get("/verified")
def verified():
    found = otpost(f"/v1/sessions/{session.get('verifying')}/proof", proof=request.args.get("proof"))
    return f"{found['status']}: {found.get('phone')}"
