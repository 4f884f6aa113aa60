"""The pages of docs/reference and docs/vendors, made of the code: ``python -m tests.reference`` writes them.

The words that no code has stand in ``docs/reference/*.toml``. A test compares what is committed.
"""
