"""AuthorizationRequest: the URL that it builds, and the callback that it checks, state first."""

import hmac
import pickle
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import (
    AccessDeniedError,
    AuthorizationError,
    BitbucketAuthError,
    CallbackError,
    ConfigurationError,
)
from bitbucket_auth_async.oauth2.authorization_endpoint import LONGEST_CALLBACK, AuthorizationRequest
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import AuthorizationCode
from bitbucket_auth_async.oauth2.pkce import code_challenge
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token

HERE = "https://app.example/callback"
STATE = "s" * 43
VERIFIER = "v" * 43


def request(**changed: object) -> AuthorizationRequest:
    values: dict[str, Any] = {
        "server": BITBUCKET_CLOUD,
        "client": Client("id", "s3cret"),
        "redirect_uri": HERE,
        "state": STATE,
        "code_verifier": VERIFIER,
    }
    values.update(changed)
    return AuthorizationRequest(**values)


def back(here: str = HERE, state: str | None = STATE, **answer: str) -> str:
    return f"{here}?{urlencode(answer if state is None else answer | {'state': state})}"


def back_in_fragment(here: str = HERE, **answer: str) -> str:
    return f"{here}#{urlencode({'state': STATE} | answer)}"


def refusal(callback_url: str, **changed: object) -> str:
    with pytest.raises(CallbackError) as caught:
        request(**changed).judge(callback_url)
    assert not caught.value.retryable
    return str(caught.value)


class TestUrl:
    def test_it_has_the_parameters_of_the_rfc_and_pkce(self) -> None:
        url = request(scope={"repository", "account"}).url
        assert url.startswith("https://bitbucket.org/site/oauth2/authorize?")
        assert parse_qsl(urlsplit(url).query, strict_parsing=True) == [
            ("response_type", "code"),
            ("client_id", "id"),
            ("redirect_uri", HERE),
            ("scope", "account repository"),
            ("state", STATE),
            ("code_challenge", code_challenge(VERIFIER)),
            ("code_challenge_method", "S256"),
        ]
        assert "account%20repository" in url

    def test_omitted_parameters_are_not_sent(self) -> None:
        url = request(redirect_uri=None, code_verifier=None).url
        assert parse_qs(urlsplit(url).query) == {"response_type": ["code"], "client_id": ["id"], "state": [STATE]}

    def test_implicit_has_no_pkce(self) -> None:
        implicit = request(response_type="token")
        assert implicit.code_verifier is None
        assert "response_type=token&" in implicit.url
        assert "code_challenge" not in implicit.url

    def test_path_and_query_of_the_endpoint_are_kept(self) -> None:
        server = AuthorizationServer(
            authorization_endpoint="https://a.example/x/authorize?tenant=a%20b#y",
            token_endpoint="https://a.example/token",
            api_origins=frozenset(),
        )
        url = request(server=server, redirect_uri=None, code_verifier=None).url
        assert url == f"https://a.example/x/authorize?tenant=a%20b&response_type=code&client_id=id&state={STATE}"

    @pytest.mark.parametrize("query", ["state=x", "client_id=", "scope=a&response_type=code"])
    def test_an_endpoint_whose_query_has_our_parameters_is_refused(self, query: str) -> None:
        server = AuthorizationServer(
            authorization_endpoint=f"https://a.example/authorize?{query}",
            token_endpoint="https://a.example/token",
            api_origins=frozenset(),
        )
        with pytest.raises(ConfigurationError) as caught:
            request(server=server, scope={"a"})
        names = ", ".join(sorted(parse_qs(query, keep_blank_values=True)))
        expected = f"authorization_endpoint already has {names} in its query; remove it there."
        assert str(caught.value) == expected

    def test_r11_the_secret_and_the_verifier_are_not_in_it(self) -> None:
        assert "s3cret" not in request().url
        assert VERIFIER not in request().url

    def test_text_is_encoded(self) -> None:
        url = request(client=Client("a&b=ü c", "s")).url
        assert f"client_id={quote('a&b=ü c')}&" in url


