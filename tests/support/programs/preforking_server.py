"""A server that makes a manager, forks, and uses the manager in each child, as with preloading.

Arguments: the file of the store, the fake's base URL, client id and secret, the number of children, and how the
manager is used before the fork: not at all, in a loop that is closed by then (`closed`), or in one that still runs
(`running`).
"""

import asyncio
import os
import sys
from hashlib import sha256

from bitbucket_auth_async import AuthorizationServer, BitbucketAuthError, Client, TokenManager
from bitbucket_auth_async.stores.file import FileStore


async def fifty_callers(manager: TokenManager) -> None:
    """Let fifty callers ask at once, and print the hashes of their tokens, or the error."""
    try:
        tokens = await asyncio.gather(*(manager.get_token() for _ in range(50)))
    except BitbucketAuthError as error:
        write_line(f"{type(error).__name__}: {error}")
        return
    write_line(" ".join({sha256(token.access_token.encode()).hexdigest() for token in tokens}))
    await manager.aclose()


def write_line(line: str) -> None:
    """Write a line in one system call, so that lines of several children do not mix."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def fork_and_use(manager: TokenManager, children: int) -> None:
    """Let each child use the manager in a loop of its own, and wait for all children."""
    pids: list[int] = []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            asyncio.run(fifty_callers(manager))
            os._exit(0)  # so that it does not run on in the code of the parent
        pids.append(pid)
    for pid in pids:
        _, status = os.waitpid(pid, 0)
        if status:
            sys.exit(f"a child ended with {status}")


async def use_and_fork(manager: TokenManager, children: int) -> None:
    """Fork while the event loop of the manager runs."""
    async with manager:
        fork_and_use(manager, children)


async def look(manager: TokenManager) -> None:
    """Bind the manager to this loop."""
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
    fork_and_use(manager, int(children))


if __name__ == "__main__":
    main()
