"""Authenticate what Amazon SNS posts to a subscribed URL: notifications and handshakes.

Each post is signed by a certificate that only Amazon's own host serves. The signature covers the topic.

Sources: docs.aws.amazon.com/sns/latest/dg/: sns-verify-signature-of-message.html,
http-notification-json.html, http-subscription-confirmation-json.html, sns-message-delivery-retries.html
(again for an hour at most), SendMessageToHttp.prepare.html (never again after a 4xx).
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from sms.errors import ProviderError, ReceiptRejected, Unavailable
from sms.providers.callbacks import require_recent
from sms.providers.exchange import Answer
from sms.providers.transport import Http
from sms.providers.url import BadProviderURL
from sms.providers.wire import parse

#: Headers that repeat fields of the signed body.
TYPE, TOPIC = "x-amz-sns-message-type", "x-amz-sns-topic-arn"

SUBSCRIBED, UNSUBSCRIBED = "SubscriptionConfirmation", "UnsubscribeConfirmation"

#: The signed fields of each type, in this order.
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_HANDSHAKE = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED = {"Notification": _NOTIFICATION, SUBSCRIBED: _HANDSHAKE, UNSUBSCRIBED: _HANDSHAKE}

#: Hashes by signature version. Topics have version 1 by default.
_HASHES: dict[str, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}  # noqa: S303  # Amazon signs so

#: Seconds: for how long SNS retries, and by how much clocks may differ.
MAX_AGE, LEEWAY = 3600, 300

#: Seconds without another fetch after a failed one. If Amazon could not be reached, this holds for every URL,
#: because each try blocks a thread for seconds. Otherwise it holds only for that URL: invented names of
#: certificates must not delay the fetch of a genuine one.
HOLD = 1.0

#: How many URLs can be on hold. Beyond that, all are released.
MOST_HELD = 1_000

_ARN = re.compile(r"arn:aws(?P<china>-cn)?[a-z-]*:sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]+")
_CERTIFICATE = re.compile(r"SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")


class Topics:
    """The topics whose posts are accepted, and the certificates that signed them."""

    def __init__(self, alias: str, topics: str, http: Http) -> None:
        """``topics``: ARNs, separated by ``|``; "" for none. Raises ``BadProviderURL``."""
        self._http = http
        self._certificates: dict[str, Certificate] = {}
        self._closed_until = 0.0
        self._held: dict[str, float] = {}
        self._hosts: dict[str, str] = {}
        for topic in filter(None, topics.split("|")):
            found = _ARN.fullmatch(topic)
            if not found:
                raise BadProviderURL(
                    f"{alias}: topic= takes ARNs like arn:aws:sns:REGION:ACCOUNT:NAME, separated by |."
                )
            end = "com.cn" if found["china"] else "com"
            self._hosts[topic] = f"https://sns.{found['region']}.amazonaws.{end}/"

    def __bool__(self) -> bool:
        return bool(self._hosts)

    def named_in(self, headers: Mapping[str, str]) -> str:
        """The topic that the headers of a post name. Raises ``ReceiptRejected``."""
        if headers.get(TOPIC) not in self._hosts:
            raise ReceiptRejected("the topic is not one of topic=")
        return headers[TOPIC]

    def opened(self, topic: str, body: bytes) -> Mapping[str, str]:
        """The signed fields of a post of this topic.

        Raises ``ReceiptRejected``, or ``Unavailable`` if Amazon's certificate cannot be fetched now.
        """
        post = parse(body)
        if not isinstance(post, dict):
            raise ReceiptRejected("the body is not a message of SNS")
        post = {name: value for name, value in post.items() if isinstance(value, str)}
        fields = {name: post[name] for name in SIGNED.get(post.get("Type", ""), ()) if name in post}
        if fields.get("TopicArn") != topic:
            raise ReceiptRejected("the body is from another topic than the headers say")
        try:
            text = "".join(f"{name}\n{value}\n" for name, value in fields.items()).encode()
            signature = base64.b64decode(post["Signature"])
            digest = _HASHES[post["SignatureVersion"]]
            key = self._key(post["SigningCertURL"], self._hosts[topic])
            key.verify(signature, text, PKCS1v15(), digest)
            signed_at = datetime.fromisoformat(fields["Timestamp"]).timestamp()
        except (InvalidSignature, LookupError, ValueError, OverflowError):
            raise ReceiptRejected("the signature is wrong") from None
        require_recent(signed_at, LEEWAY, MAX_AGE)
        return fields

    def confirm(self, handshake: Mapping[str, str]) -> None:
        """Confirm the subscription that a handshake asks for.

        Raises ``ReceiptRejected`` or ``Unavailable``.
        """
        url = handshake.get("SubscribeURL", "")
        if not url.startswith(self._hosts[handshake["TopicArn"]]):
            raise ReceiptRejected("the handshake has a URL of another host than Amazon's")
        if self._get(url).status != 200:
            raise Unavailable("Amazon SNS did not accept our confirmation.")

    def _key(self, url: str, host: str) -> RSAPublicKey:
        """The key of the certificate at ``url``. It is fetched once, since Amazon gives each its own URL."""
        if not url.startswith(host) or not _CERTIFICATE.fullmatch(url.removeprefix(host)):
            raise ReceiptRejected("the certificate is not Amazon's")
        if url not in self._certificates:
            answer = self._get(url)
            if answer.status != 200:
                raise ReceiptRejected("Amazon knows no such certificate")
            self._certificates[url] = load_pem_x509_certificate(answer.data)
        found = self._certificates[url]
        key = found.public_key()
        in_time = found.not_valid_before_utc <= datetime.now(UTC) <= found.not_valid_after_utc
        if not in_time or not isinstance(key, RSAPublicKey):
            raise ReceiptRejected("the certificate has expired, or is not one of SNS")
        return key

    def _get(self, url: str) -> Answer:
        """Amazon's answer to a GET. Raises ``Unavailable`` if there is none, or if it is 429 or 5xx."""
        if time.monotonic() < max(self._closed_until, self._held.get(url, 0.0)):
            raise Unavailable("Amazon SNS did not answer properly a moment ago.")
        try:
            answer = self._http.ask("GET", url, b"", {})
        except ProviderError:
            self._closed_until = time.monotonic() + HOLD
            raise Unavailable("Amazon SNS cannot be reached.") from None
        if answer.status != 200:
            if len(self._held) >= MOST_HELD:
                self._held.clear()
            self._held[url] = time.monotonic() + HOLD
        if answer.status >= 500 or answer.status == 429:
            raise Unavailable("Amazon SNS is in trouble.")
        return answer
