"""The commands: arguments in, an exit code out. What they do is in modules of their own, loaded when called."""

import logging
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from bitbucket_auth_async.cli.terminal.outcome import ExitCode, finish, finish_async

_EPILOG = (
    "Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 sign-in needed, 4 try again later. "
    'Example: bitbucket-auth login && curl -H "Authorization: Bearer $(bitbucket-auth token)" '
    "https://api.bitbucket.org/2.0/user"
)

_AT_A_TERMINAL = sys.stdout.isatty() and sys.stderr.isatty()
"""Elsewhere help and errors are plain, and the same everywhere."""

app = typer.Typer(
    name="bitbucket-auth",
    help="Sign in to Bitbucket once; have a token that is always good, for scripts, for Git and for the API.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if _AT_A_TERMINAL else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _log(value: bool) -> bool:  # noqa: FBT001 - as typer calls it
    if value:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        # Our own logger, which never sees a secret; those of HTTP libraries may see headers, and stay silent.
        logger = logging.getLogger("bitbucket_auth_async")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    return value


def _version(value: bool) -> None:  # noqa: FBT001 - as typer calls it
    if value:
        typer.echo(f"bitbucket-auth {version('bitbucket-auth-async')}")
        raise typer.Exit


Profile = Annotated[
    str | None, typer.Option("--profile", "-p", metavar="NAME", help="Whose sign-in; left out, the default one's.")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", is_eager=True, callback=_log, help="Tell on stderr what happens; never a secret."),
]


@app.callback()
def _all(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    logging.getLogger("bitbucket_auth_async").addHandler(logging.NullHandler())  # what matters is told by the commands


@app.command(epilog="Example: bitbucket-auth login --profile work")
def login(
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", metavar="NAME", help="A name for this sign-in.")
    ] = None,
    client_credentials: Annotated[
        bool, typer.Option("--client-credentials", help="For machines: the client speaks for itself, nobody signs in.")
    ] = False,
    access_token: Annotated[
        bool, typer.Option("--access-token", help="By an access token of a repository, project or workspace.")
    ] = False,
    api_token: Annotated[
        bool, typer.Option("--api-token", help="By your API token, with the e-mail address of your account.")
    ] = False,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="What goes with --api-token.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Until when such a token works, to be warned in time.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and read where the browser went from the input.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where to keep the token: file:///path, sqlite:///path, keyring://name, redis://host, "
            "postgresql://host/database. Left out: a private file, or what BITBUCKET_AUTH_STORE says.",
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="Ask for this scope; left out, all that the consumer has."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Where on this machine the redirect is caught (8372); 0: any free port."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for the browser.")] = 300,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="A stand-in for Bitbucket on this machine; see fake-server.")
    ] = None,
    verbose: Verbose = False,
) -> NoReturn:
    """Sign in, in the browser; the first time it leads through registering an OAuth consumer.

    Key and secret of the consumer come from BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET (or the files that
    BITBUCKET_CLIENT_ID_FILE and BITBUCKET_CLIENT_SECRET_FILE name), or are asked for. An access token or API token is
    asked for too, or read from standard input: there is no option for a secret.
    """
    from bitbucket_auth_async.cli.profiles import profiles
    from bitbucket_auth_async.cli.sign_in import login as work
    from bitbucket_auth_async.cli.sign_in import login_options as options

    def begun() -> ExitCode:
        return work.login(
            options.LoginOptions(
                profile=profiles.load().default if profile is None else profile,
                grant_type=options.grant_type_of(
                    {"client_credentials": client_credentials, "access_token": access_token, "api_token": api_token}
                ),
                email=email,
                expires_at=None if expires is None else options.end_of(expires),
                no_browser=no_browser,
                store=store,
                scope=frozenset(scope or ()),
                port=port,
                server=server,
                limit=timeout,
            )
        )

    raise typer.Exit(finish(begun))


@app.command(epilog="Example: bitbucket-auth status --json")
def status(
    profile: Profile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    verbose: Verbose = False,
) -> NoReturn:
    """Show who is signed in, for what, until when, and where that is kept; renews nothing."""
    from bitbucket_auth_async.cli.status import status as work

    raise typer.Exit(finish_async(lambda: work(profile, as_json=as_json), profile))


