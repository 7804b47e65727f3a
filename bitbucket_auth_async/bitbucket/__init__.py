"""Every fact about Bitbucket: where its servers are, its scopes, its JWT grant, its dated quirks."""
