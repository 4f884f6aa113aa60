"""For any project's urlconf: ``path("phone/", include("sms.virtual_phone.urls"))``. Nothing outside DEBUG.

It has no ``app_name``: where the hosted pages find the name ``virtual_phone``, they show the phone too.
"""

from sms.virtual_phone import views

urlpatterns = views.urls()
