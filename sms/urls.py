"""Where the providers send receipts, for any Django project: ``path("sms/", include("sms.urls"))``."""

from django.urls import path

from sms import receipt_views

app_name = "sms"

urlpatterns = [path("receipts/<slug:alias>", receipt_views.take, name="receipts")]
