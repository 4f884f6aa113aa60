"""Call Otpost as Supabase Auth does when a user asks for a code: python send_sms.py +12025550123."""

import json
import os
import sys
import uuid
from datetime import UTC, datetime
from urllib.request import Request, urlopen

from standardwebhooks import Webhook

HOOK, SECRET = os.environ["HOOK_URL"], os.environ["HOOK_SECRET"]  # v1,whsec_…, as Supabase shows it


def send(phone, code):
    """Sign and post the payload of the Send SMS hook. Returns what Otpost answers."""
    now = datetime.now(UTC)
    body = json.dumps(
        {
            "metadata": {"uuid": str(uuid.uuid4()), "time": now.isoformat(), "name": "send-sms"},
            "user": {
                "id": str(uuid.uuid4()),
                "aud": "authenticated",
                "role": "authenticated",
                "phone": phone.removeprefix("+"),  # Supabase keeps numbers without it
                "user_metadata": {},
            },
            "sms": {"otp": code},
        }
    )
    id = str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET.removeprefix("v1,")).sign(id, now, body),
    }
    with urlopen(Request(HOOK, body.encode(), headers), timeout=10) as answer:
        return json.load(answer)


if __name__ == "__main__":
    print(send(sys.argv[1], "561166"))  # {}: the SMS is on its way
