"""The URLs of the dashboard. None holds a number, a code, an id or a key."""

from django.urls import path

from otp.dashboard import dead_letters, guard, login, now, providers, user

app_name = "dashboard"

urlpatterns = [
    path("", now.now, name="now"),
    path("user", user.user, name="user"),
    path("dead-letters", dead_letters.dead_letters, name="dead_letters"),
    path("dead-letters/replay", dead_letters.replay, name="replay"),
    path("providers", providers.providers, name="providers"),
    path("guard", guard.guard, name="guard"),
    path("guard/order", guard.guard_order, name="guard_order"),
    path("login", login.login, name="login"),
    path("logout", login.logout, name="logout"),
]
