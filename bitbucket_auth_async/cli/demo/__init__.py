"""The demo: two processes share one sign-in at a fake Bitbucket."""
