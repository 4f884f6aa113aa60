from django.apps import AppConfig


class OtpConfig(AppConfig):
    name = "otp"

    def ready(self) -> None:
        from otp import checks  # noqa: F401  (registers them)
