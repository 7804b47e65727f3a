"""Git: the credential helper and its setup."""
