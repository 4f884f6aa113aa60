from django.contrib import admin

from otp.contrib.django_otp.models import OtpostDevice


@admin.register(OtpostDevice)
class OtpostDeviceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's own takes none
    list_display = ("user", "name", "confirmed")
    raw_id_fields = ("user",)
