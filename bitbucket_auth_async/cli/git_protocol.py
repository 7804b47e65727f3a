"""Git's credential protocol (https://git-scm.com/docs/git-credential): a request read, an answer written."""

import base64
from urllib.parse import urlsplit

USER = "x-token-auth"
"""The user name under which Bitbucket takes an OAuth access token over Git."""

_LONGEST = 1024 * 1024
_REFUSED_USERS = frozenset({"x-bitbucket-api-token-auth"})
_CAPABLE = "authtype"


class GitRequest:
    """What Git said: attributes, and what it is capable of."""

    def __init__(self, data: bytes) -> None:
        """Read `name=value` lines up to the first empty one; what is no such line is left out."""
        self.attributes: dict[str, str] = {}
        self.capabilities: set[str] = set()
        for line in data[:_LONGEST].decode("utf-8", "replace").split("\n"):
            if not line:
                break
            name, equals, value = line.rstrip("\r").partition("=")
            if name == "capability[]":
                self.capabilities.add(value)
            elif equals and not name.endswith("[]"):
                self.attributes[name] = value

    def is_for(self, server: str) -> bool:
        """Tell whether Git asks for exactly this server, and for no other kind of credential.

        Host and scheme must be the very ones: a look-alike, another port or plain http gets nothing.
        """
        parts = urlsplit(server)
        asked = (self.attributes.get("protocol"), self.attributes.get("host", "").lower())
        return asked == (parts.scheme, parts.netloc) and self.attributes.get("username") not in _REFUSED_USERS

    def presents(self, access_token: str) -> bool:
        """Tell whether this token is what Git presented, in whichever form it was given."""
        if self.attributes.get("password") is not None:
            return self.attributes["password"] == access_token
        return self.attributes.get("credential") == _basic(access_token)

    def answer(self, access_token: str, expires_at: float | None) -> str:
        """Return the lines that give Git this token.

        A Git that knows `authtype` is told that the credential is ephemeral, so that no other helper stores it.
        """
        if _CAPABLE in self.capabilities:
            lines = [f"capability[]={_CAPABLE}", "authtype=Basic", f"credential={_basic(access_token)}", "ephemeral=1"]
        else:
            lines = [f"username={USER}", f"password={access_token}"]
        if expires_at is not None:
            lines.append(f"password_expiry_utc={int(expires_at)}")
        return "".join(f"{line}\n" for line in lines)


def _basic(access_token: str) -> str:
    return base64.b64encode(f"{USER}:{access_token}".encode()).decode("ascii")
