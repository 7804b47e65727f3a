"""Responses of the fake: JSON, errors of both surfaces, and HTML pages."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bitbucket_auth_async.oauth2.http_messages import Response

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"

_TOKEN_HEADERS = MappingProxyType({"content-type": JSON, "cache-control": "no-store", "pragma": "no-cache"})


class Refusal(Exception):  # noqa: N818  - it never leaves the fake; it becomes a response
    """The token endpoint refuses a request."""

    def __init__(self, *, error: str, description: str, status: int = 400) -> None:
        """Keep the fields of the response."""
        super().__init__(error, description)
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> Response:
        """Return the error response (RFC 6749 section 5.2)."""
        body = {"error": self.error, "error_description": self.description}
        return Response(status=self.status, headers=_TOKEN_HEADERS, body=json.dumps(body).encode())


def token_response(fields: Mapping[str, Any]) -> Response:
    """Return a token response (RFC 6749 section 5.1)."""
    return Response(status=200, headers=_TOKEN_HEADERS, body=json.dumps(fields).encode())


def api_response(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response of the REST API."""
    return Response(status=status, headers={"content-type": JSON, **(headers or {})}, body=json.dumps(value).encode())


def api_error(status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: object) -> Response:
    """Return an error response of the REST API."""
    return api_response({"type": "error", "error": {"message": message, **more}}, status=status, headers=headers)


def page(title: str, text: str, *, status: int) -> Response:
    """Return an HTML page; *title* and *text* are HTML."""
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    body = f"{head}<body><h1>{title}</h1><p>{text}</p></body></html>"
    return Response(status=status, headers={"content-type": HTML}, body=body.encode())
