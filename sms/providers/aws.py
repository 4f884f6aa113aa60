"""``aws://ACCESS_KEY:SECRET_KEY@?region=eu-central-1&from=…&configuration_set=…&topic=arn:…``: AWS End User
Messaging SMS.

In the secret key, write / as %2F. The IAM user needs ``sms-voice:SendTextMessage``, and with ``feedback=yes``
also ``sms-voice:PutMessageFeedback``.

Options:

- ``region``: such as ``eu-central-1``.
- ``session_token``: of temporary keys. Write its + as %2B.
- ``from``: a number, sender ID, pool or ARN. Without it, AWS chooses.
- ``configuration_set``: its name. Its event destination must be an SNS topic.
- ``topic``: the ARN of that topic, or several separated by |. Without it, receipts and inbound messages are
  refused.
- ``feedback=yes``: report to AWS which codes were typed.
- ``timeout``, ``base_url`` (for a mock, a proxy or a VPC endpoint).

Subscribe ``/v1/receipts/ALIAS`` to the topic of events, and ``/v1/inbound/ALIAS`` to the topic of two-way
SMS. Use HTTPS, without raw message delivery. Otpost confirms the subscriptions itself. TEXT_SUCCESSFUL means
that the carrier has the message. In some countries AWS learns nothing more.

``aws_receipts.py`` reads receipts and inbound messages.

Sources: the model of pinpoint-sms-voice-v2 in botocore 1.44.8 (fields, reasons);
docs.aws.amazon.com/sms-voice/latest/userguide/message-feedback.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from sms.providers import wire
from sms.providers.aws_receipts import AwsReceipts
from sms.providers.base import Sms
from sms.providers.sigv4 import Credentials, signed
from sms.providers.url import is_yes
from sms.providers.vendor import Outcome, Request, outcome_table
from sms.providers.wire import at, word_of

#: Reasons of errors, and types of errors whose reason is not listed.
ERRORS = outcome_table(
    temporary="""InternalFailure InternalServerException RequestTimeoutException ServiceUnavailable
        ThrottlingException TooManyRequestsException""",
    refused="DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
    opted_out="DESTINATION_PHONE_NUMBER_OPTED_OUT",
    account="""AccessDeniedException ConflictException ExpiredTokenException IncompleteSignature
        IncompleteSignatureException InvalidClientTokenId InvalidSignatureException MissingAuthenticationToken
        MissingAuthenticationTokenException NotAuthorized OptInRequired RequestExpired
        ResourceNotFoundException ServiceQuotaExceededException UnknownOperationException
        UnrecognizedClientException CHANNEL_NOT_ENABLED INVALID_ARN MISSING_PARAMETER
        PARAMETERS_CANNOT_BE_USED_TOGETHER RESOURCE_NOT_ACCESSIBLE UNKNOWN_OPERATION
        UNSPECIFIED_PARAMETER_NOT_SUPPORTED""",
    # NOT_VERIFIED: an account in the sandbox sends only to listed numbers.
    country="""COUNTRY_CODE_MISMATCH COUNTRY_NOT_ENABLED DESTINATION_COUNTRY_BLOCKED
        DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION DESTINATION_PHONE_NUMBER_NOT_VERIFIED
        INTERNATIONAL_SENDING_NOT_SUPPORTED INVALID_IDENTITY_FOR_DESTINATION_COUNTRY PRICE_OVER_THRESHOLD
        SENDER_ID_NOT_REGISTERED SENDER_ID_NOT_SUPPORTED SENDER_ID_REQUIRES_REGISTRATION""",
)

#: Fields of a request that come from the message, not from our configuration.
_MESSAGE_FIELDS = ("DestinationPhoneNumber", "MessageBody")

#: Seconds: the range of TimeToLive.
MIN_TTL, MAX_TTL = 5, 259_200


class AwsProvider(AwsReceipts):
    scheme = "aws"
    name = "AWS End User Messaging"
    url_names: ClassVar = {"user": "access_key", "password": "secret_key", **AwsReceipts.url_names}
    outcomes = ERRORS
    id_path = "MessageId"
    word_paths = ("Reason",)
    word_form = r"[A-Z_]{1,100}"
    tells_prices = True

    def __init__(
        self,
        alias: str,
        *,
        access_key: str,
        secret_key: str,
        region: str,
        session_token: str = "",
        configuration_set: str = "",
        topic: str = "",
        feedback: str = "",
        **common: Any,
    ) -> None:
        need = partial(wire.need, alias)
        need(re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}", region), "region= must look like eu-central-1.")
        is_key = re.fullmatch(r"[A-Z0-9]{16,128}", access_key)
        need(is_key, "write aws://ACCESS_KEY:SECRET_KEY@, with the id of the key (AKIA…) first.")
        is_lent = access_key.startswith("ASIA")
        need(session_token or not is_lent, "this is a temporary key, which needs session_token=.")
        is_word = re.fullmatch(r"[!-~]*", session_token)
        need(is_word, "session_token= must be one word; write its + as %2B.")
        has_set = configuration_set or not topic
        need(has_set, "topic= needs configuration_set=, whose events go to this topic.")
        china = ".cn" if region.startswith("cn-") else ""
        super().__init__(alias, f"https://sms-voice.{region}.amazonaws.com{china}", topic, **common)
        credentials = Credentials(access_key, secret_key, session_token)
        self._sign = partial(signed, credentials=credentials, region=region, service="sms-voice")
        self._configuration_set = configuration_set
        self.takes_feedback = is_yes(alias, "feedback", feedback)

    def build(self, sms: Sms) -> Request:
        fields: dict[str, Any] = {
            "DestinationPhoneNumber": sms.to,
            "MessageBody": sms.body,
            "MessageType": "TRANSACTIONAL",
            "Context": {"reference": sms.id},
        }
        if sender := sms.sender or self.sender:
            fields["OriginationIdentity"] = sender
        if self._configuration_set:
            fields["ConfigurationSetName"] = self._configuration_set
        if sms.expires_in:
            fields["TimeToLive"] = max(MIN_TTL, min(int(sms.expires_in), MAX_TTL))
        if self.takes_feedback and sms.code:
            fields["MessageFeedbackEnabled"] = True
        return self._request("SendTextMessage", fields)

    def build_feedback(self, reference: str, provider_message_id: str, *, converted: bool) -> Request:
        status = "RECEIVED" if converted else "FAILED"
        fields = {"MessageId": provider_message_id, "MessageFeedbackStatus": status}
        return self._request("PutMessageFeedback", fields)

    def _request(self, operation: str, fields: Mapping[str, Any]) -> Request:
        url, body = f"{self.base_url}/", json.dumps(fields)
        target = f"PinpointSMSVoiceV2.{operation}"
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
        return Request(url, body, self._sign(url, body, headers))

    def word_in(self, found: Any) -> str:
        """The reason of an error, or its type if it has none."""
        return super().word_in(found) or _type(found)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        # AWS adds reasons over the years. For a new one, the type is precise enough.
        return super().outcome(status, word if word in self.outcomes else _type(found), found)

    def unlisted(self, found: Any) -> Outcome:
        wrong = at(found, "Fields.0.Name")
        if isinstance(wrong, str):
            return "refused" if wrong in _MESSAGE_FIELDS else "account"
        # AWS does not say whose fault it is, so another alias should try. A refusal would end a code whose
        # number may be good. Blaming the account would let one odd number close the alias for everybody.
        return "temporary"


def _type(found: Any) -> str:
    """The type of an error, without the namespace: ``com.amazonaws.…#ThrottlingException``."""
    match = re.fullmatch(r"([\w.]*#)?([A-Za-z]{1,60})", word_of(at(found, "__type")), re.ASCII)
    return match[2] if match else ""
