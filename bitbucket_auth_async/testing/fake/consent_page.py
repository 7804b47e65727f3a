"""consent_page: the page on which a person grants or denies access."""

from collections.abc import Iterable, Mapping
from html import escape

from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.testing.fake.authorization_endpoint import ConsentRequest
from bitbucket_auth_async.testing.fake.registry import Person
from bitbucket_auth_async.testing.fake.responses import HTML

_STYLE = """
:root { color-scheme: light dark; --ink: #172b4d; --paper: #fff; --ground: #f4f5f7; --line: #dfe1e6; --blue: #0052cc;
  --on-blue: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dee4ea; --paper: #22272b; --ground: #161a1d; --line: #38414a; --blue: #579dff;
    --on-blue: #1d2125 }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
       background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: min(26rem, 100%); padding: 2rem; background: var(--paper);
       border: 1px solid var(--line); border-radius: .75rem; box-shadow: 0 8px 24px rgb(9 30 66 / 12%) }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.3 }
code { overflow-wrap: anywhere }
fieldset { margin: 1rem 0; padding: 0; border: 0 }
legend { padding: 0; font-weight: 600 }
label { display: block; padding: .25rem 0 }
ul { margin: .25rem 0 1.5rem; padding-left: 1.25rem }
.choice { display: flex; gap: .75rem; justify-content: flex-end }
button { padding: .6rem 1.2rem; border: 1px solid var(--line); border-radius: .4rem;
         background: none; color: inherit; font: inherit; cursor: pointer }
button[value=allow] { background: var(--blue); border-color: var(--blue); color: var(--on-blue); font-weight: 600 }
button:focus-visible, input:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px }
small { display: block; margin-top: 1.25rem; opacity: .75 }
"""

_HEADERS = {
    "content-type": HTML,
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def consent_page(request: ConsentRequest, persons: Iterable[Person], params: Mapping[str, str]) -> Response:
    """Return the page; its form repeats *params* and needs no script."""
    client = escape(request.client.client_id)
    people = "".join(
        f'<label><input type="radio" name="person" value="{escape(person.username)}"{"" if number else " checked"}> '
        f"{escape(person.display_name)}</label>"
        for number, person in enumerate(persons)
    )
    scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in sorted(request.scope))
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in params.items()
    )
    body = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Confirm access to your account</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Grant access to your account?</h1>
<p>The client <code>{client}</code> requests access on your behalf.</p>
<form method="post">
{hidden}
<fieldset><legend>You are</legend>{people}</fieldset>
<strong>Requested scopes</strong>
<ul>{scopes}</ul>
<div class="choice">
<button name="decision" value="deny">Cancel</button>
<button name="decision" value="allow">Grant access</button>
</div>
</form>
<small>This is a fake Bitbucket for tests. Nothing here leaves this machine.</small>
</main>
</body>
</html>
"""
    return Response(status=200, headers=_HEADERS, body=body.encode())
