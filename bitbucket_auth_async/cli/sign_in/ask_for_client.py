"""Explains how to create an OAuth consumer at Bitbucket, and asks for its Key and Secret."""

import getpass
import sys

from bitbucket_auth_async.cli.sign_in.loopback_listener import HOST, PATH, redirect_uri
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError
from bitbucket_auth_async.cli.terminal.output import print_message
from bitbucket_auth_async.oauth2.clients import Client

_STEPS = """\
Before you can sign in, Bitbucket must know this program as an "OAuth consumer".
You create it once; it takes a minute:

  1. In Bitbucket, open Workspace settings > OAuth consumers > Add consumer.
  2. Name: any name that you will recognize, such as "bitbucket-auth".
  3. Callback URL: {callback}
     Copy it exactly: Bitbucket compares it. Only this machine can reach it.
  4. This is a private consumer: tick it. The secret stays with you, and --client-credentials needs it.
  5. Permissions: what the token may do. For most users:
       Account: Read              (so that `status` can show your name)
       Repositories: Read, Write  (clone, fetch, push)
       Pull requests: Read        (to use them through the API)
  6. Save, and click on the consumer's name: it shows a Key and a Secret.
"""


def callback_to_register(port: int) -> str:
    """Return the consumer's callback URL; without a port it matches every port."""
    return redirect_uri(port) if port else f"http://{HOST}{PATH}"


def ask_for_client(port: int) -> Client:
    """Explain how to register a client, and return the one that the user types in.

    Raises:
        CommandFailedError: There is no terminal, or the input is empty.
    """
    if not sys.stdin.isatty():
        msg = (
            "No client is known, and there is no terminal to ask for one. Set BITBUCKET_CLIENT_ID and "
            "BITBUCKET_CLIENT_SECRET (Key and Secret of your OAuth consumer), or BITBUCKET_CLIENT_ID_FILE and "
            "BITBUCKET_CLIENT_SECRET_FILE to files that contain them."
        )
        raise CommandFailedError(msg)
    print_message(_STEPS.format(callback=callback_to_register(port)))
    try:
        sys.stderr.write("Key: ")
        sys.stderr.flush()
        key = input().strip()
        secret = getpass.getpass("Secret (not shown): ").strip() if key else ""
    except EOFError:
        key = secret = ""
    if not key or not secret:
        msg = "Both Key and Secret are needed. Nothing was changed."
        raise CommandFailedError(msg)
    return Client(key, secret)
