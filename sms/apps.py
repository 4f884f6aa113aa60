from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "sms"

    def ready(self) -> None:
        # Registers the tasks and the checks; the broker finds `deliver` by its name.
        from sms import checks, provider_checks, tasks  # noqa: F401
