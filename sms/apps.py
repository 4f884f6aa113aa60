from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "sms"

    def ready(self) -> None:
        # Importing these registers the tasks, which queue entries name, and the checks.
        from sms import mail_receipts, masked, tasks  # noqa: F401  # tasks is imported for that alone
        from sms.checks import mail, place, providers, servers, settings  # noqa: F401  # as are these

        masked.mask_settings("SMS_PROVIDERS", "SMS_SEAL_KEYS", "SMS_OPTOUT_KEYS", "METRICS_TOKEN", "WEBHOOKS")
        masked.mask_settings("MAILERS", "ANYMAIL")
        masked.mask_what_celery_shows()
        mail_receipts.listen()
