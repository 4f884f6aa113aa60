"""E-mail by Django's backends: send one letter in limited time, and interpret failures.

``sms.providers.email`` writes the letter and does not use Django. ``sms.registry`` gives it a ``Carrier``.
"""
