from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "sms"

    def ready(self) -> None:
        # Registers the tasks and the checks; the broker finds `deliver` by its name.
        from sms import masked, tasks  # noqa: F401
        from sms.checks import place, providers, servers, settings  # noqa: F401

        masked.mask_settings("SMS_PROVIDERS", "SMS_SEAL_KEYS")
        masked.mask_what_celery_shows()
