from django.apps import AppConfig


class OtpConfig(AppConfig):
    name = "otp"

    def ready(self) -> None:
        from otp import checks, guard_checks  # noqa: F401  (registers them)
        from sms import auth

        auth.entrust("otp.auth.keeper")
