"""E-mail by Django's backends: one letter out, within its time, and what a failure means.

``sms.providers.email`` writes the letter and knows no Django; ``sms.registry`` gives it a ``Carrier``.
"""
