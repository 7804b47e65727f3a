"""Controls a fake Bitbucket that runs in another process."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

from bitbucket_auth_async import AuthorizationServer, Client
from bitbucket_auth_async.testing.fake.registry import CLIENT_ID, CLIENT_SECRET

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """The tokens of a sign-in, which may be some time ago."""

    access_token: str
    refresh_token: str
    issued_at: float
    expires_at: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for another process."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One fake Bitbucket in another process. Each call blocks for one or two milliseconds."""

    control: int
    number: int
    url: str
    grace: float
    client: Client = field(default=Client(CLIENT_ID, CLIENT_SECRET), repr=False)

    @property
    def token_endpoint(self) -> str:
        return f"{self.url}/site/oauth2/access_token"

    @property
    def authorization_endpoint(self) -> str:
        return f"{self.url}/site/oauth2/authorize"

    @property
    def api(self) -> str:
        return f"{self.url}/2.0/user"

    @property
    def server(self) -> AuthorizationServer:
        return AuthorizationServer(
            authorization_endpoint=self.authorization_endpoint,
            token_endpoint=self.token_endpoint,
            api_origins=frozenset({self.url}),
            reuse_grace=self.grace,
        )

    def sign_in(self, *, left: float = 3600.0) -> SignIn:
        """Sign a person in; the access token is valid for *left* more seconds of an hour."""
        return SignIn(**self._call("sign_in", left=left))

    def inject(self, fault: str, *, times: int | None = None, **details: float | bool) -> None:
        """Let the next *times* token requests meet a fault, which replaces any earlier one."""
        self._call("inject", fault=fault, times=times, **details)

    def clear_faults(self) -> None:
        """End all faults: the token endpoint answers immediately."""
        self._call("clear_faults")

    def requests(self) -> dict[str, int]:
        """Return the number of token `requests`, and of those that presented a refresh token `again`."""
        return dict(self._call("requests"))

    def until_spent(self) -> None:
        """Wait until a refresh token has been presented."""
        self._call("until_spent")

    def survives(self, refresh_token: str | None) -> bool:
        """Return whether a refresh token will still work after the grace period of a possible use."""
        return refresh_token is not None and bool(self._call("survives", refresh_token=refresh_token))

    def expiries(self) -> dict[str, float]:
        """Return the expiry of each access token that was ever issued."""
        return dict(self._call("expiries"))

    def to_json(self) -> str:
        """Return the text from which another process makes the same World."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "client"})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the World that another process has opened."""
        return cls(**json.loads(text))

    def _call(self, verb: str, **details: Any) -> Any:  # noqa: ANN401 - JSON
        return call(self.control, verb, world=self.number, **details)


def call(control: int, verb: str, **details: Any) -> Any:  # noqa: ANN401 - JSON
    """Send a request to the process of the fakes."""
    url = f"http://127.0.0.1:{control}/{verb}"
    request = Request(url, data=json.dumps(details).encode(), headers={"content-type": "application/json"})
    with urlopen(request, timeout=60) as response:  # noqa: S310 - our own address
        return json.loads(response.read())


@contextmanager
def fakes() -> Generator[int]:
    """Run the process of the fakes, and yield its control port."""
    words = [sys.executable, "-m", "benchmarks.peers.fake"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


@contextmanager
def opened(control: int, *, strict: bool = False, grace: float = 600.0, latency: float = 0.05) -> Generator[World]:
    """Open a fake Bitbucket, and close it at the end of the block.

    Args:
        control: The control port of the process of the fakes.
        strict: A second use of a refresh token revokes its sign-in; otherwise it works for *grace* more seconds.
        grace: Seconds; Bitbucket gives ten minutes.
        latency: Seconds that the token endpoint takes.
    """
    found = call(control, "open", strict=strict, grace=grace, latency=latency)
    world = World(control=control, **found)
    try:
        yield world
    finally:
        call(control, "close", world=world.number)
