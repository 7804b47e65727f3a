"""Git's credential helper: gives the token, renewed if that is due, for one server only."""

import sys

from bitbucket_auth_async.cli.git.credential_request import CredentialRequest, git_user_for
from bitbucket_auth_async.cli.profiles import profiles, static_tokens
from bitbucket_auth_async.cli.profiles.open_profile import open_profile, store_of, valid_token
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.terminal.exit_code import ExitCode
from bitbucket_auth_async.cli.terminal.output import print_message


async def git_credential(name: str | None, action: str) -> ExitCode:
    """Run one of Git's actions; `store` does nothing, because the profile's store holds the token already."""
    data = sys.stdin.buffer.read()
    profile = profiles.load().get(name)
    request = CredentialRequest(data, git_user_for(profile.grant_type))
    if not request.is_for(profile.server):
        return ExitCode.OK
    if action == "get":
        return await _get(profile, request)
    if action == "erase":
        return await (_report_refusal if profile.is_static else _erase)(profile, request)
    return ExitCode.OK


async def _get(profile: Profile, request: CredentialRequest) -> ExitCode:
    async with valid_token(profile) as valid:
        token = valid.token
    sys.stdout.write(request.answer(token.access_token, token.expires_at))
    sys.stdout.flush()
    return ExitCode.OK


async def _erase(profile: Profile, request: CredentialRequest) -> ExitCode:
    """Renew the token that Bitbucket refused, so that the next attempt succeeds; a newer token stays."""
    async with open_profile(profile) as opened:
        found = await opened.store.load(profile.key)
        token = None if found is None else found.record.token
        if token is not None and request.presents(token.access_token):
            await opened.manager.get_token(token)
            await opened.manager.idle()
    return ExitCode.OK


async def _report_refusal(profile: Profile, request: CredentialRequest) -> ExitCode:
    """Say how to replace a static token that Bitbucket refused. It is kept: Bitbucket shows a token only once."""
    async with store_of(profile) as store:
        source = await static_tokens.load(profile, store)
    if source is not None and request.presents(source.token.access_token):
        print_message(
            f"bitbucket-auth: Bitbucket refused the {profile.credential} (profile {profile.name}). It is expired or "
            f"revoked, or not valid for this repository. {source.advice} Then run: {profile.login_command}"
        )
    return ExitCode.OK
