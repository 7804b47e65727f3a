"""Git's credential helper: gives the token, renewed where that is due, and answers for one server alone."""

import sys

from bitbucket_auth_async.cli.git.credential_protocol import GitRequest, user_for
from bitbucket_auth_async.cli.profiles import profiles, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import opened, ready, store_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.terminal.outcome import ExitCode, say


async def git_credential(name: str | None, action: str) -> ExitCode:
    """Do what Git asks; `store` is nothing to us, since the token is kept already."""
    said = sys.stdin.buffer.read()
    profile = profiles.load().get(name)
    asked = GitRequest(said, user_for(profile.grant_type))
    if not asked.is_for(profile.server):
        return ExitCode.FINE
    if action == "get":
        return await _get(profile, asked)
    if action == "erase":
        return await (_tell if profile.is_static else _erase)(profile, asked)
    return ExitCode.FINE


async def _get(profile: Profile, asked: GitRequest) -> ExitCode:
    async with ready(profile) as now:
        token = now.token
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


async def _tell(profile: Profile, asked: GitRequest) -> ExitCode:
    """Say what to do about a token that Bitbucket refused and nobody renews; it is kept, since it was shown once."""
    async with store_of(profile) as store:
        source = await static_tokens.kept(profile, store)
    if source is not None and asked.presents(source.token.access_token):
        say(
            f"bitbucket-auth: Bitbucket refused the {profile.credential} (profile {profile.name}). It is expired, "
            f"revoked or not for this repository. {source.advice} Then run: {profile.login_command}"
        )
    return ExitCode.FINE
