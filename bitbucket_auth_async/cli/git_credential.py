"""Git's credential helper: gives the token, renewed where that is due, and answers for one server alone."""

import sys

from bitbucket_auth_async.cli import profiles
from bitbucket_auth_async.cli.git_protocol import GitRequest
from bitbucket_auth_async.cli.identity import opened
from bitbucket_auth_async.cli.outcome import ExitCode
from bitbucket_auth_async.cli.profiles import Profile


async def git_credential(name: str | None, action: str) -> ExitCode:
    """Do what Git asks; `store` is nothing to us, since the token is kept already."""
    asked = GitRequest(sys.stdin.buffer.read())
    profile = profiles.load().get(name)
    if not asked.is_for(profile.server):
        return ExitCode.FINE
    if action == "get":
        return await _get(profile, asked)
    if action == "erase":
        return await _erase(profile, asked)
    return ExitCode.FINE


async def _get(profile: Profile, asked: GitRequest) -> ExitCode:
    async with opened(profile) as identity:
        token = await identity.token()
    sys.stdout.write(asked.answer(token.access_token, token.expires_at))
    sys.stdout.flush()
    return ExitCode.FINE


async def _erase(profile: Profile, asked: GitRequest) -> ExitCode:
    """Renew what Bitbucket refused, so that the next attempt goes well; what was replaced already stays."""
    async with opened(profile) as identity:
        found = await identity.store.load(profile.key)
        token = None if found is None else found.record.token
        if token is not None and asked.presents(token.access_token):
            await identity.manager.get_token(token)
            await identity.manager.idle()
    return ExitCode.FINE
