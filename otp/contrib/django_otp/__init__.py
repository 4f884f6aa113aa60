"""A device for django-otp whose codes live in Otpost: ``INSTALLED_APPS += ["otp.contrib.django_otp"]``.

django-otp finds a user's devices by their tables. So this app has a table and a migration, the only ones of
Otpost, and only in projects that install the app. The table never holds a code.
"""
