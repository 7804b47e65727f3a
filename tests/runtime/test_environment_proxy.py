import pytest

from bitbucket_auth_async.runtime.environment_proxy import environment_proxy


@pytest.mark.parametrize(
    "url, expected",
    [
        ("https://api.bitbucket.org/2.0", "http://proxy.test:3128"),
        ("http://127.0.0.1:8000/", "http://plain.test"),
        ("https://inside.test/", None),
        ("https://user@inside.test/", None),
        ("ftp://api.bitbucket.org/", None),
    ],
)
def test_the_environment_sets_the_proxy_by_scheme_and_host(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: str | None
) -> None:
    for name in ("https_proxy", "http_proxy", "no_proxy", "all_proxy", "ftp_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.test:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://plain.test")
    monkeypatch.setenv("NO_PROXY", "inside.test")
    assert environment_proxy(url) == expected
