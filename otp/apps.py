from django.apps import AppConfig


class OtpConfig(AppConfig):
    name = "otp"

    def ready(self) -> None:
        from otp import heard, next_channel
        from otp.checks import purposes, python, settings  # noqa: F401  (registers them)
        from otp.guard import checks as guard_checks  # noqa: F401  (registers them)
        from otp.guard import (
            metrics,  # noqa: F401  (registers them)
            paid,
        )
        from sms import auth, explained, signals
        from sms.masked import mask_settings

        auth.entrust("otp.api.auth.keeper")
        explained.explain_with("otp.api.errors.address")
        for fact in (
            signals.message_sent,
            signals.message_unknown,
            signals.message_delivered,  # which may overtake the answer of the call
            signals.message_failed,
            signals.message_expired,
            signals.message_cancelled,
        ):
            fact.connect(paid.settle, dispatch_uid="otp.guard.paid")
        signals.swept.connect(next_channel.look, dispatch_uid="otp.next_channel")
        signals.text_received.connect(heard.take, dispatch_uid="otp.heard")
        mask_settings(
            "PHONE_SECRET_KEY",
            "PHONE_SECRET_KEY_FALLBACKS",
            "TEST_NUMBERS",
            "API_KEYS",
            "OTP_LOOKUPS",
            "HOOKS",
        )
