"""Send codes that other auth servers make, each with its own format: see docs/auth-servers.md."""
