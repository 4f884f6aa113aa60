"""The pages of docs/reference and docs/vendors, and the pictures of docs/pictures, made of the code.

``python -m tests.reference`` writes them.

Words that are not in the code are in ``docs/reference/*.toml`` and ``otp/api/errors.toml``. A test compares
what is committed.
"""
