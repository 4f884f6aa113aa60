"""The URLs for other auth servers, for any Django project: ``path("hooks/", include("otp.hooks.urls"))``."""

from django.urls import path

from otp.hooks import connectors, supabase

app_name = "hooks"

urlpatterns = [
    path("supabase", supabase.take, name="supabase"),
    path("logto", connectors.logto, name="logto"),
    path("fusionauth", connectors.fusionauth, name="fusionauth"),
]
