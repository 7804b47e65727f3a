"""The fast path of `token` and `git-credential get`: a fresh token in a file is printed at once.

It prints a token only if the manager would hand out the same token without a renewal. In any doubt, and for every
error, it leaves the command to the rest of the program. It imports as little as possible.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bitbucket_auth_async.cli.git.credential_request import CredentialRequest, git_user_for
from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.cli.terminal.output import report_system_error
from bitbucket_auth_async.errors import ConfigurationError

JsonObject = dict[str, Any]

_LEEWAY = 30.0
_AHEAD = 300.0


def try_fast_path(arguments: list[str]) -> int | None:
    """Run `token` or `git-credential get` and return the exit code; None: the rest of the program must run it."""
    if arguments[:1] not in (["token"], ["git-credential"]):
        return None
    profile_name, rest = _split_profile_option(arguments)
    if rest not in (["token"], ["git-credential", "get"]):
        return None
    found = fresh_token(profile_name)
    if found is None:
        return None
    profile, token = found
    if rest == ["token"]:
        return _write(f"{token['access_token']}\n")
    request = CredentialRequest(sys.stdin.buffer.read(), git_user_for(profile["grant_type"]))
    if not request.is_for(profile["server"]):
        return 0
    return _write(request.answer(token["access_token"], token["expires_at"]))


def fresh_token(profile_name: str | None) -> tuple[JsonObject, JsonObject] | None:
    """Return a profile and its token as JSON objects, if the token is certainly fresh."""
    try:
        found = _load_profile(profile_name)
        token = None if found is None else _load_fresh_token(*found)
    except (ConfigurationError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # the rest of the program reports it
    return None if found is None or token is None else (found[1], token)


def fresh_token_in(record: JsonObject, profile: JsonObject) -> JsonObject | None:
    """Return the token of a profile's record, all as JSON objects, if it is certainly fresh."""
    issuer, token = record["issuer"], record["token"]
    ours = (paths.token_endpoint(profile["server"]), profile["client_id"])
    theirs = (issuer["token_endpoint"], issuer["client_id"])
    if record["schema"] != 1 or record["claim"] is not None or record["signed_out"] or theirs != ours:
        return None
    if profile["grant_type"] in paths.STATIC:
        valid = issuer["grant_type"] == profile["grant_type"] and _is_valid(token, time.time())
        return token if valid else None
    if (profile["grant_type"] == "client_credentials") != (issuer["grant_type"] == "client_credentials"):
        return None
    return token if token["access_token"] and _is_fresh(token["issued_at"], token["expires_at"], time.time()) else None


def _write(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        report_system_error(error)
        return 1
    return 0


def _split_profile_option(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Return the value of `--profile`, and the other arguments."""
    name, rest, left = None, list[str](), list(arguments)
    while left:
        argument = left.pop(0)
        if argument in {"--profile", "-p"} and left:
            name = left.pop(0)
        elif argument.startswith("--profile="):
            name = argument.partition("=")[2]
        else:
            rest.append(argument)
    return name, rest


def _load_profile(name: str | None) -> tuple[str, JsonObject] | None:
    document = _load_json(paths.profiles_file())
    if document is None or document["format"] != paths.PROFILES_FORMAT or document["schema"] != paths.SCHEMA:
        return None
    wanted: str = document["default"] if name is None else name
    profile = document["profiles"].get(wanted)
    return None if profile is None else (wanted, profile)


def _load_fresh_token(name: str, profile: JsonObject) -> JsonObject | None:
    path = paths.token_file(profile["store"])
    document = None if path is None else _load_json(path)
    if document is None or document["format"] != "bitbucket-auth-async" or document["schema"] != 1:
        return None
    key = paths.record_key(name, profile["grant_type"], profile["client_id"], profile["server"])
    return fresh_token_in(document["records"][key]["record"], profile)


def _is_valid(token: JsonObject, wall: float) -> bool:
    """Tell whether a static token is well-formed and not expired; without an expiry it never expires."""
    text: str = token["access_token"]
    well_formed = bool(text) and text.isascii() and text.isprintable() and " " not in text
    return well_formed and (token["expires_at"] is None or wall < token["expires_at"])


def _is_fresh(issued_at: float, expires_at: float | None, wall: float) -> bool:
    """Tell whether no manager would renew this token yet."""
    if expires_at is None:
        return False  # the server did not say when it expires
    lifetime = expires_at - issued_at
    leeway = min(_LEEWAY, lifetime / 10)
    ahead = min(max(_AHEAD, lifetime / 10), lifetime / 2)
    return issued_at <= wall + leeway and expires_at - wall > max(ahead, leeway)


def _load_json(path: Path) -> JsonObject | None:
    """Return the content of a file; None if another user owns it or may write it."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
            return None
        document: JsonObject = json.load(file)
    return document
