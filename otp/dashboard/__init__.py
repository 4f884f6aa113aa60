"""The dashboard: the pages on which an operator sees how things stand and what is wrong.

``door`` decides who may enter. ``login`` and ``session`` keep the session. Each page has its own file.
Mount it with ``path("dashboard/", include("otp.dashboard.urls"))``.
"""
