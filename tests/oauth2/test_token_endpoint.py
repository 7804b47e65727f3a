"""The token endpoint: the form that is sent, and the meaning of each kind of response."""

import json
from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    OAuthError,
    UnavailableError,
)
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, ClientCredentials, Password, RefreshToken
from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.oauth2.token_endpoint import token_from, token_request
from bitbucket_auth_async.oauth2.tokens import Token

ENDPOINT = "https://bitbucket.org/site/oauth2/access_token"
ASKED = 784_111_700.0


def answer(status: int, body: object, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=raw)


def granted(body: object, scope: frozenset[str] = frozenset()) -> Token:
    return token_from(answer(200, body), requested_at=ASKED, scope=scope)


def refused(status: int, body: object) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        token_from(answer(status, body), requested_at=ASKED)
    assert caught.value.status == status
    assert not caught.value.retryable
    return caught.value


def unavailable(response: Response) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        token_from(response, requested_at=ASKED)
    assert caught.value.status == response.status
    assert caught.value.retryable
    return caught.value


class TestRequest:
    def test_a_grant_is_sent_as_a_form_and_accepts_json(self) -> None:
        request = token_request(ENDPOINT, Client("id", "s3cret"), RefreshToken("r&t="), now=ASKED)
        assert (request.method, request.url) == ("POST", ENDPOINT)
        assert dict(request.headers) == {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "Basic aWQ6czNjcmV0",
        }
        assert parse_qs(request.body.decode(), strict_parsing=True) == {
            "grant_type": ["refresh_token"],
            "refresh_token": ["r&t="],
        }

    def test_a_client_may_authenticate_in_the_body(self) -> None:
        client = Client("id", "s3cret", "client_secret_post")
        request = token_request(ENDPOINT, client, ClientCredentials(frozenset({"b", "a"})), now=ASKED)
        assert "Authorization" not in request.headers
        assert sorted(parse_qsl(request.body.decode(), strict_parsing=True)) == [
            ("client_id", "id"),
            ("client_secret", "s3cret"),
            ("grant_type", "client_credentials"),
            ("scope", "a b"),
        ]

    def test_client_authentication_gets_the_endpoint_and_the_time(self) -> None:
        class Asked:
            client_id = "id"

            def proof(self, token_endpoint: str, *, now: float) -> tuple[Mapping[str, str], Mapping[str, str]]:
                return {"Authorization": f"{token_endpoint} {now}"}, {}

        request = token_request(ENDPOINT, Asked(), ClientCredentials(), now=ASKED)
        assert request.headers["Authorization"] == f"{ENDPOINT} {ASKED}"

    def test_text_is_sent_as_utf_8(self) -> None:
        request = token_request(ENDPOINT, Client("id"), Password("ännchen", "p w"), now=ASKED)
        assert b"username=%C3%A4nnchen&password=p+w" in request.body

    @pytest.mark.parametrize(
        "client, grant",
        [
            (Client("id"), Password("ann", "s3cret\ud800")),
            (Client("id", "s3cret\ud800"), ClientCredentials()),
        ],
    )
    def test_r11_text_that_can_not_be_encoded_is_refused_and_not_shown(self, client: Client, grant: Password) -> None:
        with pytest.raises(ConfigurationError) as caught:
            token_request(ENDPOINT, client, grant, now=ASKED)
        assert (
            str(caught.value) == "The client or the grant contains half of a surrogate pair; decode its text as UTF-8."
        )
        assert caught.value.__suppress_context__

    def test_r11_a_request_shows_no_secret(self) -> None:
        request = token_request(ENDPOINT, Client("id", "s3cret"), AuthorizationCode("s3cret"), now=ASKED)
        assert "s3cret" not in repr(request)
        assert "Authorization" not in repr(request)


