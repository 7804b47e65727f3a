// The implicit grant (RFC 6749 section 4.2), start to end: three buttons, and what comes back.
"use strict";

const status = (text) => { document.getElementById("status").textContent = text; };

bitbucketAuth.createBitbucketClient({
  ...bitbucketAuthSettings, // client, authorizationEndpoint and apiOrigin: see /settings.js
  onStateMatch: () => status("Signed in. The token is in this page's memory, and nowhere else."),
  onStateMismatch: (error) => status(`Not signed in: ${error.message}`),
  onSuccess: (person) => status(`You are ${person.display_name}.`),
  onFailure: (error) => status(error.code === "access_denied" ? "You said no." : error.message),
});

document.querySelector("[data-sign-out]").addEventListener("click", () => status("Signed out of this page."));
