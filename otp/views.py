"""The operations for a NinjaAPI of your own: ``api.add_router("", otp.views.router)``."""

from otp.api.verifications import router

__all__ = ["router"]
