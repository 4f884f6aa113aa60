"""Challenges that a start may have to solve (docs/challenge.md).

``altcha``: a puzzle that takes the user's browser about a second, required under heavy traffic.
"""