class TestGranted:
    def test_a_response_of_2026_gives_a_token(self) -> None:
        body = {
            "access_token": "at",
            "refresh_token": "rt",
            "expires_in": 3600,
            "scope": "account",
            "token_type": "bearer",
        }
        assert granted(body) == Token(
            access_token="at",
            refresh_token="rt",
            issued_at=ASKED,
            expires_at=ASKED + 3600,
            scope=frozenset({"account"}),
        )

    def test_the_requested_scope_applies_if_the_response_has_none(self) -> None:
        assert granted({"access_token": "at"}, frozenset({"account"})).scope == frozenset({"account"})

    def test_the_scope_of_the_response_replaces_the_requested_one(self) -> None:
        assert granted({"access_token": "at", "scopes": ""}, frozenset({"account"})).scope == frozenset()
        assert granted({"access_token": "at", "scope": "email"}, frozenset({"account"})).scope == frozenset({"email"})

    def test_without_any_scope_the_scope_is_unknown(self) -> None:
        assert granted({"access_token": "at"}).scope is None

    @pytest.mark.parametrize("number", [b"9" * 5000, b"-" + b"9" * 5000, b"NaN", b"Infinity", b"1e999"])
    def test_r2_an_absurd_number_does_not_lose_the_token_next_to_it(self, number: bytes) -> None:
        token = granted(b'{"access_token":"at","refresh_token":"rt","expires_in":' + number + b"}")
        assert (token.refresh_token, token.expires_at) == ("rt", None)

    def test_a_byte_order_mark_is_accepted(self) -> None:
        assert granted(b'\xef\xbb\xbf{"access_token":"at"}').access_token == "at"

    @pytest.mark.parametrize(
        "body, why",
        [
            ({}, "access_token: expected printable ASCII text without spaces, found nothing"),
            (
                {"access_token": "s3cret s3cret"},
                "access_token: expected printable ASCII text without spaces, found a str",
            ),
            ({"access_token": "at", "token_type": "mac"}, "token_type: expected 'bearer', the only type"),
            ({"error": "invalid_grant"}, "access_token: expected"),
        ],
    )
    def test_an_object_without_a_valid_token_is_an_outage(self, body: object, why: str) -> None:
        error = unavailable(answer(200, body, content_type="application/json"))
        size = len(json.dumps(body))
        said = f"The token endpoint answered 200 with application/json, {size} bytes, without a valid token: {why}"
        assert str(error).startswith(said)
        assert str(error).endswith(".")
        assert not str(error).endswith("..")
        assert "s3cret" not in str(error)
        assert isinstance(error.__cause__, ConfigurationError)

    @pytest.mark.parametrize(
        "body",
        [
            b'{"access_token":"s3cr',
            b"[]",
            b'"s3cret"',
            b"null",
            b"3",
            b"<html>s3cret</html>",
            b'{"access_token":"s3cret\xff"}',
            b"[" * 100_000,
            b'{"a":' * 100_000,
            '{"access_token":"at"}'.encode("utf-16"),
        ],
    )
    def test_garbage_is_an_outage_that_shows_only_its_size(self, body: bytes) -> None:
        error = unavailable(answer(200, body, content_type="application/json; charset=utf-8"))
        said = f"The token endpoint answered 200 with application/json, {len(body)} bytes, not a JSON object."
        assert str(error) == said
        assert error.__cause__ is None

    def test_an_empty_response_is_an_outage(self) -> None:
        said = "The token endpoint answered 200 with an empty body, not a JSON object."
        assert str(unavailable(answer(200, b"", content_type="application/json"))) == said


