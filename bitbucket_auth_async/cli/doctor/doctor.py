"""Looks at everything that a sign-in depends on, and says of each thing what to do where it is not fine."""

from collections.abc import AsyncIterator

from bitbucket_auth_async.cli.doctor.findings import Finding
from bitbucket_auth_async.cli.doctor.machine import check_files, check_git, check_keyring, check_store
from bitbucket_auth_async.cli.doctor.network import check_callback, check_consumer, check_network, check_static
from bitbucket_auth_async.cli.profiles import profiles
from bitbucket_auth_async.cli.profiles.open_profile import server_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, say
from bitbucket_auth_async.cli.terminal.table import columns
from bitbucket_auth_async.errors import BitbucketAuthError, LoginRequiredError


async def doctor(name: str | None) -> ExitCode:
    """Show a line for each thing; the exit code tells whether something is wrong."""
    profile: Profile | None = None
    found: list[Finding] = []
    try:
        profile = profiles.load().get(name)
        found.append(Finding("profile", "fine", f"{profile.name}, {_whose(profile)}"))
    except BitbucketAuthError as error:
        hint = " Run: bitbucket-auth login" if isinstance(error, LoginRequiredError) else ""
        found.append(Finding("profile", "wrong", f"{error}{hint}"))
    found += [finding async for finding in _all_checks(profile)]
    columns([finding.about, finding.verdict, finding.text] for finding in found)
    wrong = sum(finding.verdict == "wrong" for finding in found)
    if wrong:
        say(f"{wrong} of {len(found)} {'is' if wrong == 1 else 'are'} wrong.")
        return ExitCode.FAILED
    return ExitCode.FINE


def _whose(profile: Profile) -> str:
    return profile.credential if profile.is_static else f"client {profile.client_id}"


async def _all_checks(profile: Profile | None) -> AsyncIterator[Finding]:
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
        yield await check_static(profile)
    else:
        yield await check_consumer(profile)
    if profile.grant_type == "authorization_code":
        yield await check_callback(profile)
    yield check_git(profile)
