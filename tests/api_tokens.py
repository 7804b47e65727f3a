"""Persons' API tokens at the fake: Basic with the right address passes, where the fake itself knows bearers alone."""

import base64

from aiohttp import web
from aiohttp.typedefs import Handler

from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket


class ApiTokens:
    """What persons have created in their account's settings."""

    def __init__(self, fake: FakeBitbucket) -> None:
        self._fake = fake
        self.emails: dict[str, str] = {}
        """Texts of tokens, and the address that each goes with."""

    def create(self, text: str = "ATATT3x-secret", email: str = "ada@example.com") -> str:
        """Create one for Ada."""
        self.emails[text] = email
        return text

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let its request pass."""
        kind, _, pair = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic" and request.path.startswith("/2.0/"):
            email, _, text = base64.b64decode(pair).decode().partition(":")
            if self.emails.get(text) == email:
                bearer = f"Bearer {self._fake.sign_in().access_token}"
                request = request.clone(headers={**request.headers, "Authorization": bearer})
        return await handler(request)
