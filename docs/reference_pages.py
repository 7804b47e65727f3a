"""The pages of the reference: one for each topic, with a line and an entry for each public name."""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

import typer
from sphinx.pycode import ModuleAnalyzer

from bitbucket_auth_async.bitbucket.scopes import SCOPES
from bitbucket_auth_async.cli.app import app
from docs.contents import DOCS, PACKAGE, pages_that_show, public_names


class Topic(NamedTuple):
    """One page of the reference."""

    title: str
    intro: str
    homes: tuple[str, ...]
    """Modules, or names in a module, that the page describes; the longest match wins."""


TOPICS = {
    "token-manager": Topic(
        "Token manager",
        "Caches one identity's token, renews it ahead of expiry, and shares it through a store.",
        ("manager", "renewal.timing", "runtime.clocks"),
    ),
    "clients-and-grants": Topic(
        "Clients, grants and tokens",
        "How a program proves who it is, and what it presents for a token.",
        ("oauth2", "bitbucket.client_from_env", "bitbucket.connect"),
    ),
    "servers": Topic(
        "Servers", "Where the endpoints are, and how a server treats refresh tokens.", ("oauth2.servers", "bitbucket")
    ),
    "errors": Topic(
        "Errors",
        "One tree; `retryable` says whether the same call may succeed later. The page "
        "[When it goes wrong](../../how-to/when-it-goes-wrong.md) has the cure for each.",
        ("errors",),
    ),
    "stores": Topic(
        "Stores",
        "Where tokens are kept. [Stores compared](../../explanation/stores.md) says what each guarantees.",
        ("stores", "renewal.record", "protocols.TokenStore", "protocols.Versioned"),
    ),
    "encryption": Topic(
        "Encryption", "Codecs turn a record into bytes and back, plain or encrypted.", ("codecs", "protocols.Codec")
    ),
    "bearers": Topic(
        "Bearers and transports",
        "A bearer puts the token on your HTTP client's requests; a transport sends the token requests.",
        ("bearer", "transports", "protocols", "oauth2.http_messages"),
    ),
    "api": Topic("API session", "A thin session for Bitbucket's REST API: paging, retries, typed errors.", ("api",)),
    "web": Topic("Web sign-in", "The routes that sign people in, for aiohttp, Starlette and FastAPI.", ("web",)),
    "telemetry": Topic("Telemetry", "What happened, without secrets: events, logs, OpenTelemetry.", ("telemetry",)),
    "testing": Topic(
        "Testing kit", "A fake Bitbucket, a fake clock, mocks, and suites that prove your own adapters.", ("testing",)
    ),
    "npm": Topic("The npm package's call", "`get_access_token` with the options of `bitbucket-auth`.", ("npm",)),
}


class Entry(NamedTuple):
    """One public name: where programs import it from, and the module that defines it."""

    name: str
    imported_from: str
    home: str

    @property
    def full_name(self) -> str:
        """The name under which Sphinx describes it."""
        return f"{self.home}.{self.name}"

    @property
    def value(self) -> object:
        """The class, function, module or constant itself."""
        return getattr(importlib.import_module(self.imported_from), self.name)


def entries() -> Iterator[Entry]:
    """Yield each public name once, with the shortest import that gives it."""
    seen: set[str] = set()
    for module_name, names in sorted(public_names().items(), key=lambda item: (len(item[0]), item[0])):
        module = importlib.import_module(module_name)
        homes: dict[str, str] = getattr(module, "_HOMES", {})
        for name in names:
            value = getattr(module, name)
            home = f"{module_name}.{homes[name]}" if name in homes else getattr(value, "__module__", module_name)
            entry = Entry(name, module_name, home if home.startswith(PACKAGE) else module_name)
            if entry.full_name not in seen:
                seen.add(entry.full_name)
                yield entry


def topic_of(entry: Entry) -> str:
    """Return the page that describes a name.

    Raises:
        LookupError: No topic names its module; add the module to TOPICS.
    """
    inside = entry.full_name.removeprefix(f"{PACKAGE}.")
    found = [
        (len(home), page)
        for page, topic in TOPICS.items()
        for home in topic.homes
        if f"{inside}.".startswith(f"{home}.")
    ]
    if not found:
        message = f"docs/reference_pages.py: no topic for {entry.full_name}; add its module to TOPICS."
        raise LookupError(message)
    return max(found)[1]


def pages() -> dict[str, list[str]]:
    """Return the lines of each generated page, by its file name without `.md`."""
    described: dict[str, list[Entry]] = {page: [] for page in TOPICS}
    for entry in entries():
        described[topic_of(entry)].append(entry)
    made = {page: _page(TOPICS[page], found) for page, found in described.items()}
    return {**made, "command-line": _command_line(), "scopes": _scopes()}


def _page(topic: Topic, found: list[Entry]) -> list[str]:
    lines = [f"# {topic.title}", "", topic.intro, "", "| name | gives | shown in |", "| --- | --- | --- |"]
    lines += [f"| {_link(entry)} | {_summary(entry)} | {_shown_in(entry.name)} |" for entry in found]
    for module in dict.fromkeys(entry.imported_from for entry in found):
        lines += ["", f"## from {module}", "", "```{eval-rst}"]
        for entry in (each for each in found if each.imported_from == module):
            lines += [f".. {_directive(entry.value)}:: {entry.full_name}", ""]
        lines += ["```"]
    return lines


def _link(entry: Entry) -> str:
    role = "py:mod" if inspect.ismodule(entry.value) else "py:obj"
    return f"{{{role}}}`{entry.name} <{entry.full_name}>`"


def _directive(value: object) -> str:
    if inspect.ismodule(value):
        return "automodule"
    if inspect.isclass(value):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    return "autofunction" if inspect.isroutine(value) else "autodata"


def _summary(entry: Entry) -> str:
    """Return the first sentence of a docstring, on one line of a table."""
    value = entry.value
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value):
        text = inspect.getdoc(value) or ""
    else:
        text = "\n".join(ModuleAnalyzer.for_module(entry.home).find_attr_docs().get(("", entry.name), []))
    first = re.sub(r"\s+", " ", text.split("\n\n")[0]).strip()
    return first.removeprefix(f"{entry.name}: ").replace("|", "\\|")


def _shown_in(name: str) -> str:
    links: list[str] = []
    for page in pages_that_show(name)[:2]:
        title = next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("# "))
        links.append(f"[{title.removeprefix('# ')}](../../{page.relative_to(DOCS)})")
    return ", ".join(links)


def _command_line() -> list[str]:
    """List the commands with the first line of their help."""
    lines = [
        "# Command line",
        "",
        "`bitbucket-auth COMMAND --help` has the options; [the how-to](../../how-to/command-line.md) shows their use.",
        "",
        "| command | what it does |",
        "| --- | --- |",
    ]
    group = typer.main.get_group(app)
    for name, command in group.commands.items():
        if not command.hidden:
            lines.append(f"| `bitbucket-auth {name}` | {(command.help or '').strip().splitlines()[0]} |")
    return lines


def _scopes() -> list[str]:
    """Make a table of all scopes; those that no endpoint asks for any more stand at its end."""
    lines = ["| scope | what a token with it may do | comes with |", "| --- | --- | --- |"]
    for name, scope in sorted(SCOPES.items(), key=lambda item: (not item[1].served, item[0])):
        allows = scope.allows if scope.served else f"{scope.allows} *Serves nothing any more.*"
        lines.append(f"| `{name}` | {allows} | {', '.join(f'`{other}`' for other in sorted(scope.implies))} |")
    return lines
