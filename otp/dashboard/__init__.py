"""The dashboard: what an operator looks at when something is wrong, and when nothing is.

``door`` says who may come in, ``session`` and ``login`` know them again; each page has a file of its own.
Mount it with ``path("dashboard/", include("otp.dashboard.urls"))``.
"""
