"""An adapter for django-allauth: log in, sign up and change a phone number with codes by SMS.

    ACCOUNT_ADAPTER = "otp.contrib.allauth.AccountAdapter"

allauth makes the code, keeps it in the session and checks it, both in its pages and in its headless API. This
adapter sends that code, with the text, the channels and the limits of ``purpose``.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.ratelimit import respond_429
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils.translation import get_language

from otp import foreign, purposes
from otp.caller import caller_of
from otp.errors import NotAllowed, RateLimited, StoreUnavailable


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the package has no types
    """Keeps the number in two fields of the user model: a unique, nullable text and a flag.

    Subclass it to name other fields or another purpose. To keep numbers elsewhere, override ``get_phone``,
    ``set_phone``, ``set_phone_verified`` and ``get_user_by_phone``.
    """

    purpose = "login"
    phone_field = "phone"
    phone_verified_field = "phone_verified"

    def clean_phone(self, phone: str) -> str:
        """The number in E.164. Raises ``ValidationError`` for a number to which no code may go."""
        try:
            return foreign.read_phone(phone, self.purpose).e164
        except NotAllowed as error:
            raise ValidationError(error.detail, code=error.code) from None

    def generate_phone_verification_code(self, *, user: Any, phone: str) -> str:
        """A code in the form of the purpose, so that every provider of its route can carry it."""
        rules = purposes.required(self.purpose)
        return "".join(secrets.choice(rules.alphabet) for _ in range(rules.length))

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        """Send ``code``, or end the request.

        When a limit is reached, it ends with allauth's own page for 429. When Redis or the broker is away, it
        ends with 503. Both have ``Retry-After``.
        """
        try:
            foreign.send(
                phone,
                code,
                self.purpose,
                # allauth does not tell which of the two applies.
                lives=min(app_settings.PHONE_VERIFICATION_TIMEOUT, app_settings.LOGIN_BY_CODE_TIMEOUT),
                locale=get_language() or "",
                caller=caller_of(self.request),
            )
        except RateLimited as error:
            response = respond_429(self.request)
            response["Retry-After"] = str(error.retry_after)
            raise ImmediateHttpResponse(response) from None
        except StoreUnavailable as error:
            retry = {"Retry-After": str(error.retry_after)}
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise ImmediateHttpResponse(HttpResponse(error.detail, status=status, headers=retry)) from None

    def get_phone(self, user: Any) -> tuple[str, bool] | None:
        """The user's number and whether it is verified. None if there is no number."""
        phone = getattr(user, self.phone_field)
        return (phone, getattr(user, self.phone_verified_field)) if phone else None

    def set_phone(self, user: Any, phone: str, verified: bool) -> None:
        setattr(user, self.phone_field, phone)
        setattr(user, self.phone_verified_field, verified)
        user.save(update_fields=[self.phone_field, self.phone_verified_field])

    def set_phone_verified(self, user: Any, phone: str) -> None:
        self.set_phone(user, phone, True)

    def get_user_by_phone(self, phone: str) -> Any:
        """The user with this number, verified or not. None if nobody has it."""
        return get_user_model()._default_manager.filter(**{self.phone_field: phone}).first()
