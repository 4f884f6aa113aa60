"""Other auth servers hand over codes that they have made, each in its own format: docs/auth-servers.md."""
