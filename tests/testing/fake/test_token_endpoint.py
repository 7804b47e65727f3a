"""The token endpoint of the fake, against what is known of Bitbucket's."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest

from bitbucket_auth_async.bitbucket.connect import ConnectSigner, JwtClient, JwtGrant
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, ClientCredentials, Grant, Password, RefreshToken
from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock

Ask = Any  # Asking of conftest.py, from where no name can be imported

Method = Literal["client_secret_basic", "client_secret_post"]

DAY = 24 * 3600
DEAD = (400, {"error": "invalid_request", "error_description": "Invalid refresh_token"})
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def code_of(fake: FakeBitbucket, **more: str) -> str:
    url = fake.authorize({"client_id": fake.client.client_id, "response_type": "code", **more})
    return url.partition("code=")[2].partition("&")[0]


# Rotation.


async def test_each_refresh_gives_a_new_pair_of_2600_characters(fake: FakeBitbucket, ask: Ask) -> None:
    token = fake.sign_in()
    status, answer = ask.refresh(token.refresh_token)
    assert status == 200
    assert answer["refresh_token"] != token.refresh_token
    assert answer["access_token"] != token.access_token
    assert len(answer["refresh_token"]) == len(answer["access_token"]) == 2600
    assert (answer["expires_in"], answer["token_type"], answer["state"]) == (3600, "bearer", "refresh_token")
    assert answer["scope"] == "account email repository"
    assert "scopes" not in answer


async def test_a_second_use_within_the_grace_returns_another_pair(
    fake: FakeBitbucket, ask: Ask, clock: FakeClock
) -> None:
    token = fake.sign_in()
    _, first = ask.refresh(token.refresh_token)
    await clock.advance(599)
    status, second = ask.refresh(token.refresh_token)
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert fake.is_spendable(first["refresh_token"])
    assert fake.is_spendable(second["refresh_token"])
    assert len(fake.second_spends) == 1


async def test_a_used_refresh_token_expires_ten_minutes_after_its_first_use(
    fake: FakeBitbucket, ask: Ask, clock: FakeClock
) -> None:
    token = fake.sign_in()
    _, first = ask.refresh(token.refresh_token)
    await clock.advance(300)
    ask.refresh(token.refresh_token)
    await clock.advance(300)  # the grace period counts from the first use, not from the last
    assert ask.refresh(token.refresh_token) == DEAD
    assert ask.refresh(first["refresh_token"])[0] == 200


async def test_an_unused_refresh_token_expires_after_three_months(
    fake: FakeBitbucket, ask: Ask, clock: FakeClock
) -> None:
    early, late = fake.sign_in(), fake.sign_in()
    await clock.advance(90 * DAY - 1)
    status, renewed = ask.refresh(early.refresh_token)
    assert status == 200
    await clock.advance(1)
    assert ask.refresh(late.refresh_token) == DEAD
    assert ask.refresh(renewed["refresh_token"])[0] == 200  # each rotation starts a new three months


async def test_a_refresh_keeps_the_earlier_access_token_valid_by_default(fake: FakeBitbucket, ask: Ask) -> None:
    token = fake.sign_in()
    _, renewed = ask.refresh(token.refresh_token)
    assert fake.is_live(token.access_token)
    fake.rules.revoke_access_on_refresh = True
    ask.refresh(renewed["refresh_token"])
    assert not fake.is_live(token.access_token)
    assert not fake.is_live(renewed["access_token"])


async def test_under_strict_rules_a_second_use_revokes_the_whole_sign_in(
    clock: FakeClock, asking: Callable[[FakeBitbucket], Ask]
) -> None:
    fake = FakeBitbucket(clock, strict=True)
    ask = asking(fake)
    token, other = fake.sign_in(), fake.sign_in()
    _, renewed = ask.refresh(token.refresh_token)
    assert fake.is_live(renewed["access_token"])
    assert ask.refresh(token.refresh_token) == DEAD
    assert ask.refresh(renewed["refresh_token"]) == DEAD
    assert not fake.is_live(renewed["access_token"])
    assert fake.is_live(other.access_token)  # another sign-in is not affected


async def test_under_strict_rules_an_unused_revoked_token_revokes_nothing_else(
    clock: FakeClock, asking: Callable[[FakeBitbucket], Ask]
) -> None:
    fake = FakeBitbucket(clock, strict=True)
    token = fake.sign_in()
    fake.kill_refresh_token(str(token.refresh_token))
    assert asking(fake).refresh(token.refresh_token) == DEAD
    assert fake.is_live(token.access_token)


async def test_with_last_pair_wins_a_second_use_revokes_the_first_pair(fake: FakeBitbucket, ask: Ask) -> None:
    fake.rules.last_pair_wins = True
    token = fake.sign_in()
    _, first = ask.refresh(token.refresh_token)
    _, second = ask.refresh(token.refresh_token)
    assert not fake.is_spendable(first["refresh_token"])
    assert fake.is_spendable(second["refresh_token"])


async def test_a_refresh_can_narrow_the_scope_but_not_widen_it(fake: FakeBitbucket, ask: Ask) -> None:
    token = fake.sign_in(scope={"account", "pullrequest:write"})
    narrowed = RefreshToken(str(token.refresh_token), scope=frozenset({"repository:write"}))  # it is implied
    assert ask(narrowed)[1]["scope"] == "repository:write"
    status, answer = ask(RefreshToken(str(token.refresh_token), scope=frozenset({"email"})))
    assert (status, answer["error"]) == (400, "invalid_scope")


async def test_a_refresh_token_is_not_valid_for_another_client(fake: FakeBitbucket, ask: Ask) -> None:
    other = fake.register_client()
    token = fake.sign_in()
    assert ask(RefreshToken(str(token.refresh_token)), other) == DEAD
    assert fake.spends(str(token.refresh_token)) == 0
    assert ask.refresh("made up") == DEAD


async def test_a_closed_account_has_its_own_error(fake: FakeBitbucket, ask: Ask) -> None:
    token = fake.sign_in()
    fake.person.active = False
    status, answer = ask.refresh(token.refresh_token)
    assert (status, answer["error_description"]) == (401, "User is inactive")
    fake.person.active = True
    assert ask.refresh(token.refresh_token)[0] == 200


async def test_a_revoked_authorization_ends_all_sign_ins_to_that_client(fake: FakeBitbucket, ask: Ask) -> None:
    mine, elsewhere = fake.sign_in(), fake.sign_in(client=fake.register_client())
    fake.revoke()
    assert ask.refresh(mine.refresh_token) == DEAD
    assert not fake.is_live(mine.access_token)
    assert fake.is_live(elsewhere.access_token)


# Authorization codes.


async def test_a_code_is_valid_once(fake: FakeBitbucket, ask: Ask) -> None:
    code = code_of(fake)
    status, answer = ask(AuthorizationCode(code))
    assert (status, answer["state"]) == (200, "authorization_code")
    assert answer["refresh_token"]
    assert ask(AuthorizationCode(code)) == (
        400,
        {"error": "invalid_grant", "error_description": "The specified code is not valid."},
    )
    assert fake.is_live(answer["access_token"])


async def test_under_strict_rules_a_second_use_of_a_code_revokes_its_sign_in(
    clock: FakeClock, asking: Callable[[FakeBitbucket], Ask]
) -> None:
    fake = FakeBitbucket(clock, strict=True)
    code = code_of(fake)
    _, answer = asking(fake)(AuthorizationCode(code))
    asking(fake)(AuthorizationCode(code))
    assert not fake.is_live(answer["access_token"])


async def test_a_code_expires(fake: FakeBitbucket, ask: Ask, clock: FakeClock) -> None:
    code = code_of(fake)
    await clock.advance(fake.rules.code_lifetime)
    assert ask(AuthorizationCode(code))[1]["error"] == "invalid_grant"


async def test_a_code_is_not_valid_for_another_client(fake: FakeBitbucket, ask: Ask) -> None:
    assert ask(AuthorizationCode(code_of(fake)), fake.register_client())[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "authorized, exchanged, status",
    [
        ({}, None, 200),
        ({}, "http://127.0.0.1:8372/callback", 200),
        ({}, "http://127.0.0.1:8372/other", 400),
        ({"redirect_uri": "http://127.0.0.1:8372/callback/a"}, "http://127.0.0.1:8372/callback/a", 200),
        ({"redirect_uri": "http://127.0.0.1:8372/callback/a"}, "http://127.0.0.1:8372/callback", 400),
        ({"redirect_uri": "http://127.0.0.1:8372/callback/a"}, None, 400),
    ],
)
async def test_a_redirect_uri_must_be_repeated_in_the_token_request(
    fake: FakeBitbucket, ask: Ask, authorized: Mapping[str, str], exchanged: str | None, status: int
) -> None:
    got, answer = ask(AuthorizationCode(code_of(fake, **authorized), redirect_uri=exchanged))
    assert got == status
    if status == 400:
        assert answer == {"error": "invalid_request", "error_description": "redirect_uri does not match"}


@pytest.mark.parametrize("verifier, status", [(VERIFIER, 200), (VERIFIER[::-1], 400), (None, 400)])
async def test_pkce_is_checked_when_a_challenge_was_sent(
    fake: FakeBitbucket, ask: Ask, verifier: str | None, status: int
) -> None:
    code = code_of(fake, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert ask(AuthorizationCode(code, code_verifier=verifier))[0] == status


# Client credentials, password, JWT.


async def test_client_credentials_give_no_refresh_token(fake: FakeBitbucket, ask: Ask) -> None:
    status, answer = ask(ClientCredentials())
    assert status == 200
    assert "refresh_token" not in answer


async def test_a_public_consumer_gets_no_client_credentials(fake: FakeBitbucket, ask: Ask) -> None:
    fake.registration().private = False
    status, answer = ask(ClientCredentials())
    assert status == 400
    assert answer["error_description"].startswith('Cannot use client_credentials with a consumer marked as "public".')


async def test_a_consumer_without_a_callback_gets_no_client_credentials(fake: FakeBitbucket, ask: Ask) -> None:
    fake.registration().callback = None
    assert ask(ClientCredentials()) == (
        400,
        {"error": "invalid_request", "error_description": "No callback uri defined for the OAuth client."},
    )


async def test_a_scope_can_be_narrowed_and_an_unregistered_one_is_refused(fake: FakeBitbucket, ask: Ask) -> None:
    assert ask(ClientCredentials(scope=frozenset({"email"})))[1]["scope"] == "email"
    status, answer = ask(ClientCredentials(scope=frozenset({"email", "webhook"})))
    assert (status, answer["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("grant", [Password("ada", "x"), RefreshToken("")], ids=["password", "nothing"])
async def test_withdrawn_grants_are_refused_with_bitbuckets_errors(fake: FakeBitbucket, ask: Ask, grant: Grant) -> None:
    if isinstance(grant, Password):
        expected = {"error": "invalid_grant", "error_description": "Unsupported grant type: password"}
        assert ask(grant) == (400, expected)
    else:
        assert ask(grant) == DEAD


async def test_a_json_body_has_no_fields(fake: FakeBitbucket, ask: Ask) -> None:
    request = ask.request(ClientCredentials())
    headers = {**request.headers, "Content-Type": "application/json"}
    response = fake.token(request._replace(headers=headers))
    assert response.status == 400
    assert json.loads(response.body) == {
        "error": "invalid_grant",
        "error_description": "Unsupported grant type: None",
    }


async def test_a_connect_app_exchanges_its_jwt_for_a_token(fake: FakeBitbucket, ask: Ask) -> None:
    secret = "a shared secret of 32 characters"
    fake.register_installation("app-key", "client-key", secret)
    signer = ConnectSigner(app_key="app-key", client_key="client-key", shared_secret=secret)
    status, answer = ask(JwtGrant(scope=frozenset({"account"})), signer)
    assert (status, answer["scope"]) == (200, "account")
    assert "refresh_token" not in answer
    assert ask.user(answer["access_token"]) == 200


@pytest.mark.parametrize(
    "signer, said",
    [
        (ConnectSigner(app_key="app-key", client_key="client-key", shared_secret="x" * 32), "not signed"),
        (ConnectSigner(app_key="app-key", client_key="account-id", shared_secret="s" * 32), "not signed"),
        (ConnectSigner(app_key="other", client_key="client-key", shared_secret="s" * 32), "another issuer"),
        (JwtClient("app-key", "not.a.jwt"), "can't be read"),
    ],
)
async def test_an_invalid_jwt_is_refused(
    fake: FakeBitbucket, ask: Ask, signer: ConnectSigner | JwtClient, said: str
) -> None:
    fake.register_installation("app-key", "client-key", "s" * 32)
    status, answer = ask(JwtGrant(), signer)
    assert (status, answer["error"]) == (401, "invalid_client")
    assert said in answer["error_description"]


async def test_a_jwt_is_valid_only_for_its_time_and_its_request(
    fake: FakeBitbucket, ask: Ask, clock: FakeClock
) -> None:
    fake.register_installation("app-key", "client-key", "s" * 32)
    signer = ConnectSigner(app_key="app-key", client_key="client-key", shared_secret="s" * 32)
    request = ask.request(JwtGrant(), signer)
    assert fake.token(request).status == 200
    elsewhere = request._replace(url="https://bitbucket.org/site/oauth2/elsewhere")
    assert b"another request" in fake.token(elsewhere).body
    clock.step_wall(-3600)
    assert b"from the future" in fake.token(request).body
    clock.step_wall(2 * 3600)
    assert b"has expired" in fake.token(request).body


async def test_a_jwt_without_a_signature_is_refused(fake: FakeBitbucket, ask: Ask) -> None:
    fake.register_installation("app-key", "client-key", "s" * 32)
    unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcHAta2V5Iiwic3ViIjoiY2xpZW50LWtleSJ9."
    status, answer = ask(JwtGrant(), JwtClient("app-key", unsigned))
    assert (status, answer["error_description"]) == (401, "JWT must be signed with HS256")


async def test_the_jwt_grant_refuses_a_client_secret(fake: FakeBitbucket, ask: Ask) -> None:
    status, answer = ask(JwtGrant())
    assert (status, answer["error"]) == (401, "unauthorized_client")


# Client authentication.


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_credentials_may_be_in_the_header_or_the_body(fake: FakeBitbucket, ask: Ask, method: Method) -> None:
    odd = fake.register_client("an id: with+odd%characters", "a secret & more: +%ü")
    assert ask(ClientCredentials(), Client(odd.client_id, odd.client_secret, method))[0] == 200


@pytest.mark.parametrize(
    "client, said",
    [
        (Client("fake-client-id"), "Requests must be authenticated using OAuth client credentials"),
        (Client("fake-client-id", "wrong"), "Invalid OAuth client credentials"),
        (Client("unknown", "fake-client-secret"), "Invalid OAuth client credentials"),
        (Client("fake-client-id", "wrong", "client_secret_post"), "Invalid OAuth client credentials"),
    ],
)
async def test_a_client_without_valid_credentials_is_refused(
    fake: FakeBitbucket, ask: Ask, client: Client, said: str
) -> None:
    assert ask(ClientCredentials(), client) == (400, {"error": "unauthorized_client", "error_description": said})


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic //8=", "Basic \udcff", "Bearer abc"]
)
async def test_a_malformed_authorization_header_does_not_authenticate(
    fake: FakeBitbucket, ask: Ask, header: str
) -> None:
    request = ask.request(ClientCredentials())
    response = fake.token(request._replace(headers={**request.headers, "Authorization": header}))
    assert b"Requests must be authenticated" in response.body


# Before May 2026.


async def test_a_legacy_fake_does_not_rotate_and_returns_scopes(
    clock: FakeClock, asking: Callable[[FakeBitbucket], Ask]
) -> None:
    fake = FakeBitbucket(clock, legacy=True)
    token = fake.sign_in()
    for _ in range(3):
        status, answer = asking(fake).refresh(token.refresh_token)
        assert (status, answer["refresh_token"], answer["expires_in"]) == (200, token.refresh_token, 7200)
        assert "scope" not in answer
        assert answer["scopes"] == "account email repository"
        await clock.advance(80 * DAY)  # each use starts three new months
    assert fake.second_spends == []
    await clock.advance(10 * DAY)
    assert asking(fake).refresh(token.refresh_token) == DEAD


async def test_a_legacy_fake_returns_a_refresh_token_for_client_credentials(
    clock: FakeClock, asking: Callable[[FakeBitbucket], Ask]
) -> None:
    fake = FakeBitbucket(clock, legacy=True)
    _, answer = asking(fake)(ClientCredentials())
    user = fake.api("GET", "/2.0/user", headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert json.loads(user.body)["username"] == "ada"  # it acts as the owner of the consumer
    assert asking(fake).refresh(answer["refresh_token"])[0] == 200


async def test_a_legacy_fake_has_the_password_grant(clock: FakeClock, asking: Callable[[FakeBitbucket], Ask]) -> None:
    fake = FakeBitbucket(clock, legacy=True)
    fake.register_person("grace", password="open sesame")
    status, answer = asking(fake)(Password("grace", "open sesame"))
    assert status == 200
    assert asking(fake).refresh(answer["refresh_token"])[0] == 200
    for wrong in (Password("grace", "guess"), Password("unknown", "open sesame")):
        assert asking(fake)(wrong)[1]["error"] == "invalid_grant"
    fake.persons["grace"].active = False
    assert asking(fake)(Password("grace", "open sesame"))[0] == 401


# Lifetimes and the log.


async def test_the_lifetime_can_be_set_and_may_be_a_fraction(fake: FakeBitbucket, ask: Ask, clock: FakeClock) -> None:
    fake.rules.lifetime = 8
    _, answer = ask(ClientCredentials())
    assert answer["expires_in"] == 8
    await clock.advance(7.9)
    assert fake.is_live(answer["access_token"])
    await clock.advance(0.1)
    assert not fake.is_live(answer["access_token"])
    fake.rules.lifetime = 0.5
    assert ask(ClientCredentials())[1]["expires_in"] == 0.5


async def test_the_request_log_has_fingerprints_and_no_tokens(fake: FakeBitbucket, ask: Ask, clock: FakeClock) -> None:
    token = fake.sign_in()
    _, answer = ask.refresh(token.refresh_token)
    ask.refresh(answer["refresh_token"])
    ask.refresh("made up")
    first, second, third = fake.log
    assert (first.grant_type, first.client_id, first.at) == ("refresh_token", "fake-client-id", clock.wall())
    assert (first.presented, first.refresh) == (fingerprint(str(token.refresh_token)), second.presented)
    assert (first.family, first.generation, second.generation) == (1, 1, 2)
    assert (first.error, first.processed, first.fault, first.reused) == (None, True, None, False)
    assert third.error == "invalid_request: Invalid refresh_token"
    assert fake.token_requests == 3
    assert set(fake.request_log.spends.values()) == {1}
    for secret in (token.access_token, token.refresh_token, answer["access_token"], answer["refresh_token"]):
        assert str(secret) not in repr((fake.log, fake.families, fake.request_log))


async def test_every_use_of_a_refresh_token_is_counted(fake: FakeBitbucket, ask: Ask) -> None:
    token = fake.sign_in()
    for _ in range(3):
        ask.refresh(token.refresh_token)
    assert fake.spends(str(token.refresh_token)) == 3
    assert [entry.generation for entry in fake.second_spends] == [1, 1]


async def test_two_fakes_never_issue_the_same_token_unless_seeded(clock: FakeClock) -> None:
    assert FakeBitbucket(clock).sign_in() != FakeBitbucket(clock).sign_in()
    assert FakeBitbucket(clock, seed="s").sign_in() == FakeBitbucket(clock, seed="s").sign_in()


async def test_tokens_have_the_requested_length_but_enough_randomness() -> None:
    assert len(FakeBitbucket(token_length=6000).sign_in().access_token) == 6000
    assert len(FakeBitbucket(token_length=1).sign_in().access_token) >= 32
