"""The ways in which somebody signs in, or out."""

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from bitbucket_auth_async.oauth2.grants import AuthorizationCode, RefreshToken

if TYPE_CHECKING:
    from tests.simulation.fleet import Fleet
    from tests.simulation.process import Process


async def sign_in(fleet: "Fleet", process: "Process", what: str) -> None:
    """Let somebody sign in, or out, at one process, in the way that a step names.

    Raises:
        BitbucketAuthError: It did not work.
    """
    if process.closing_since is not None:
        return
    manager, judge = process.manager, fleet.judge
    if what == "sign_out":
        await manager.logout()
    elif what == "sign_in_by_code":
        asked = {"client_id": fleet.fake.client.client_id, "response_type": "code", "state": "s"}
        code = parse_qs(urlsplit(fleet.fake.authorize(asked)).query)["code"][0]
        await manager.exchange(AuthorizationCode(code))
    elif what == "sign_in_by_refresh_token":
        token = fleet.fake.sign_in()
        judge.issued(process, replace(token, access_token="", expires_at=token.issued_at))
        await manager.exchange(RefreshToken(token.refresh_token or ""))
    else:
        token = fleet.fake.sign_in()
        if what == "sign_in_without_refresh_token":
            token = replace(token, refresh_token=None)
        judge.issued(process, token)
        await manager.adopt(token)
