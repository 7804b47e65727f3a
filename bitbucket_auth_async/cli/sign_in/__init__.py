"""`login`: by browser, by a pasted URL, by client credentials, or by a static token."""
