from django.apps import AppConfig


class OtpostDeviceConfig(AppConfig):
    name = "otp.contrib.django_otp"
    label = "otpost_device"  # django_otp is that of the package itself
    verbose_name = "Otpost devices"
    default_auto_field = "django.db.models.BigAutoField"
