"""Hands over to the command line, for `python -m bitbucket_auth_async`."""

import sys

from bitbucket_auth_async.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
