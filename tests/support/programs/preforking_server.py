"""A server with preloading, run as a program: it makes a manager, forks, and each child uses it.

Arguments: the file of the store, the fake's base URL, client id and secret, the number of children, and how the
manager was used before the fork: not at all, in a loop that is closed by then, or in one that still runs.
"""

import asyncio
import os
import sys
from hashlib import sha256

from bitbucket_auth_async import AuthorizationServer, BitbucketAuthError, Client, TokenManager
from bitbucket_auth_async.stores.file import FileStore


async def fifty_callers(manager: TokenManager) -> None:
    """Let them all ask, and print what they got."""
    try:
        tokens = await asyncio.gather(*(manager.get_token() for _ in range(50)))
    except BitbucketAuthError as error:
        say(f"{type(error).__name__}: {error}")
        return
    say(" ".join({sha256(token.access_token.encode()).hexdigest() for token in tokens}))
    await manager.aclose()


def say(line: str) -> None:
    """Write a line at one stroke, so that those of several children do not mix."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def forked(manager: TokenManager, children: int) -> None:
    """Let each child use the manager in a loop of its own, and wait for all of them."""
    pids: list[int] = []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            asyncio.run(fifty_callers(manager))
            os._exit(0)  # not into the parent's code
        pids.append(pid)
    for pid in pids:
        _, status = os.waitpid(pid, 0)
        if status:
            sys.exit(f"a child ended with {status}")


async def use_and_fork(manager: TokenManager, children: int) -> None:
    """Fork while the loop runs in which the manager lives."""
    async with manager:
        forked(manager, children)


async def look(manager: TokenManager) -> None:
    """Use the manager, so that it belongs to this loop."""
    manager._shared.bind_to_loop()  # pyright: ignore[reportPrivateUsage]  - what any use does first


def main() -> None:
    """Do what the arguments say."""
    path, base_url, client_id, client_secret, children, before = sys.argv[1:]
    manager = TokenManager(
        Client(client_id, client_secret),
        key="alice",
        store=FileStore(path),
        server=AuthorizationServer(
            authorization_endpoint=f"{base_url}/site/oauth2/authorize",
            token_endpoint=f"{base_url}/site/oauth2/access_token",
            api_origins=frozenset({base_url}),
            reuse_grace=600,
        ),
    )
    if before == "running":
        asyncio.run(use_and_fork(manager, int(children)))
        return
    if before == "closed":
        asyncio.run(look(manager))
    forked(manager, int(children))


if __name__ == "__main__":
    main()