class TestRefused:
    """Responses that Bitbucket's token endpoint has sent, and similar ones."""

    def test_bitbucket_reports_an_invalid_refresh_token_as_invalid_request(self) -> None:
        error = refused(400, {"error": "invalid_request", "error_description": "Invalid refresh_token"})
        assert type(error) is InvalidGrantError
        assert (error.error, error.description) == ("invalid_request", "Invalid refresh_token")
        assert str(error) == "The token endpoint answered 400 'invalid_request': Invalid refresh_token."

    @pytest.mark.parametrize("description", ["invalid refresh_token.", " Invalid Refresh_Token "])
    def test_the_wording_for_an_invalid_refresh_token_may_vary(self, description: str) -> None:
        error = refused(400, {"error": "invalid_request", "error_description": description})
        assert type(error) is InvalidGrantError

    @pytest.mark.parametrize("status", [400, 401, 403])
    @pytest.mark.parametrize(
        "description", ["The specified code is not valid.", "Unknown or invalid refresh token.", None, 5]
    )
    def test_invalid_grant_is_an_invalid_grant_error(self, status: int, description: object) -> None:
        error = refused(status, {"error": "invalid_grant", "error_description": description})
        assert type(error) is InvalidGrantError
        assert error.error == "invalid_grant"
        assert error.description == (description if isinstance(description, str) else None)

    @pytest.mark.parametrize(
        "status, code, description",
        [
            (404, "invalid_grant", "gone"),
            (402, "invalid_grant", None),
            (401, "invalid_request", "Invalid refresh_token"),
            (400, "invalid_client_id", "Invalid refresh_token"),
            (400, "invalid_request", "Missing or invalid refresh_token parameter"),
            (400, "invalid_request", "X invalid refresh_token"),
            (400, "invalid_request", "Xinvalid refresh_token"),
            (400, "invalid_request", None),
            (400, "invalid_scope", None),
            (400, "invalid_grant", "Unsupported grant type: None"),
            (400, "invalid_request", "redirect_uri does not match"),
            (401, "invalid_grant", "User is inactive"),
        ],
    )
    def test_r8_no_other_refusal_counts_as_an_invalid_token(
        self, status: int, code: str, description: str | None
    ) -> None:
        error = refused(status, {"error": code, "error_description": description})
        assert type(error) is OAuthError
        assert (error.error, error.description) == (code, description)

    @pytest.mark.parametrize(
        "code, description, advice",
        [
            ("invalid_client", None, "Compare client_id and client_secret with Key and Secret of the OAuth consumer"),
            ("unauthorized_client", "Invalid OAuth client credentials", "may not use this grant."),
            (
                "unauthorized_client",
                "Requests must be authenticated using OAuth client credentials",
                "give the client the Secret of the OAuth consumer (in Bitbucket: Workspace settings, OAuth consumers).",
            ),
            (
                "invalid_request",
                "No callback uri defined for the OAuth client.",
                'Fill in "Callback URL" of the OAuth consumer (in Bitbucket: Workspace settings, OAuth consumers)',
            ),
            (
                "unauthorized_client",
                'Cannot use client_credentials with a consumer marked as "public". Please mark it private.',
                'Tick "This is a private consumer" of the OAuth consumer',
            ),
        ],
    )
    def test_a_misconfigured_client_gets_advice(self, code: str, description: str | None, advice: str) -> None:
        for status in (400, 401):
            error = refused(status, {"error": code, "error_description": description})
            assert type(error) is InvalidClientError
            assert (error.error, error.description) == (code, description)
            assert advice in str(error)

    @pytest.mark.parametrize(
        "code, description, advice",
        [
            (
                "invalid_request",
                "redirect_uri does not match",
                "Send the same redirect_uri here as in the authorization",
            ),
            (
                "invalid_grant",
                "Unsupported grant type: None",
                "Bitbucket Cloud accepts authorization_code, refresh_token",
            ),
            ("unsupported_grant_type", None, "Bitbucket Cloud accepts authorization_code, refresh_token"),
            ("invalid_scope", None, "Request only scopes that the OAuth consumer"),
            ("access_denied", "User is inactive", "The sign-in is kept"),
        ],
    )
    def test_a_request_that_must_be_corrected_gets_advice(
        self, code: str, description: str | None, advice: str
    ) -> None:
        error = refused(400, {"error": code, "error_description": description})
        assert type(error) is OAuthError
        assert advice in str(error)

    def test_an_unknown_error_code_is_shown_unchanged(self) -> None:
        error = refused(418, {"error": "teapot", "error_description": "short and stout"})
        assert type(error) is OAuthError
        assert str(error) == "The token endpoint answered 418 'teapot': short and stout."

    @pytest.mark.parametrize(
        "body",
        [
            b"User is inactive",
            b" User is inactive\n",
            b'"User is inactive"',
            b'{"type":"error","error":{"message":"User is inactive"}}',
            b'{"error":"access_denied","error_description":"User is inactive"}',
        ],
    )
    def test_r8_an_inactive_user_keeps_the_sign_in(self, body: bytes) -> None:
        error = refused(401, body)
        assert type(error) is OAuthError
        assert error.error == "access_denied"
        assert "User is inactive" in (error.description or "")

    def test_a_known_wording_is_recognized_in_plain_text(self) -> None:
        error = refused(400, b'Cannot use client_credentials with a consumer marked as "public".')
        assert type(error) is InvalidClientError
        assert error.error == "unauthorized_client"
        assert refused(400, b"no callback uri defined").error == "invalid_request"
        assert refused(400, b"redirect_uri does not match").error == "invalid_request"
        assert refused(400, b"Unsupported grant type").error == "unsupported_grant_type"
        known = b"Requests must be authenticated using OAuth client credentials"
        assert refused(401, known).error == "invalid_client"

    def test_a_known_wording_is_recognized_next_to_invalid_bytes_up_to_1000_bytes(self) -> None:
        assert type(refused(401, b"\xff User is inactive")) is OAuthError
        assert type(refused(401, b"User is inactive".ljust(1000, b"."))) is OAuthError
        unavailable(answer(401, b"User is inactive".ljust(1001, b".")))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"Unauthorized",
            b"Invalid refresh_token",
            b"invalid_grant",
            b"<html>User is inactive</html>",
            b"  <p>User is inactive",
            b'{"error":',
            b"[]",
            b"{}",
            b'{"error":null}',
            b'{"error":""}',
            b'{"error":"  "}',
            b'{"error":5}',
            b'{"error":true}',
            b'{"error":["invalid_grant"]}',
            b'{"error":{}}',
            b'{"error":{"message":5}}',
            b'{"error":{"message":"Not found"}}',
            b'{"error":"server_error"}',
            b'{"error":"temporarily_unavailable","error_description":"maintenance"}',
            b'{"error":"invalid_grant\xff"}',
            b"[" * 100_000,
        ],
    )
    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_r7_an_unclear_refusal_is_an_outage(self, status: int, body: bytes) -> None:
        unavailable(answer(status, body))

    @pytest.mark.parametrize("status", [100, 201, 204, 301, 302, 307, 399, 408, 425, 429, 500, 502, 503, 504, 599, 600])
    def test_r7_other_statuses_are_outages_with_any_body(self, status: int) -> None:
        unavailable(answer(status, {"error": "invalid_grant", "error_description": "User is inactive"}))
        unavailable(answer(status, {"access_token": "at"}))

    @pytest.mark.parametrize("status", [400, 407, 409, 424, 426, 428, 430, 499])
    def test_a_refusal_may_have_any_other_status_of_the_400s(self, status: int) -> None:
        assert refused(status, {"error": "invalid_client"}).status == status

    @pytest.mark.parametrize("secret", ["kN5mWmyYNv8rqv3pYB", "x9" * 2000])
    def test_r11_a_secret_that_the_server_echoes_is_not_shown(self, secret: str) -> None:
        for code in ("invalid_grant", "invalid_client", "x", f"x {secret}"):
            error = refused(400, {"error": code, "error_description": f"no such token: {secret} in {secret}"})
            assert secret not in f"{error} {error!r} {vars(error)}"
            assert error.description == "no such token: [redacted] in [redacted]"
        told = refused(400, {"error": "a", "error_description": f"user is inactive: {secret}"})
        assert secret not in f"{told} {vars(told)}"
        in_text = refused(401, f"User is inactive: {secret[:900]}".encode())
        assert secret[:16] not in f"{in_text} {vars(in_text)}"


