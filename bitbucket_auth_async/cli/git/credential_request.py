"""Git's credential protocol (https://git-scm.com/docs/git-credential): the request and the answer to it."""

import base64
from urllib.parse import urlsplit

from bitbucket_auth_async.bitbucket.git_usernames import ACCESS_TOKEN_USERNAME, API_TOKEN_USERNAME

_LONGEST = 1024 * 1024
_AUTHTYPE = "authtype"


class CredentialRequest:
    """A request of Git's: its attributes and Git's capabilities, and the user name of our token."""

    def __init__(self, data: bytes, user: str = ACCESS_TOKEN_USERNAME) -> None:
        """Parse `name=value` lines up to the first empty line; other lines are ignored."""
        self._user = user
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
        """Tell whether Git asks for this server, and not for the user name of another kind of credential.

        Scheme, host and port must match exactly: a look-alike host, another port or plain http gets no token.
        """
        parts = urlsplit(server)
        asked = (self.attributes.get("protocol"), self.attributes.get("host", "").lower())
        others = {ACCESS_TOKEN_USERNAME, API_TOKEN_USERNAME} - {self._user}
        return asked == (parts.scheme, parts.netloc) and self.attributes.get("username") not in others

    def presents(self, access_token: str) -> bool:
        """Tell whether Git presents this token, as a password or as a Basic credential."""
        if self.attributes.get("password") is not None:
            return self.attributes["password"] == access_token
        return self.attributes.get("credential") == self._basic(access_token)

    def answer(self, access_token: str, expires_at: float | None) -> str:
        """Return the lines that give Git this token.

        If Git supports `authtype`, the credential is marked as ephemeral, so that no other helper stores it.
        """
        if _AUTHTYPE in self.capabilities:
            credential = f"credential={self._basic(access_token)}"
            lines = [f"capability[]={_AUTHTYPE}", "authtype=Basic", credential, "ephemeral=1"]
        else:
            lines = [f"username={self._user}", f"password={access_token}"]
        if expires_at is not None:
            lines.append(f"password_expiry_utc={int(expires_at)}")
        return "".join(f"{line}\n" for line in lines)

    def _basic(self, access_token: str) -> str:
        return base64.b64encode(f"{self._user}:{access_token}".encode()).decode("ascii")


def git_user_for(grant_type: str) -> str:
    """Return the user name that Bitbucket expects over Git for the token of such a profile."""
    return API_TOKEN_USERNAME if grant_type == "api_token" else ACCESS_TOKEN_USERNAME
