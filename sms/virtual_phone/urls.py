"""For the URLconf of any project: ``path("phone/", include("sms.virtual_phone.urls"))``. Empty without DEBUG.

It has no ``app_name``, so that the hosted pages find ``virtual_phone``. If they do, they also show the phone.
"""

from sms.virtual_phone import views

urlpatterns = views.urls()
