"""The widget: verifies a phone inside a page of the caller's own site.

``/widget.js`` defines the element ``<otpost-verify>``, which gets its views from ``POST /s/{id}/{step}``. It
has no texts and no rules: ``shown`` makes the views, and ``otp.pages.steps`` does the work. The format
between the two is private, and may change with any version.
"""
