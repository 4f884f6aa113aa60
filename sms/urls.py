"""URLs that providers call, for any Django project: ``path("sms/", include("sms.urls"))``."""

from django.urls import path

from sms import inbound_views, receipt_views

app_name = "sms"

urlpatterns = [
    path("receipts/<slug:alias>", receipt_views.take, name="receipts"),
    path("inbound/<slug:alias>", inbound_views.take, name="inbound"),
]
