"""Checks that a page of this site made a request: the defence against cross-site request forgery."""

from bitbucket_auth_async.web.http_messages import BrowserRequest


def is_same_origin(request: BrowserRequest, origin: str) -> bool:
    """Return whether a page of *origin* made this request; false if no header says so. For requests that change state.

    Every current browser sends `Sec-Fetch-Site` or `Origin` with such a request, and no page can forge them.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("origin") == origin


def is_cross_origin(request: BrowserRequest, origin: str) -> bool:
    """Return whether a page of another origin made this request; false if no header says so. For read requests."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"cross-site", "same-site"}
    return request.headers.get("origin") not in {None, origin}
