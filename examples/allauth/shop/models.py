"""The users of a shop."""

# models.py: the user of django-allauth
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):                                   # AUTH_USER_MODEL
    phone = models.CharField(max_length=16, unique=True, null=True, blank=True)
    phone_verified = models.BooleanField(default=False)
