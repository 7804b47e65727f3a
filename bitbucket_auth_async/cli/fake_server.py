"""`fake-server`: a fake Bitbucket on a port of this machine."""

import asyncio
import errno
import shlex
import signal
from contextlib import suppress

from bitbucket_auth_async.cli.sign_in.login_options import DEFAULT_PORT
from bitbucket_auth_async.cli.sign_in.loopback_listener import HOST, redirect_uri
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError, ExitCode
from bitbucket_auth_async.cli.terminal.output import print_result
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve

_TEXT = """\
A fake Bitbucket is running at {base_url}. Press Ctrl-C to stop it.
It contains no real data, and forgets everything when it stops.

  callback             {callback}
  authorization        {authorization}
  token endpoint       {token}
  API                  {base_url}/2.0/user
  access token         {access_token}
  API token            {api_token}, of {email}

To sign in to it, run in another terminal:
  export BITBUCKET_CLIENT_ID={client_id}
  export BITBUCKET_CLIENT_SECRET={client_secret}
  bitbucket-auth login --profile fake --server {base_url}

Without a browser, add --no-browser. This command grants the access and prints the URL to paste:
  curl -s -o /dev/null -w '%{{redirect_url}}\\n' -d decision=allow 'the URL that login prints'"""


async def fake_server(*, port: int, lifetime: float, strict: bool) -> ExitCode:
    """Run until SIGINT or SIGTERM.

    Raises:
        CommandFailedError: The port is not available.
    """
    fake = FakeBitbucket(lifetime=lifetime, strict=strict)
    fake.registration().callback = redirect_uri(DEFAULT_PORT)
    stopped = asyncio.Event()
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C cancels the task
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    try:
        async with serve(fake, port) as site:
            print_result(
                _TEXT.format(
                    base_url=site.base_url,
                    client_id=shlex.quote(fake.client.client_id),
                    client_secret=shlex.quote(str(fake.client.client_secret)),
                    callback=redirect_uri(DEFAULT_PORT),
                    authorization=site.server.authorization_endpoint,
                    token=site.server.token_endpoint,
                    access_token=fake.issue_access_token(),
                    api_token=fake.issue_api_token(),
                    email=fake.person.emails[0],
                )
            )
            await stopped.wait()
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        reason = "is in use" if in_use else f"is not available: {error.strerror}"
        failed = CommandFailedError(
            f"Port {port} on {HOST} {reason}. Choose another one with --port; 0 is any free port."
        )
        failed.retryable = in_use
        raise failed from error
    return ExitCode.OK
