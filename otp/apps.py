from django.apps import AppConfig


class OtpConfig(AppConfig):
    name = "otp"

    def ready(self) -> None:
        from otp import checks  # noqa: F401  (registers them)
        from otp.guard import checks as guard_checks  # noqa: F401  (registers them)
        from sms import auth
        from sms.masked import mask_settings

        auth.entrust("otp.api.auth.keeper")
        mask_settings("PHONE_SECRET_KEY", "PHONE_SECRET_KEY_FALLBACKS", "TEST_NUMBERS", "API_KEYS")
