"""Request and Response hide headers and body in their repr."""

from bitbucket_auth_async.oauth2.http_messages import Request, Response


def test_r11_a_request_shows_neither_headers_nor_body() -> None:
    request = Request(url="https://a.example/t", headers={"Authorization": "s3cret"}, body=b"code=s3cret")
    assert repr(request) == "Request(url='https://a.example/t', method='POST')"


def test_r11_a_response_shows_only_its_status() -> None:
    response = Response(status=200, headers={"set-cookie": "s3cret"}, body=b"s3cret")
    assert repr(response) == "Response(status=200)"


def test_a_response_may_be_empty() -> None:
    assert (Response(status=204).body, dict(Response(status=204).headers)) == (b"", {})