@app.command(
    epilog='Example: curl -H "Authorization: Bearer $(bitbucket-auth token)" https://api.bitbucket.org/2.0/user'
)
def token(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Print the token alone, renewed first if that is due. An API token goes with its e-mail address: curl -u."""
    from bitbucket_auth_async.cli.tokens import print_token

    raise typer.Exit(finish_async(lambda: print_token(profile), profile))


@app.command(epilog="Example: bitbucket-auth refresh --verbose")
def refresh(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Renew the token now, although it is still good."""
    from bitbucket_auth_async.cli.tokens import refresh as work

    raise typer.Exit(finish_async(lambda: work(profile), profile))


@app.command(epilog="Example: bitbucket-auth logout --profile work")
def logout(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Forget the token, here and wherever the store is shared."""
    from bitbucket_auth_async.cli.tokens import logout as work

    raise typer.Exit(finish_async(lambda: work(profile), profile))


@app.command(epilog="Example: bitbucket-auth profiles --use work")
def profiles(
    use: Annotated[str | None, typer.Option(metavar="NAME", help="Make this one the default.")] = None,
    forget: Annotated[str | None, typer.Option(metavar="NAME", help="Sign this one out and forget it.")] = None,
    verbose: Verbose = False,
) -> NoReturn:
    """List the profiles, or choose the default one, or forget one."""
    from bitbucket_auth_async.cli import tokens as work

    if use is not None and forget is not None:
        message = "--use and --forget are two different things; give one of them."
        raise typer.BadParameter(message)
    if forget is not None:
        raise typer.Exit(finish_async(lambda: work.forget_profile(forget)))
    raise typer.Exit(finish(work.list_profiles if use is None else lambda: work.use_profile(use)))


@app.command(
    "git-credential",
    epilog="Example: printf 'protocol=https\\nhost=bitbucket.org\\n\\n' | bitbucket-auth git-credential get",
)
def git_credential(
    action: Annotated[
        str, typer.Argument(metavar="get|store|erase", help="What Git wants; any other word is ignored.")
    ],
    profile: Profile = None,
    verbose: Verbose = False,
) -> NoReturn:
    """Git's credential helper, for bitbucket.org alone; git-setup tells Git to use it."""
    from bitbucket_auth_async.cli.git.credential_helper import git_credential as work

    raise typer.Exit(finish_async(lambda: work(profile, action), profile))


@app.command("git-setup", epilog="Example: bitbucket-auth git-setup --local --profile work")
def git_setup(
    profile: Profile = None,
    local: Annotated[bool, typer.Option("--local", help="For the repository in this folder alone.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    verbose: Verbose = False,
) -> NoReturn:
    """Tell Git to ask this program whenever it talks to bitbucket.org over https."""
    from bitbucket_auth_async.cli.git import setup as work
    from bitbucket_auth_async.cli.profiles import profiles

    def done() -> ExitCode:
        chosen = profiles.load().get(profile)
        return (work.git_undo if undo else work.git_setup)(chosen, local=local)

    raise typer.Exit(finish(done))


def _method(method: str) -> str:
    """Look at it before the path is missed: who leaves the method out has said a path."""
    if not (method.isascii() and method.isalpha()):
        message = "It is one word and comes first, such as GET: bitbucket-auth api GET /user"
        raise typer.BadParameter(message)
    return method.upper()


@app.command(epilog="Example: bitbucket-auth api GET /repositories/my-workspace --paginate")
def api(
    method: Annotated[str, typer.Argument(callback=_method, help="GET, POST, PUT, DELETE …")],
    path: Annotated[str, typer.Argument(help="Such as /user; what comes before it is known.")],
    paginate: Annotated[
        bool, typer.Option("--paginate", help="Follow a list to its end; one JSON list comes out.")
    ] = False,
    body: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="The file with the JSON to send; -: standard input.")
    ] = None,
    profile: Profile = None,
    verbose: Verbose = False,
) -> NoReturn:
    """Ask Bitbucket's API with the token of a profile, and print the JSON that it answers."""
    from bitbucket_auth_async.cli.api_call import ApiCall, api_call

    if paginate and method != "GET":
        message = "--paginate goes with GET alone."
        raise typer.BadParameter(message)
    if body is not None and method == "GET":
        message = "--input goes with methods that send something, such as POST."
        raise typer.BadParameter(message)
    raise typer.Exit(finish_async(lambda: api_call(profile, ApiCall(method, path, paginate, body)), profile))


@app.command(epilog="Example: bitbucket-auth doctor --profile work")
def doctor(profile: Profile = None, verbose: Verbose = False) -> NoReturn:
    """Look at everything that a sign-in depends on, and say what to do where it is not fine."""
    from bitbucket_auth_async.cli.doctor.doctor import doctor as work

    raise typer.Exit(finish_async(lambda: work(profile), profile))


@app.command("fake-server", epilog="Example: bitbucket-auth fake-server --port 7990 --lifetime 60")
def fake_server(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any free one.")] = 7990,
    lifetime: Annotated[float, typer.Option(min=1, help="Seconds for which its access tokens are good.")] = 3600,
    strict: Annotated[
        bool, typer.Option("--strict", help="A refresh token that is used twice takes the whole sign-in with it.")
    ] = False,
    verbose: Verbose = False,
) -> NoReturn:
    """Run a fake Bitbucket on a port, for developing against it."""
    from bitbucket_auth_async.cli.fake_server import fake_server as work

    raise typer.Exit(finish_async(lambda: work(port=port, lifetime=lifetime, strict=strict)))


@app.command(epilog="Example: bitbucket-auth demo --seconds 20")
def demo(
    seconds: Annotated[float, typer.Option(min=12, help="How long it takes.")] = 30,
    callers: Annotated[int, typer.Option(min=1, help="Coroutines in each of the two processes.")] = 200,
    verbose: Verbose = False,
) -> NoReturn:
    """Watch 400 coroutines in two processes live on one sign-in, while everything goes wrong."""
    from bitbucket_auth_async.cli.demo.demo import play

    raise typer.Exit(play(seconds, callers))


def run(words: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        app(words, prog_name="bitbucket-auth")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return ExitCode.FINE
