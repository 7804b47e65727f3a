"""The commands and their options. The module that does a command's work is imported when it is called."""

import logging
import sys
from typing import Annotated, NoReturn

import typer

from bitbucket_auth_async.cli.options import Profile, Verbose, Version, number_of_seconds
from bitbucket_auth_async.cli.terminal.exit_code import ExitCode
from bitbucket_auth_async.cli.terminal.run_command import run_async_command, run_command

_EPILOG = (
    "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 sign-in needed, 4 try again later. "
    'Example: bitbucket-auth login && curl -H "Authorization: Bearer $(bitbucket-auth token)" '
    "https://api.bitbucket.org/2.0/user"
)

_AT_A_TERMINAL = sys.stdout.isatty() and sys.stderr.isatty()
"""Elsewhere help and errors are plain text."""

app = typer.Typer(
    name="bitbucket-auth",
    help="Sign in to Bitbucket once, and use a valid token in scripts, Git and the REST API.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if _AT_A_TERMINAL else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _all(show_version: Version = False) -> None:
    logging.getLogger("bitbucket_auth_async").addHandler(logging.NullHandler())  # the commands print what matters


@app.command(epilog="Example: bitbucket-auth login --profile work")
def login(
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", metavar="NAME", help="Save the sign-in under this name.")
    ] = None,
    client_credentials: Annotated[
        bool, typer.Option("--client-credentials", help="Sign in as the client itself, without a browser.")
    ] = False,
    access_token: Annotated[
        bool, typer.Option("--access-token", help="Use an access token of a repository, project or workspace.")
    ] = False,
    api_token: Annotated[
        bool, typer.Option("--api-token", help="Use your API token, with the e-mail address of your account.")
    ] = False,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="E-mail address for --api-token.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day of such a token, to be warned in time.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the URL to open, and ask for the URL where the browser ends.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Keep the token in this store: file:///path, sqlite:///path, keyring://name, redis://host, "
            "postgresql://host/database. Default: a private file, or the store in BITBUCKET_AUTH_STORE.",
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="Ask for this scope. Default: all scopes of the consumer."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Wait for the redirect on this port (8372); 0: any free port."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, callback=number_of_seconds, help="Wait this many seconds for the browser.")
    ] = 300,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Sign in to a fake Bitbucket on this machine; see fake-server.")
    ] = None,
    verbose: Verbose = False,
) -> NoReturn:
    """Sign in with the browser. The first time, it explains how to create an OAuth consumer.

    Key and secret of the consumer are read from BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET (or the files that
    BITBUCKET_CLIENT_ID_FILE and BITBUCKET_CLIENT_SECRET_FILE name), or asked for. An access token or API token is
    asked for too, or read from standard input: no option takes a secret.
    """
    from bitbucket_auth_async.cli.profiles import profiles
    from bitbucket_auth_async.cli.sign_in import login as command
    from bitbucket_auth_async.cli.sign_in import login_options as options

    def sign_in() -> ExitCode:
        return command.login(
            options.LoginOptions(
                profile=profiles.load().default if profile is None else profile,
                grant_type=options.chosen_grant_type(
                    {"client_credentials": client_credentials, "access_token": access_token, "api_token": api_token}
                ),
                email=email,
                expires_at=None if expires is None else options.last_second_of(expires),
                no_browser=no_browser,
                store=store,
                scope=frozenset(scope or ()),
                port=port,
                server=server,
                timeout=timeout,
            )
        )

    raise typer.Exit(run_command(sign_in))


@app.command(epilog="Example: bitbucket-auth status --json")
def status(
    profile: Profile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Verbose = False,
) -> NoReturn:
    """Show the token's user, scopes and expiry. It renews nothing."""
    from bitbucket_auth_async.cli.status.status import status as command

    raise typer.Exit(run_async_command(lambda: command(profile, as_json=as_json), profile))