class TestUnavailable:
    @pytest.mark.parametrize(
        "content_type, shown",
        [
            ("text/html", "text/html"),
            ("Text/HTML; charset=utf-8", "text/html"),
            (" application/problem+json ;x", "application/problem+json"),
            ("", "content of unknown type"),
            ("html", "content of unknown type"),
            ("text/s3cret", "content of unknown type"),
            ("text/" + "x" * 41, "content of unknown type"),
            ("text/html\nX: y", "content of unknown type"),
        ],
    )
    def test_the_message_names_the_media_type(self, content_type: str, shown: str) -> None:
        error = unavailable(answer(503, b"<html>" + b"s3cret" * 10, content_type=content_type))
        assert str(error) == f"The token endpoint answered 503 with {shown}, 66 bytes."

    def test_without_a_content_type_the_type_is_unknown(self) -> None:
        said = "The token endpoint answered 302 with content of unknown type, 1 bytes."
        assert str(unavailable(answer(302, b"x"))) == said

    def test_an_empty_body_is_named(self) -> None:
        assert str(unavailable(answer(500, b""))) == "The token endpoint answered 500 with an empty body."

    @pytest.mark.parametrize("status", [200, 302, 400, 429, 503])
    def test_r7_the_retry_after_of_the_server_is_kept(self, status: int) -> None:
        assert unavailable(answer(status, b"", retry_after="120")).retry_after == 120.0
        assert unavailable(answer(status, b"", retry_after="Sun, 06 Nov 1994 08:49:37 GMT")).retry_after == 77.0
        assert unavailable(answer(status, b"", retry_after="soon")).retry_after is None
        assert unavailable(answer(status, b"")).retry_after is None

    def test_the_retry_after_is_kept_for_an_object_without_a_token(self) -> None:
        assert unavailable(answer(200, {}, retry_after="5")).retry_after == 5.0
        assert unavailable(answer(200, {}, retry_after="Sun, 06 Nov 1994 08:49:37 GMT")).retry_after == 77.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["access_token", "refresh_token", "token_type", "expires_in", "scope", "scopes", "error"])
