"""What a start can be asked for beside a number (docs/challenge.md).

altcha    a puzzle that costs the browser of the user a second, asked for when much goes on
"""
