"""The doctor on the network: Bitbucket within reach, its clock and ours, the consumer, its callback, or the token."""

import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp

from bitbucket_auth_async.bitbucket.addresses import USER_PATH
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.cli.doctor.findings import Finding
from bitbucket_auth_async.cli.profiles import static_tokens
from bitbucket_auth_async.cli.profiles.client_secrets import client_of
from bitbucket_auth_async.cli.profiles.open_profile import server_of, store_of
from bitbucket_auth_async.cli.profiles.profiles import Profile
from bitbucket_auth_async.cli.profiles.whoami import introduced
from bitbucket_auth_async.cli.sign_in.consumer_guide import callback_to_register
from bitbucket_auth_async.cli.sign_in.login_options import DEFAULT_PORT
from bitbucket_auth_async.cli.sign_in.loopback import redirect_uri
from bitbucket_auth_async.cli.terminal.time_format import local, span
from bitbucket_auth_async.errors import BitbucketAuthError, OAuthError
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.token_endpoint import token_from, token_request
from bitbucket_auth_async.renewal.timing import SKEW
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport

_PATIENCE = aiohttp.ClientTimeout(total=15.0)
_LIMIT = 15.0
_LONGEST_PAGE = 256 * 1024


async def check_network(server: AuthorizationServer | None) -> list[Finding]:
    """Ask the API, without any token, and compare its clock with ours."""
    (origin,) = (BITBUCKET_CLOUD if server is None else server).api_origins
    asked = time.time()
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, proxy=environment_proxy(origin)) as http,
            http.get(f"{origin}{USER_PATH}", allow_redirects=False) as response,
        ):
            date, status = response.headers.get("Date"), response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        advice = "Look at the connection, the proxy, the firewall."
        if origin not in BITBUCKET_CLOUD.api_origins:
            advice = "Is fake-server running?"
        text = f"{origin} can't be reached ({type(error).__name__}). {advice}"
        return [Finding("network", "wrong", text)]
    return [Finding("network", "fine", f"{origin} answers ({status})"), _clock(date, (asked + time.time()) / 2)]


def _clock(date: str | None, ours: float) -> Finding:
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Finding("clock", "warning", "Bitbucket did not say what time it is, so this could not be compared.")
    off = ours - theirs
    if abs(off) < SKEW:
        return Finding("clock", "fine", "agrees with Bitbucket's")
    text = f"It is {span(abs(off))} {'ahead of' if off > 0 else 'behind'} Bitbucket's. Set it: timedatectl set-ntp true"
    return Finding("clock", "wrong", text)


async def check_consumer(profile: Profile) -> Finding:
    """Present key and secret, and see what the token endpoint says; the token that comes is thrown away."""
    server = server_of(profile)
    try:
        client = client_of(profile)
        request = token_request(server.token_endpoint, client, ClientCredentials(), now=time.time())
        transport = AiohttpTransport(trust_env=True)
        try:
            token_from(await transport.send(request, timeout=_LIMIT), requested_at=time.time())
        finally:
            await transport.aclose()
    except BitbucketAuthError as error:
        if isinstance(error, OAuthError) and "public" in (error.description or ""):
            return Finding("consumer", "fine", "Key and Secret are right; not private, so no --client-credentials")
        return Finding("consumer", "wrong", str(error))
    return Finding("consumer", "fine", "Key and Secret are right, and it is a private consumer")


async def check_static(profile: Profile) -> Finding:
    """Show a token that nobody renews to the API, and see how long it still has."""
    try:
        async with store_of(profile) as store:
            source = await static_tokens.usable(profile, store)
    except BitbucketAuthError as error:
        return Finding("token", "wrong", str(error))
    said = await introduced(server_of(profile), source.token)
    if said.status == HTTPStatus.UNAUTHORIZED:
        text = f"Bitbucket refuses the {profile.credential} (401). {source.advice} Then run: {profile.login_command}"
        return Finding("token", "wrong", text)
    if said.status not in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}:
        why = said.trouble or f"it answered {said.status}"
        return Finding("token", "warning", f"The API did not say whether it knows the {profile.credential} ({why}).")
    end = source.expires_at
    if end is not None and end - time.time() < static_tokens.SOON:
        text = f"It ends in {span(end - time.time())}. {source.advice} Then run: {profile.login_command}"
        return Finding("token", "warning", text)
    until = "when it ends is not known" if end is None else f"it ends {local(end)}"
    return Finding("token", "fine", f"Bitbucket takes it; {until}")


async def check_callback(profile: Profile) -> Finding:
    """Knock at the authorization endpoint with our callback, as a browser that nobody has signed in with."""
    wanted = callback_to_register(profile.port)
    request = AuthorizationRequest(
        server=server_of(profile),
        client=Client(profile.client_id),
        redirect_uri=redirect_uri(profile.port or DEFAULT_PORT),
    )
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, proxy=environment_proxy(request.url)) as http,
            http.get(request.url, allow_redirects=False) as response,
        ):
            page = (await response.content.read(_LONGEST_PAGE)).decode("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        return Finding("callback", "warning", f"It could not be tried ({type(error).__name__}).")
    for word in ("redirect_uri", "client_id"):
        if f"Invalid {word}" in page:
            text = f"Bitbucket says 'Invalid {word}'. Set the consumer's Callback URL to {wanted}"
            return Finding("callback", "wrong", text)
    return Finding("callback", "fine", f"Bitbucket has nothing against {wanted}")
