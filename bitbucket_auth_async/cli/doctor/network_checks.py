"""Checks over the network: Bitbucket and its clock, the consumer, its callback URL, or the static token."""

import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp

from bitbucket_auth_async.bitbucket.addresses import USER_PATH
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.cli.doctor.finding import Finding
from bitbucket_auth_async.cli.profiles import static_tokens
from bitbucket_auth_async.cli.profiles.client_secrets import client_of
from bitbucket_auth_async.cli.profiles.open_profile import store_of
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.cli.profiles.server import server_of
from bitbucket_auth_async.cli.profiles.whoami import whoami
from bitbucket_auth_async.cli.sign_in.ask_for_client import callback_to_register
from bitbucket_auth_async.cli.sign_in.login_options import DEFAULT_PORT
from bitbucket_auth_async.cli.sign_in.loopback_listener import redirect_uri
from bitbucket_auth_async.cli.terminal.time_format import duration, local_time
from bitbucket_auth_async.errors import BitbucketAuthError, OAuthError
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.token_endpoint import token_from, token_request
from bitbucket_auth_async.renewal.timing import SKEW
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport

_HTTP_TIMEOUT = aiohttp.ClientTimeout(total=15.0)
_TOKEN_REQUEST_TIMEOUT = 15.0
_LONGEST_PAGE = 256 * 1024


async def check_network(server: AuthorizationServer | None) -> list[Finding]:
    """Send the API a request without a token, and compare its clock with ours."""
    (origin,) = (BITBUCKET_CLOUD if server is None else server).api_origins
    sent_at = time.time()
    try:
        async with (
            aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, proxy=environment_proxy(origin)) as http,
            http.get(f"{origin}{USER_PATH}", allow_redirects=False) as response,
        ):
            date, status = response.headers.get("Date"), response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        advice = "Check the connection, the proxy and the firewall."
        if origin not in BITBUCKET_CLOUD.api_origins:
            advice = "Is fake-server running?"
        return [Finding("network", "error", f"{origin} can't be reached ({type(error).__name__}). {advice}")]
    return [Finding("network", "ok", f"{origin} answers ({status})"), _check_clock(date, (sent_at + time.time()) / 2)]


def _check_clock(date: str | None, ours: float) -> Finding:
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Finding("clock", "warning", "It could not be checked, because Bitbucket's answer has no date.")
    off = ours - theirs
    if abs(off) < SKEW:
        return Finding("clock", "ok", "agrees with Bitbucket's")
    direction = "ahead of" if off > 0 else "behind"
    text = f"It is {duration(abs(off))} {direction} Bitbucket's. Set it, for example: timedatectl set-ntp true"
    return Finding("clock", "error", text)


async def check_consumer(profile: Profile) -> Finding:
    """Send Key and Secret to the token endpoint; the token that it returns is thrown away."""
    server = server_of(profile)
    try:
        client = client_of(profile)
        request = token_request(server.token_endpoint, client, ClientCredentials(), now=time.time())
        transport = AiohttpTransport(trust_env=True)
        try:
            token_from(await transport.send(request, timeout=_TOKEN_REQUEST_TIMEOUT), requested_at=time.time())
        finally:
            await transport.aclose()
    except BitbucketAuthError as error:
        if isinstance(error, OAuthError) and "public" in (error.description or ""):
            return Finding("consumer", "ok", "Key and Secret are valid; not private, so no --client-credentials")
        return Finding("consumer", "error", str(error))
    return Finding("consumer", "ok", "Key and Secret are valid; a private consumer")


async def check_static_token(profile: Profile) -> Finding:
    """Send a static token to the API, and check when it expires."""
    try:
        async with store_of(profile) as store:
            source = await static_tokens.load_valid(profile, store)
    except BitbucketAuthError as error:
        return Finding("token", "error", str(error))
    answer = await whoami(server_of(profile), source.token)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        text = f"Bitbucket refuses the {profile.credential} (401). {source.advice} Then run: {profile.login_command}"
        return Finding("token", "error", text)
    if answer.status not in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}:
        why = answer.error or f"it answered {answer.status}"
        return Finding("token", "warning", f"The API did not tell whether it accepts the {profile.credential} ({why}).")
    end = source.expires_at
    if end is not None and end - time.time() < static_tokens.EXPIRES_SOON:
        text = f"It expires in {duration(end - time.time())}. {source.advice} Then run: {profile.login_command}"
        return Finding("token", "warning", text)
    expiry = "its expiry is unknown" if end is None else f"it expires {local_time(end)}"
    return Finding("token", "ok", f"Bitbucket accepts it; {expiry}")


async def check_callback(profile: Profile) -> Finding:
    """Open the authorization endpoint with our redirect URI, as a browser without a session."""
    wanted = callback_to_register(profile.port)
    request = AuthorizationRequest(
        server=server_of(profile),
        client=Client(profile.client_id),
        redirect_uri=redirect_uri(profile.port or DEFAULT_PORT),
    )
    try:
        async with (
            aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, proxy=environment_proxy(request.url)) as http,
            http.get(request.url, allow_redirects=False) as response,
        ):
            page = (await response.content.read(_LONGEST_PAGE)).decode("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        return Finding("callback", "warning", f"It could not be checked ({type(error).__name__}).")
    for parameter in ("redirect_uri", "client_id"):
        if f"Invalid {parameter}" in page:
            text = f"Bitbucket answers 'Invalid {parameter}'. Set the consumer's Callback URL to {wanted}"
            return Finding("callback", "error", text)
    return Finding("callback", "ok", f"Bitbucket accepts {wanted}")
