"""Adapters for other Django packages that send codes; see docs/django-packages.

Each module imports the package that it is named after. Nothing else imports the module.
"""
