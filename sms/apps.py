from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "sms"

    def ready(self) -> None:
        # Registers the tasks and the checks; the broker finds `deliver` by its name.
        from sms import (  # noqa: F401
            celery_checks,
            checks,
            place_checks,
            provider_checks,
            server_checks,
            shown,
            tasks,
        )
        from sms.masked import mask_settings

        mask_settings("SMS_PROVIDERS", "SMS_SEAL_KEYS")
        shown.mask()
