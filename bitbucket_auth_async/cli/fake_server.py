"""The fake Bitbucket on a port of this machine, for whoever develops against Bitbucket."""

import asyncio
import errno
import shlex
import signal
from contextlib import suppress

from bitbucket_auth_async.cli.sign_in.loopback import HOST, redirect_uri
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, FailedError, out
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve

_TEXT = """\
A Bitbucket made up for development is at {base_url} until you press Ctrl-C.
Nothing in it is real, and it forgets everything when it ends.

  callback             {callback}
  authorization        {authorization}
  token endpoint       {token}
  API                  {base_url}/2.0/user
  access token         {access_token}
  API token            {api_token}, of {email}

Sign in to it, in another terminal:
  export BITBUCKET_CLIENT_ID={client_id}
  export BITBUCKET_CLIENT_SECRET={client_secret}
  bitbucket-auth login --profile fake --server {base_url}

Without a browser, add --no-browser; this says yes in its place, and prints the address to paste back:
  curl -s -o /dev/null -w '%{{redirect_url}}\\n' -d decision=allow 'the address that login prints'"""


async def fake_server(*, port: int, lifetime: float, strict: bool) -> ExitCode:
    """Serve until somebody ends it.

    Raises:
        FailedError: The port can't be had.
    """
    fake = FakeBitbucket(lifetime=lifetime, strict=strict)
    fake.registration().callback = redirect_uri(8372)
    over = asyncio.Event()
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C cancels us
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, over.set)
    try:
        async with serve(fake, port) as site:
            out(
                _TEXT.format(
                    base_url=site.base_url,
                    client_id=shlex.quote(fake.client.client_id),
                    client_secret=shlex.quote(str(fake.client.client_secret)),
                    callback=redirect_uri(8372),
                    authorization=site.server.authorization_endpoint,
                    token=site.server.token_endpoint,
                    access_token=fake.issue_access_token(),
                    api_token=fake.issue_api_token(),
                    email=fake.person.emails[0],
                )
            )
            await over.wait()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "it is taken" if taken else error.strerror
        told = FailedError(
            f"Port {port} at {HOST} can't be had: {reason}. Choose another one with --port; 0 takes any."
        )
        told.retryable = taken
        raise told from error
    return ExitCode.FINE
