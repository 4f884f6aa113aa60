from django.apps import AppConfig


class OtpConfig(AppConfig):
    name = "otp"

    def ready(self) -> None:
        from otp import checks, guard_checks  # noqa: F401  (registers them)
        from sms.masked import mask_settings

        mask_settings("PHONE_SECRET_KEY", "PHONE_SECRET_KEY_FALLBACKS", "TEST_NUMBERS", "API_KEYS")