ANSWERS = st.dictionaries(NAMES | st.just("error_description"), JSON, max_size=6)
BODIES = (
    st.binary(max_size=300)
    | JSON.map(lambda value: json.dumps(value).encode())
    | ANSWERS.map(lambda value: json.dumps(value).encode())
)
HEADERS = st.dictionaries(st.sampled_from(["content-type", "retry-after", "x"]), st.text(max_size=70))
STATUSES = st.sampled_from([200, 201, 302, 400, 401, 403, 404, 429, 500, 503]) | st.integers(-1, 1000)


def outcome(response: Response) -> Token | BitbucketAuthError:
    try:
        return token_from(response, requested_at=ASKED)
    except BitbucketAuthError as error:
        return error


@given(status=STATUSES, headers=HEADERS, body=BODIES)
def test_every_response_gives_a_token_or_one_of_our_errors(status: int, headers: dict[str, str], body: bytes) -> None:
    result = outcome(Response(status=status, headers=headers, body=body))
    if isinstance(result, Token):
        assert status == 200
        assert result.access_token
        return
    assert str(result).isprintable()
    assert isinstance(result, UnavailableError | OAuthError)
    assert result.status == status
    if isinstance(result, UnavailableError):
        assert result.retry_after is None or 0 <= result.retry_after <= 3600
    else:
        assert 400 <= status < 500


def echoes(secret: str) -> list[object]:
    return [
        {"error": "invalid_grant", "error_description": f"no {secret}"},
        {"error": secret},
        {"error": {"message": f"User is inactive {secret}"}},
        {"access_token": secret, "token_type": secret},
        {"access_token": f"{secret} {secret}", "expires_in": secret},
        {"access_token": "at", "refresh_token": f"{secret}\n"},
        secret,
    ]


@given(st.from_regex(r"[!-~]{11,30}[0-9][!-~]{11,30}", fullmatch=True), STATUSES)
def test_r11_no_response_makes_an_error_show_a_secret(secret: str, status: int) -> None:
    for body in echoes(secret):
        result = outcome(answer(status, body, content_type=secret, retry_after=secret))
        if isinstance(result, BitbucketAuthError):
            assert secret not in f"{result} {result!r} {vars(result)} {result.__cause__}"