class TestValue:
    def test_each_login_has_its_own_state_and_verifier_of_256_bits(self) -> None:
        logins = [AuthorizationRequest(server=BITBUCKET_CLOUD, client=Client("id")) for _ in range(20)]
        assert len({login.state for login in logins} | {login.code_verifier for login in logins}) == 40
        assert all(len(login.state) == 43 for login in logins)

    def test_r11_a_repr_shows_neither_state_nor_verifier_nor_secret(self) -> None:
        shown = repr(request(state="s3cret-state", code_verifier="s3cret" * 8))
        assert "s3cret" not in shown
        assert "app.example" in shown

    @pytest.mark.parametrize("scope", [{"a", "b"}, frozenset({"a", "b"}), ["a", "b"], "b a"])
    def test_a_scope_is_accepted_in_any_form(self, scope: object) -> None:
        assert request(scope=scope).scope == frozenset({"a", "b"})
        assert isinstance(request(scope=scope).scope, frozenset)

    def test_commas_in_a_scope_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="separate scopes by space"):
            request(scope={"account,repository"})

    def test_it_can_be_pickled_until_the_callback_arrives(self) -> None:
        assert pickle.loads(pickle.dumps(request())) == request()  # noqa: S301  - our own bytes

    @pytest.mark.parametrize("state", ["", "  ", "é", "a\nb"])
    def test_an_empty_or_unprintable_state_is_refused(self, state: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            request(state=state)
        assert str(caught.value) == "state: expected unguessable, printable ASCII text."

    def test_a_state_may_have_spaces(self) -> None:
        assert request(state="a b").judge(back(state="a b", code="c")).code == "c"

    def test_an_unknown_response_type_is_refused(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            request(response_type="id_token")
        assert str(caught.value) == "response_type 'id_token' is unknown: use code or token."

    def test_a_verifier_that_the_rfc_forbids_is_refused_at_once(self) -> None:
        with pytest.raises(ConfigurationError, match=r"^code_verifier: "):
            request(code_verifier="short")

    @pytest.mark.parametrize(
        "redirect_uri",
        [
            "",
            "/callback",
            "app.example/callback",
            "//app.example/callback",
            "https://",
            "https:///callback",
            "http:///callback",
            "http://:80/callback",
            "https://:443/callback",
            "https://app.example/callback#",
            "https://app.example/callback#x",
            "https://app.example/call back",
            "https://app.example/ä",
            "https://app.example:0/callback",
            "https://app.example:99999/callback",
            "https://[::1/callback",
            "myapp:",
        ],
    )
    def test_a_redirect_uri_must_be_an_absolute_url_without_fragment(self, redirect_uri: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            request(redirect_uri=redirect_uri)
        said = "redirect_uri: expected an absolute URL without fragment (RFC 6749 section 3.1.2)."
        assert str(caught.value) == said

    @pytest.mark.parametrize(
        "redirect_uri",
        [
            "http://127.0.0.1:31415/cb",
            "http://localhost",
            "https://a.example/cb?x=1",
            "myapp:/cb",
            "com.example.app:cb",
            "x://y",
        ],
    )
    def test_these_redirect_uris_are_valid(self, redirect_uri: str) -> None:
        assert request(redirect_uri=redirect_uri).redirect_uri == redirect_uri


class TestJudge:
    def test_a_valid_callback_gives_a_code_ready_for_exchange(self) -> None:
        code = request(scope={"account"}).judge(back(code="the-code"))
        assert code == AuthorizationCode("the-code", HERE, VERIFIER, frozenset({"account"}))

    def test_parameters_that_were_not_sent_are_not_exchanged(self) -> None:
        code = request(redirect_uri=None, code_verifier=None).judge(back("http://anywhere.example/x", code="c"))
        assert code == AuthorizationCode("c", None, None)

    def test_unknown_parameters_and_a_foreign_fragment_are_ignored(self) -> None:
        assert request().judge(back(code="c", session="1", blank="") + "#_=_").code == "c"

    def test_a_code_may_be_long_and_of_any_visible_characters(self) -> None:
        code = "".join(map(chr, range(0x20, 0x7F))) + "c" * 6000
        assert request().judge(back(code=code)).code == code

    @pytest.mark.parametrize(
        "url",
        [
            back(state="x" * 43, code="c"),
            back(state="x" * 43, error="access_denied"),
            back(state=STATE + "s", code="c"),
            back(state=STATE[:-1], code="c"),
            back(state="é", code="c"),
            back("https://evil.example/", state="x", code="c"),
            f"{HERE}?state=%ED%A0%80&code=c",
            f"{HERE}?state=\ud800&code=c",
        ],
    )
    def test_a_foreign_state_is_refused_before_anything_else_is_used(self, url: str) -> None:
        assert refusal(url) == "The callback's state belongs to another login; start the login again."

    @pytest.mark.parametrize(
        "url",
        [
            back(state=None, code="c"),
            back(state=None, error="access_denied"),
            back(state="", code="c"),
            back(code="c") + f"&state={STATE}",
            back(code="c") + "&state=x",
            back_in_fragment(code="c"),
        ],
    )
    def test_a_state_must_occur_exactly_once(self, url: str) -> None:
        said = "The callback's state does not occur exactly once in the query; start the login again."
        assert refusal(url) == said

    def test_a_state_is_compared_in_constant_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[tuple[bytes, bytes]] = []

        def compare(found: bytes, expected: bytes) -> bool:
            compared.append((found, expected))
            return found == expected

        monkeypatch.setattr(hmac, "compare_digest", compare)
        request().judge(back(code="c"))
        assert compared == [(STATE.encode(), STATE.encode())]

    @pytest.mark.parametrize(
        "here",
        [
            "http://app.example/callback",
            "https://app.example.evil.example/callback",
            "https://evil.example/callback",
            "https://app.example:8443/callback",
            "https://app.example/",
            "https://app.example/callback/",
            "https://app.example/Callback",
        ],
    )
    def test_a_callback_at_another_url_is_refused(self, here: str) -> None:
        said = f"The callback URL does not match {HERE}; give the URL that the browser shows."
        assert refusal(back(here, code="c")) == said

    @pytest.mark.parametrize(
        "redirect_uri, here",
        [
            (HERE, "HTTPS://APP.example:443/callback"),
            ("https://app.example:443/callback", HERE),
            ("http://localhost:80", "http://localhost/"),
            ("https://app.example/callback?x=1", HERE),
            ("myapp:/cb", "myapp:/cb"),
        ],
    )
    def test_the_same_url_in_another_spelling_is_accepted(self, redirect_uri: str, here: str) -> None:
        assert request(redirect_uri=redirect_uri).judge(back(here, code="c")).code == "c"

    @pytest.mark.parametrize(
        "url",
        [
            back(code="c") + "&code=d",
            back(code="c") + "&code=c",
            back(code="c") + "&x=1&x=2",
            back(code="c") + "#access_token=t",
            back(code="c") + f"#state={STATE}",
            back(code="c") + "#error=access_denied",
            back(code="c") + "#code=",
            back(error="access_denied") + "&error=x",
        ],
    )
    def test_repeated_or_split_parameters_are_refused(self, url: str) -> None:
        said = "The callback repeats a parameter, or has response parameters in its fragment."
        assert refusal(url) == said

    @pytest.mark.parametrize("answer", [{}, {"code": ""}, {"code": "a\r\nb"}, {"code": "é"}, {"code": "\x7f"}])
    def test_a_callback_without_a_valid_code_is_refused(self, answer: dict[str, str]) -> None:
        assert refusal(back(**answer)) == "The callback contains no valid code."

    def test_a_no_is_an_error_of_its_own(self) -> None:
        with pytest.raises(AccessDeniedError) as caught:
            request().judge(back(error="access_denied", error_description="The user said no"))
        assert (caught.value.error, caught.value.description) == ("access_denied", "The user said no")
        assert str(caught.value) == "The authorization server answered 'access_denied': The user said no"

    @pytest.mark.parametrize("code", ["invalid_scope", "server_error", "access_denied_not"])
    def test_other_errors_are_raised_unchanged(self, code: str) -> None:
        with pytest.raises(AuthorizationError) as caught:
            request().judge(back(error=code))
        assert type(caught.value) is AuthorizationError
        assert (caught.value.error, caught.value.description) == (code, None)

    def test_an_invalid_scope_error_says_which_scopes_to_request(self) -> None:
        with pytest.raises(
            AuthorizationError, match=r"'invalid_scope': No such scope\. Request only scopes that the OAuth con"
        ):
            request().judge(back(error="invalid_scope", error_description="No such scope."))

    @pytest.mark.parametrize(
        "answer",
        [
            {"error": "x", "code": "c"},
            {"error": "x", "access_token": "t"},
            {"error": ""},
            {"error": " "},
            {"error": "", "code": "c"},
        ],
    )
    def test_an_error_with_a_grant_or_without_a_name_is_refused(self, answer: dict[str, str]) -> None:
        assert refusal(back(**answer)) == "The callback contains both an error and a grant, or an error without a name."

    def test_r11_an_error_shows_nothing_that_may_be_a_secret(self) -> None:
        with pytest.raises(AuthorizationError) as caught:
            request().judge(back(error=f"x {'9' * 20}", error_description=f"bad\n{'z9' * 20}"))
        assert caught.value.error == "x [redacted]"
        assert caught.value.description == "bad [redacted]"

    def test_a_huge_callback_is_refused_unread(self) -> None:
        longest = back(code="c") + "&x="
        longest += "x" * (LONGEST_CALLBACK - len(longest))
        assert request().judge(longest).code == "c"
        assert refusal(longest + "x") == "The callback is longer than 65536 characters."

    @pytest.mark.parametrize(
        "url", ["https://[::1/?", "https://app.example:x/callback?", "https://app.example:0/callback?"]
    )
    def test_an_invalid_url_is_refused(self, url: str) -> None:
        with pytest.raises(CallbackError) as caught:
            request().judge(f"{url}code=s3cret")
        assert str(caught.value) == "The callback is not a URL: give the full URL that the browser went to."
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("url", [None, "", " ", "abc", "https://app.example/callback"])
    def test_a_callback_without_parameters_is_refused_with_advice(self, url: Any) -> None:  # noqa: ANN401 - not only text
        with pytest.raises(CallbackError, match="give the full URL that the browser went to"):
            request().judge(url)

    def test_an_implicit_request_needs_judge_implicit(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            request(response_type="token").judge(back(code="c"))
        assert str(caught.value) == "This request has response_type=token: call judge_implicit()."


class TestJudgeImplicit:
    def judge(self, url: str, **changed: object) -> Token:
        return request(response_type="token", **changed).judge_implicit(url, received_at=1000.0)

    def refusal(self, url: str) -> str:
        with pytest.raises(CallbackError) as caught:
            self.judge(url)
        return str(caught.value)

    def test_a_valid_callback_gives_a_token(self) -> None:
        url = back_in_fragment(access_token="at", token_type="bearer", expires_in="3600", scope="account email")
        assert self.judge(url) == Token(
            access_token="at", issued_at=1000.0, expires_at=4600.0, scope=frozenset({"account", "email"})
        )

    def test_the_requested_scope_applies_if_the_response_names_none(self) -> None:
        assert self.judge(back_in_fragment(access_token="at"), scope={"account"}).scope == frozenset({"account"})
        assert self.judge(back_in_fragment(access_token="at", scope="email"), scope={"account"}).scope == frozenset(
            {"email"}
        )
        assert self.judge(back_in_fragment(access_token="at")).scope is None

    def test_a_refresh_token_is_ignored(self) -> None:
        assert self.judge(back_in_fragment(access_token="at", refresh_token="planted")).refresh_token is None

    def test_a_state_in_the_query_does_not_count(self) -> None:
        said = "The callback's state does not occur exactly once in the fragment; start the login again."
        assert self.refusal(back(access_token="at")) == said

    @pytest.mark.parametrize("query", ["access_token=t", "code=c", "error=x", f"state={STATE}"])
    def test_response_parameters_in_the_query_are_refused(self, query: str) -> None:
        said = "The callback repeats a parameter, or has response parameters in its query."
        assert self.refusal(back_in_fragment(f"{HERE}?{query}", access_token="at")) == said

    def test_another_address_is_refused(self) -> None:
        assert "does not match" in self.refusal(back_in_fragment("https://evil.example/", access_token="at"))

    @pytest.mark.parametrize("answer", [{}, {"access_token": ""}, {"access_token": "s3cret s3cret"}])
    def test_a_callback_without_a_valid_token_is_refused(self, answer: dict[str, str]) -> None:
        said = self.refusal(back_in_fragment(**answer))
        assert said.startswith("The callback contains no valid token. access_token: expected printable ASCII")
        assert "s3cret" not in said

    def test_a_no_is_an_error_of_its_own(self) -> None:
        with pytest.raises(AccessDeniedError):
            self.judge(back_in_fragment(error="access_denied"))

    def test_a_code_request_needs_judge(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            request().judge_implicit(back_in_fragment(access_token="at"), received_at=0.0)
        assert str(caught.value) == "This request has response_type=code: call judge()."


PARTS = st.sampled_from(["state", "code", "error", "error_description", "access_token", "x"])
VALUES = st.just(STATE) | st.text(max_size=12)
PAIRS = st.lists(st.tuples(PARTS, VALUES), max_size=5).map(urlencode)
PLACES = st.sampled_from([HERE, "https://evil.example/", "", "https://[", "x:"])


class TestIssuer:
    """RFC 9207: the server names itself, so that no other server can answer for it."""

    SERVER = replace(BITBUCKET_CLOUD, issuer="https://as.example")

    def test_a_callback_of_that_server_is_accepted(self) -> None:
        assert request(server=self.SERVER).judge(back(code="c", iss="https://as.example")).code == "c"

    @pytest.mark.parametrize("iss", [{}, {"iss": ""}, {"iss": "https://evil.example"}, {"iss": "https://as.example/"}])
    def test_a_callback_of_another_server_is_refused(self, iss: dict[str, str]) -> None:
        assert "https://as.example" in refusal(back(code="c", **iss), server=self.SERVER)

    def test_an_error_of_another_server_is_refused_too(self) -> None:
        refusal(back(error="access_denied", iss="https://evil.example"), server=self.SERVER)

    def test_a_server_without_a_known_issuer_need_not_send_one(self) -> None:
        assert request().judge(back(code="c", iss="https://as.example")).code == "c"


def judgement(callback_url: str) -> AuthorizationCode | BitbucketAuthError:
    try:
        return request().judge(callback_url)
    except BitbucketAuthError as error:
        return error


@given(place=PLACES, query=PAIRS | st.text(max_size=30), fragment=PAIRS | st.text(max_size=30))
def test_every_callback_gives_our_code_or_one_of_our_errors(place: str, query: str, fragment: str) -> None:
    url = f"{place}?{query}#{fragment}"
    outcome = judgement(url)
    if isinstance(outcome, BitbucketAuthError):
        assert STATE not in str(outcome)
    else:
        assert ("state", STATE) in parse_qsl(urlsplit(url).query)
        assert ("code", outcome.code) in parse_qsl(urlsplit(url).query)
