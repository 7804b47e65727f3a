// What the board shows: the person, the repositories, and how long the token is still good. No token is ever here.
"use strict";

const byId = (id) => document.getElementById(id);
const client = bitbucketAuth.createBitbucketClient({
  backend: true,
  onFailure(error) {
    const notice = byId("notice");
    notice.textContent = error.code === "login_required" ? "You have been signed out. " : `${error.message} `;
    if (error.code === "login_required") {
      const again = document.createElement("a");
      again.href = "/login";
      again.textContent = "Sign in again";
      notice.append(again);
    }
    notice.hidden = false;
  },
});

async function showPerson() {
  const person = await client.fetchResource({ resourceUrl: "/2.0/user" });
  if (person === null) return false;
  byId("name").textContent = person.display_name;
  byId("nickname").textContent = person.nickname ? `@${person.nickname}` : "";
  byId("avatar").textContent = person.display_name.slice(0, 1).toUpperCase();
  return true;
}

async function showRepositories(resourceUrl) {
  const page = await client.fetchResource({ resourceUrl });
  if (page === null) return;
  for (const repository of page.values) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const tag = document.createElement("span");
    name.textContent = repository.full_name;
    tag.className = "tag";
    tag.textContent = repository.is_private ? "private" : "public";
    row.append(name, tag);
    byId("repositories").append(row);
  }
  byId("count").textContent = page.size === undefined ? "" : `(${page.size})`;
  byId("more").hidden = page.next === undefined;
  byId("more").onclick = () => showRepositories(page.next);
}

async function showWorkspace() {
  const workspaces = await client.fetchResource({ resourceUrl: "/2.0/user/workspaces" });
  const first = workspaces?.values[0];
  if (first) await showRepositories(`/2.0/repositories/${(first.workspace ?? first).slug}?pagelen=8`);
}

let renewals = 0;

async function showToken() {
  const response = await fetch("/token", { cache: "no-store" });
  if (response.status === 401) {
    client.onFailure(new bitbucketAuth.BitbucketAuthError("login_required", ""));
    return;
  }
  if (response.ok) {
    const token = await response.json();
    const left = Math.max(0, token.expires_at - token.now);
    byId("left").textContent = left >= 100 ? `${Math.round(left / 60)} min` : `${Math.ceil(left)} s`;
    byId("ring").style.strokeDashoffset = String(100 - (100 * left) / token.lifetime);
    byId("renewals").textContent = String(token.renewals);
    if (token.renewals !== renewals) {
      renewals = token.renewals;
      byId("renewed").textContent = new Date(1000 * token.issued_at).toLocaleTimeString();
      byId("status").textContent = "Renewed; you did not have to do anything.";
    }
  }
  setTimeout(showToken, 1000);
}

showPerson().then((there) => (there ? Promise.all([showWorkspace(), showToken()]) : undefined));
