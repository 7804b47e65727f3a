"""Which requests come from a page of this site."""

import pytest

from bitbucket_auth_async.web.http_messages import BrowserRequest
from bitbucket_auth_async.web.same_origin import is_cross_origin, is_same_origin

OURS = "https://my-app.example"


@pytest.mark.parametrize(
    "headers, ours, foreign",
    [
        ({"sec-fetch-site": "same-origin"}, True, False),
        ({"sec-fetch-site": "same-site", "origin": OURS}, False, True),
        ({"sec-fetch-site": "cross-site", "origin": OURS}, False, True),
        ({"sec-fetch-site": "none"}, False, False),
        ({"origin": OURS}, True, False),
        ({"origin": "https://evil.example"}, False, True),
        ({"origin": "null"}, False, True),
        ({}, False, False),
    ],
)
def test_the_origin_of_a_request_is_recognized(headers: dict[str, str], ours: bool, foreign: bool) -> None:  # noqa: FBT001 - a table
    request = BrowserRequest(method="POST", origin=OURS, path="/", headers=headers)
    assert is_same_origin(request, OURS) is ours
    assert is_cross_origin(request, OURS) is foreign
