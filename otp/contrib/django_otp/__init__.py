"""A device for django-otp whose code lives in Otpost: ``INSTALLED_APPS += ["otp.contrib.django_otp"]``.

django-otp finds a user's devices by their tables, so this app has one, with a migration: the only one in this
package, and only in a project that names the app. A code never stands in it.
"""
