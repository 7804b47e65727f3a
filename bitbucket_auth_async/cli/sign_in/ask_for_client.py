"""What a newcomer is told, and asked: the OAuth consumer that Bitbucket wants, field by field."""

import getpass
import sys

from bitbucket_auth_async.cli.sign_in.loopback import HOST, PATH, redirect_uri
from bitbucket_auth_async.cli.terminal.outcome import FailedError, say
from bitbucket_auth_async.oauth2.clients import Client

_STEPS = """\
Before anybody can sign in, Bitbucket has to know this program as an "OAuth consumer".
That is done once, in a minute:

  1. In Bitbucket, open Workspace settings > OAuth consumers > Add consumer.
  2. Name: whatever tells you later what it is, such as "bitbucket-auth".
  3. Callback URL: {callback}
     Exactly so; Bitbucket compares it. Nobody outside this machine can reach it.
  4. This is a private consumer: tick it. The secret stays with you, and --client-credentials needs it.
  5. Permissions: what you want to do with the token. For most people:
       Account: Read              (so that `status` can say who you are)
       Repositories: Read, Write  (clone, fetch, push)
       Pull requests: Read        (if you use the API for them)
  6. Save, and click on the consumer's name: it shows a Key and a Secret.
"""


def callback_to_register(port: int) -> str:
    """Return what belongs in the consumer's callback field; without a port it stands for any."""
    return redirect_uri(port) if port else f"http://{HOST}{PATH}"


def ask_for_client(port: int) -> Client:
    """Lead a person through registering a client, and return what was typed in.

    Raises:
        FailedError: There is no terminal to ask at, or nothing was typed.
    """
    if not sys.stdin.isatty():
        msg = (
            "There is no client yet, and no terminal to ask for one. Set BITBUCKET_CLIENT_ID and "
            "BITBUCKET_CLIENT_SECRET (Key and Secret of your OAuth consumer), or BITBUCKET_CLIENT_ID_FILE and "
            "BITBUCKET_CLIENT_SECRET_FILE to files that hold them."
        )
        raise FailedError(msg)
    say(_STEPS.format(callback=callback_to_register(port)))
    try:
        sys.stderr.write("Key: ")
        sys.stderr.flush()
        key = input().strip()
        secret = getpass.getpass("Secret (it does not show): ").strip() if key else ""
    except EOFError:
        key = secret = ""
    if not key or not secret:
        msg = "Both are needed, Key and Secret. Nothing was changed."
        raise FailedError(msg)
    return Client(key, secret)
