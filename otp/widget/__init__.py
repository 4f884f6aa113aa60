"""The widget: the way to a verified phone inside a page of the program itself.

``/widget.js`` defines the element ``<otpost-verify>``, which asks ``POST /s/{id}/{step}`` what to show. It
holds no words and no rules: ``shown`` says everything, and what is done stands in ``otp.pages.steps``. What
passes between the two is their own, and may change with any version.
"""
