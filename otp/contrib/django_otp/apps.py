from django.apps import AppConfig


class OtpostDeviceConfig(AppConfig):
    name = "otp.contrib.django_otp"
    label = "otpost_device"  # the package itself has the label django_otp
    verbose_name = "Otpost devices"
    default_auto_field = "django.db.models.BigAutoField"
