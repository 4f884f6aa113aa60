"""What other Django packages need to send their codes through this one; see docs/django-packages.

Each module here imports the package it is named after, and nothing else imports the module.
"""
