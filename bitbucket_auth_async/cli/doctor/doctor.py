"""`doctor`: checks everything that a sign-in depends on, and says how to fix each problem."""

from collections.abc import AsyncIterator

from bitbucket_auth_async.cli.doctor.finding import Finding
from bitbucket_auth_async.cli.doctor.local_checks import check_files, check_git, check_keyring, check_store
from bitbucket_auth_async.cli.doctor.network_checks import (
    check_callback,
    check_consumer,
    check_network,
    check_static_token,
)
from bitbucket_auth_async.cli.profiles import profiles
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.profiles.server import server_of
from bitbucket_auth_async.cli.terminal.exit_code import ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message
from bitbucket_auth_async.cli.terminal.table import print_columns
from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError


async def doctor(name: str | None) -> ExitCode:
    """Print one line for each check; the exit code tells whether one found an error."""
    profile: Profile | None = None
    findings: list[Finding] = []
    try:
        profile = profiles.load().get(name)
        credential = profile.credential if profile.is_static else f"client {profile.client_id}"
        findings.append(Finding("profile", "ok", f"{profile.name}, {credential}"))
    except BitbucketAuthError as error:
        advice = " Run: bitbucket-auth login" if isinstance(error, LoginRequiredError) else ""
        findings.append(Finding("profile", "error", f"{error}{advice}"))
    findings += [finding async for finding in _run_checks(profile)]
    print_columns([finding.about, finding.verdict, finding.text] for finding in findings)
    errors = sum(finding.verdict == "error" for finding in findings)
    if errors:
        print_message(f"{errors} of {len(findings)} checks failed.")
        return ExitCode.FAILED
    return ExitCode.OK


async def _run_checks(profile: Profile | None) -> AsyncIterator[Finding]:
    for finding in check_files():
        yield finding
    for finding in await check_network(None if profile is None else server_of(profile)):
        yield finding
    if profile is None:
        return
    yield await check_store(profile)
    if profile.store.startswith("keyring:"):
        yield await check_keyring()
    if profile.is_static:
        yield await check_static_token(profile)
    else:
        yield await check_consumer(profile)
    if profile.grant_type == "authorization_code":
        yield await check_callback(profile)
    yield check_git(profile)
