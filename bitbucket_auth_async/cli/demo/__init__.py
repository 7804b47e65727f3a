"""The demo: two processes share one sign-in on a fake Bitbucket."""
