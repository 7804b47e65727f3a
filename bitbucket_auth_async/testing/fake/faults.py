"""Faults for FakeBitbucket.inject: failures of the network and of Bitbucket's front end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.testing.fake.responses import JSON, api_error, page

__all__ = [
    "Fault",
    "body",
    "empty",
    "garbage",
    "gigantic",
    "hold",
    "html",
    "latency",
    "reset",
    "status",
    "truncated",
    "unreachable",
    "wrong_charset",
]

_OK = Response(status=200, headers={"content-type": JSON}, body=b'{"access_token": "never issued"}')


def _unchanged(real: Response | None) -> Response:
    return real or _OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failure of one request; create it with a function of this module."""

    name: str
    processed: bool = True
    """The request takes effect, even if the caller sees a failure."""
    change: Callable[[Response | None], Response] = field(default=_unchanged, repr=False)
    """Turns the real response, or None if the request was not processed, into the response that is sent."""
    drops: bool = False
    """The connection is closed without a response."""
    cut: bool = False
    """The connection is closed after half of the response."""
    connects: bool = True
    """False if the connection can't be opened."""
    seconds: float = 0.0
    """Seconds for which the response is held."""
    held: bool = False
    """The response is held until `Injection.release`."""
    late: bool = False
    """The request takes effect only when the response is released."""


def status(code: int, *, retry_after: float | str | None = None, body: bytes | None = None) -> Fault:
    """Respond with a status such as 429 or 503; the request has no effect."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after}"}

    def change(_: Response | None) -> Response:
        if body is not None:
            return Response(status=code, headers={"content-type": JSON, **headers}, body=body)
        text = "Rate limit for this resource has been exceeded." if code == 429 else "Something went wrong."  # noqa: PLR2004  - RFC 6585 section 4
        return api_error(code, text, headers=headers)

    return Fault(name=f"status {code}", processed=False, change=change)


def latency(seconds: float, *, late: bool = False, then: Fault | None = None) -> Fault:
    """Delay the response by *seconds*; with *late* the request also takes effect only then."""
    return replace(then or _PLAIN, name=_named(f"latency {seconds:g} s", then), seconds=seconds, late=late)


def hold(*, late: bool = False, then: Fault | None = None) -> Fault:
    """Hold the response until `Injection.release`; with *late* the request also takes effect only then."""
    return replace(then or _PLAIN, name=_named("hold", then), held=True, late=late)


def reset(*, processed: bool) -> Fault:
    """Close the connection without a response, after or before the request took effect."""
    return Fault(name=f"reset {'after' if processed else 'before'}", processed=processed, drops=True)


def unreachable() -> Fault:
    """Refuse the connection; on a real port this is a reset before the request took effect."""
    return Fault(name="unreachable", processed=False, drops=True, connects=False)


def truncated(*, framed: bool = False) -> Fault:
    """Send half of the response, then close; with *framed* the half is a complete HTTP message."""
    if not framed:
        return Fault(name="truncated", cut=True)
    return Fault(name="truncated JSON", change=lambda real: _half(real or _OK))


def html(code: int = 200, *, processed: bool = False) -> Fault:
    """Respond with an HTML page instead of JSON."""
    return Fault(
        name="html",
        processed=processed,
        change=lambda _: page("Bitbucket", "We are having a moment.", status=code),
    )


def garbage(*, processed: bool = True) -> Fault:
    """Respond 200 with bytes that are not JSON."""
    return _body("garbage", b"\x00\xff\xfe{]garbage", processed=processed)


def empty(*, processed: bool = True) -> Fault:
    """Respond 200 without a body."""
    return _body("empty", b"", processed=processed)


def gigantic(size: int = 8 * 1024 * 1024, *, processed: bool = True) -> Fault:
    """Respond 200 with a JSON string of *size* bytes."""
    return _body("gigantic", b'"' + b"x" * (size - 2) + b'"', processed=processed)


def wrong_charset(charset: str = "utf-16") -> Fault:
    """Send the real response in *charset*, labelled as UTF-8."""

    def change(real: Response | None) -> Response:
        real = real or _OK
        headers = {**real.headers, "content-type": "application/json; charset=utf-8"}
        return Response(status=real.status, headers=headers, body=real.body.decode().encode(charset))

    return Fault(name=f"charset {charset}", change=change)


def body(content: bytes, *, content_type: str = JSON, code: int = 200, processed: bool = True) -> Fault:
    """Respond with exactly these bytes."""
    return _body("body", content, content_type=content_type, code=code, processed=processed)


_PLAIN = Fault(name="none")


def _named(name: str, then: Fault | None) -> str:
    return name if then is None else f"{name}, then {then.name}"


def _half(real: Response) -> Response:
    return Response(status=real.status, headers=real.headers, body=real.body[: len(real.body) // 2])


def _body(name: str, content: bytes, *, processed: bool, content_type: str = JSON, code: int = 200) -> Fault:
    response = Response(status=code, headers={"content-type": content_type}, body=content)
    return Fault(name=name, processed=processed, change=lambda _: response)
