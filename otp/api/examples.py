"""Examples of successful answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ID, _MESSAGE_ID = "JpQ8vX2cR7mK1sT4wZ9bLA", "k3VbQx0Zr5yUeT2wLm8NpA"

_VERIFICATION = {
    "id": _ID,
    "status": "pending",
    "expires_at": "2026-03-01T09:32:00.125Z",
    "resend_at": "2026-03-01T09:30:30.125Z",
    "attempts_left": 3,
    "delivery": "underway",
    "sms": {"message_id": _MESSAGE_ID, "state": "queued", "error": None},
    "channels": ["sms"],
    "channel": "sms",
    "reference": None,
    "reverse": None,
}

_MESSAGE = {
    "id": _MESSAGE_ID,
    "state": "queued",
    "country": "US",
    "masked": "+1••••••••23",
    "created_at": "2026-03-01T09:30:00.125Z",
    "expires_at": "2026-03-01T10:30:00.125Z",
    "attempts": 0,
    "alias": "",
    "error": "",
    "reference": "",
    "verification_id": "",
    "purpose": "",
    "api_key": "shop",
}

_PROVED = {
    "id": _ID,
    "status": "valid",
    "verification_id": "xk0TmB6uYd3hNq8RsV1cGw",
    "masked": "+1••••••••23",
    "phone": "+12025550123",
    "reference": None,
}

_STORIES = {
    "stories": [
        {
            "messages": [_MESSAGE | {"state": "sent", "attempts": 1, "alias": "main"}],
            "lines": [
                {
                    "at": "2026-03-01T09:30:00.325Z",
                    "text": "Twilio (main) took the message after 0.2 s.",
                    "message_id": _MESSAGE_ID,
                    "what": "call_accepted",
                    "alias": "main",
                    "word": "",
                }
            ],
        }
    ]
}

#: operationId → the body of its answer of 2xx. Those that are not here answer without one.
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "start_verification": _VERIFICATION,
    "resend_code": _VERIFICATION,
    "get_verification": _VERIFICATION,
    "check_code": {"status": "valid", "attempts_left": 2, "message": "OTP verified."},
    "create_session": {
        "id": _ID,
        "url": f"https://verify.example.com/s/{_ID}",
        "expires_at": "2026-03-01T09:45:00.125Z",
    },
    "prove_session": _PROVED,
    "get_session": _PROVED | {"proof": "q7WdYx2kT0bV5nJcHs8LmRz3GfPu6EaQ1wXoDi4tKyA"},
    "send_message": _MESSAGE,
    "get_message": _MESSAGE,
    "find_messages": _STORIES,
    "search_messages": _STORIES,
}