@app.command(
    epilog='Example: curl -H "Authorization: Bearer $(bitbucket-auth token)" https://api.bitbucket.org/2.0/user'
)
def token(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Print the token, renewed first if that is due. Use an API token with its e-mail address: curl -u."""
    from bitbucket_auth_async.cli.tokens import print_token

    raise typer.Exit(run_async_command(lambda: print_token(profile), profile))


@app.command(epilog="Example: bitbucket-auth refresh --verbose")
def refresh(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Renew the token now, even if it is still valid."""
    from bitbucket_auth_async.cli.tokens import refresh as command

    raise typer.Exit(run_async_command(lambda: command(profile), profile))


@app.command(epilog="Example: bitbucket-auth logout --profile work")
def logout(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Remove the token from its store. Machines that share the store lose it too."""
    from bitbucket_auth_async.cli.tokens import logout as command

    raise typer.Exit(run_async_command(lambda: command(profile), profile))


@app.command(epilog="Example: bitbucket-auth profiles --use work")
def profiles(
    use: Annotated[str | None, typer.Option(metavar="NAME", help="Make this profile the default.")] = None,
    forget: Annotated[str | None, typer.Option(metavar="NAME", help="Sign this profile out and remove it.")] = None,
    verbose: Verbose = False,
) -> NoReturn:
    """List the profiles, choose the default, or remove one."""
    from bitbucket_auth_async.cli import manage_profiles as command

    if use is not None and forget is not None:
        message = "--use and --forget can't be combined."
        raise typer.BadParameter(message)
    if forget is not None:
        raise typer.Exit(run_async_command(lambda: command.forget_profile(forget)))
    raise typer.Exit(run_command(command.list_profiles if use is None else lambda: command.use_profile(use)))


@app.command(
    "git-credential",
    epilog="Example: printf 'protocol=https\\nhost=bitbucket.org\\n\\n' | bitbucket-auth git-credential get",
)
def git_credential(
    action: Annotated[
        str, typer.Argument(metavar="get|store|erase", help="The action that Git asks for; others are ignored.")
    ],
    profile: Profile = None,
    verbose: Verbose = False,
) -> NoReturn:
    """Act as Git's credential helper for bitbucket.org. Run git-setup to make Git use it."""
    from bitbucket_auth_async.cli.git.credential_helper import git_credential as command

    raise typer.Exit(run_async_command(lambda: command(profile, action), profile))


@app.command("git-setup", epilog="Example: bitbucket-auth git-setup --local --profile work")
def git_setup(
    profile: Profile = None,
    local: Annotated[bool, typer.Option("--local", help="Set up only the repository in this folder.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the setup.")] = False,
    verbose: Verbose = False,
) -> NoReturn:
    """Make Git ask this program for credentials. It answers only for bitbucket.org over https."""
    from bitbucket_auth_async.cli.git import git_setup as command
    from bitbucket_auth_async.cli.profiles import profiles

    def set_up() -> ExitCode:
        chosen = profiles.load().get(profile)
        return (command.git_undo if undo else command.git_setup)(chosen, local=local)

    raise typer.Exit(run_command(set_up))


def _method(method: str) -> str:
    """Check the method first: without it, the path stands in its place."""
    if not (method.isascii() and method.isalpha()):
        message = "The method comes first, such as GET: bitbucket-auth api GET /user"
        raise typer.BadParameter(message)
    return method.upper()


@app.command(epilog="Example: bitbucket-auth api GET /repositories/my-workspace --paginate")
def api(
    method: Annotated[str, typer.Argument(callback=_method, help="GET, POST, PUT, DELETE …")],
    path: Annotated[str, typer.Argument(help="The path below /2.0, such as /user.")],
    paginate: Annotated[
        bool, typer.Option("--paginate", help="Fetch all pages of a list, and print one JSON list.")
    ] = False,
    body: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="Send the JSON in this file; -: standard input.")
    ] = None,
    profile: Profile = None,
    verbose: Verbose = False,
) -> NoReturn:
    """Send a request to Bitbucket's REST API. It uses the token and prints the JSON answer."""
    from bitbucket_auth_async.cli.api_call import ApiCall, api_call

    if paginate and method != "GET":
        message = "--paginate is only for GET."
        raise typer.BadParameter(message)
    if body is not None and method == "GET":
        message = "--input is only for methods with a body, such as POST."
        raise typer.BadParameter(message)
    raise typer.Exit(run_async_command(lambda: api_call(profile, ApiCall(method, path, paginate, body)), profile))


@app.command(epilog="Example: bitbucket-auth doctor --profile work")
def doctor(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Check everything that a sign-in needs. Each problem is shown with its fix."""
    from bitbucket_auth_async.cli.doctor.doctor import doctor as command

    raise typer.Exit(run_async_command(lambda: command(profile), profile))


@app.command("fake-server", epilog="Example: bitbucket-auth fake-server --port 7990 --lifetime 60")
def fake_server(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen on this port; 0: any free port.")] = 7990,
    lifetime: Annotated[
        float, typer.Option(min=1, callback=number_of_seconds, help="Let access tokens expire after this many seconds.")
    ] = 3600,
    strict: Annotated[
        bool, typer.Option("--strict", help="Revoke the whole sign-in if a refresh token is used twice.")
    ] = False,
    verbose: Verbose = False,
) -> NoReturn:
    """Run a fake Bitbucket for development."""
    from bitbucket_auth_async.cli.fake_server import fake_server as command

    raise typer.Exit(run_async_command(lambda: command(port=port, lifetime=lifetime, strict=strict)))


@app.command(epilog="Example: bitbucket-auth demo --seconds 20")
def demo(
    seconds: Annotated[float, typer.Option(min=12, callback=number_of_seconds, help="Run for this many seconds.")] = 30,
    callers: Annotated[int, typer.Option(min=1, help="Run this many coroutines in each of two processes.")] = 200,
    verbose: Verbose = False,
) -> NoReturn:
    """Watch two processes share one sign-in. Their 400 coroutines work through a kill and an outage."""
    from bitbucket_auth_async.cli.demo.demo import run_demo

    raise typer.Exit(run_demo(seconds, callers))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        app(arguments, prog_name="bitbucket-auth")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return ExitCode.OK
