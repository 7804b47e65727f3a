"""`python -m bitbucket_auth_async` runs the command line."""

import sys

from bitbucket_auth_async.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
