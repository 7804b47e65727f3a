"""Facts about Bitbucket, with their sources: addresses, limits, scopes, Git user names, the JWT grant."""
