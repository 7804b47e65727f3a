"""The quick way of `token` and `git-credential get`: a token in a file that is surely good is handed out at once.

It answers only where the manager would hand out the very same token without renewing it; in any doubt, and for every
error, it leaves the matter to the whole program. So it knows nothing of renewals, and imports next to nothing.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bitbucket_auth_async.cli.git.credential_protocol import GitRequest, user_for
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.errors import ConfigurationError

Plain = dict[str, Any]

_LEEWAY = 30.0
_AHEAD = 300.0


def answer(words: list[str]) -> int | None:
    """Answer `token` or `git-credential get` and return the exit code; None: this is for the whole program."""
    if words[:1] not in (["token"], ["git-credential"]):
        return None
    profile_name, rest = _profile_option(words)
    if rest not in (["token"], ["git-credential", "get"]):
        return None
    found = fresh(profile_name)
    if found is None:
        return None
    profile, token = found
    if rest == ["token"]:
        return _write(f"{token['access_token']}\n")
    asked = GitRequest(sys.stdin.buffer.read(), user_for(profile["grant_type"]))
    if not asked.is_for(profile["server"]):
        return 0
    return _write(asked.answer(token["access_token"], token["expires_at"]))


def fresh(profile_name: str | None) -> tuple[Plain, Plain] | None:
    """Return a profile and its token in plain form, if that is surely fresh."""
    try:
        found = _profile(profile_name)
        token = None if found is None else _fresh_token(*found)
    except (ConfigurationError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # whatever is wrong, the whole program says it well
    return None if found is None or token is None else (found[1], token)


def _write(text: str) -> int | None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # Python would complain once more as it closes its output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # whoever asked has gone
            sys.stderr.write(f"The system refused: {error.strerror or type(error).__name__}.\n")
        return 1
    return 0


def _profile_option(words: list[str]) -> tuple[str | None, list[str]]:
    """Take `--profile NAME` or `--profile=NAME` out of the words."""
    name, rest, left = None, list[str](), list(words)
    while left:
        word = left.pop(0)
        if word in {"--profile", "-p"} and left:
            name = left.pop(0)
        elif word.startswith("--profile="):
            name = word.partition("=")[2]
        else:
            rest.append(word)
    return name, rest


def _profile(name: str | None) -> tuple[str, Plain] | None:
    document = _json(paths.profiles_file())
    if document is None or document["format"] != paths.PROFILES_FORMAT or document["schema"] != paths.SCHEMA:
        return None
    wanted: str = document["default"] if name is None else name
    profile = document["profiles"].get(wanted)
    return None if profile is None else (wanted, profile)


def _fresh_token(name: str, profile: Plain) -> Plain | None:
    path = paths.token_file(profile["store"])
    document = None if path is None else _json(path)
    if document is None or document["format"] != "bitbucket-auth-async" or document["schema"] != 1:
        return None
    key = paths.record_key(name, profile["grant_type"], profile["client_id"], profile["server"])
    return fresh_in(document["records"][key]["record"], profile)


def fresh_in(record: Plain, profile: Plain) -> Plain | None:
    """Return the token of a profile's record, all in plain form, if that is surely fresh."""
    issuer, token = record["issuer"], record["token"]
    ours = (paths.token_endpoint(profile["server"]), profile["client_id"])
    theirs = (issuer["token_endpoint"], issuer["client_id"])
    if record["schema"] != 1 or record["claim"] is not None or record["signed_out"] or theirs != ours:
        return None
    if profile["grant_type"] in paths.STATIC:
        good = issuer["grant_type"] == profile["grant_type"] and _is_good(token, time.time())
        return token if good else None
    if (profile["grant_type"] == "client_credentials") != (issuer["grant_type"] == "client_credentials"):
        return None
    return token if token["access_token"] and _is_fresh(token["issued_at"], token["expires_at"], time.time()) else None


def _is_good(token: Plain, wall: float) -> bool:
    """Tell whether a token that nobody renews is handed out: to its last second, and for ever if that is not known."""
    text: str = token["access_token"]
    fit = bool(text) and text.isascii() and text.isprintable() and " " not in text
    return fit and (token["expires_at"] is None or wall < token["expires_at"])


def _is_fresh(issued_at: float, expires_at: float | None, wall: float) -> bool:
    """Tell whether no manager would think of renewing this token yet."""
    if expires_at is None:
        return False  # nobody said until when
    lifetime = expires_at - issued_at
    leeway = min(_LEEWAY, lifetime / 10)
    ahead = min(max(_AHEAD, lifetime / 10), lifetime / 2)
    return issued_at <= wall + leeway and expires_at - wall > max(ahead, leeway)


def _json(path: Path) -> Plain | None:
    """Return what this user's own file says; None: there is none, or somebody else may have written it."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
            return None
        document: Plain = json.load(file)
    return document
