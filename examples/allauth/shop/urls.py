"""The addresses of a shop."""

from django.http import HttpResponse
from django.utils.html import format_html


def home(request):
    if request.user.is_authenticated:
        return HttpResponse(format_html("You are logged in with {}.", request.user.phone))
    return HttpResponse('<a href="/accounts/signup/">Sign up</a> <a href="/accounts/login/code/">Log in</a>')


# urls.py: where providers report whether an SMS arrived, and hand over what users send; any prefix will do
from django.urls import include, path

urlpatterns = [path("", home)]
urlpatterns += [path("sms/", include("sms.urls"))]
# urls.py: django-allauth
urlpatterns += [path("accounts/", include("allauth.urls"))]
