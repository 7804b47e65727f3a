/*
 * Sign-in with Bitbucket in the browser: a classic script that sets the global `bitbucketAuth` and works with a strict
 * Content-Security-Policy. With `backend` the site's own routes sign people in, and no token reaches the page. Use this
 * with Bitbucket Cloud, which since 2026 has neither the implicit grant nor PKCE for browsers. With `client` the page
 * uses the implicit grant (RFC 6749 section 4.2), for servers that still support it.
 */
(function () {
  "use strict";

  const AUTHORIZATION_ENDPOINT = "https://bitbucket.org/site/oauth2/authorize";
  const API_ORIGIN = "https://api.bitbucket.org";
  const ROUTES = { login: "/login", resource: "/resource", logout: "/logout" };
  const CALLBACK_FIELDS = [
    "access_token", "expires_in", "scope", "scopes", "state", "token_type", "error", "error_description"];
  const STATE_KEY = "bitbucket-auth-state";
  const STATE_LIFETIME = 600_000;
  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

  /** An error; `code` is a stable word for its kind, `status` the HTTP status if there is one. */
  class BitbucketAuthError extends Error {
    constructor(code, message, status) {
      super(message);
      this.name = "BitbucketAuthError";
      this.code = code;
      this.status = status;
    }
  }

  const invalid = (message) => new BitbucketAuthError("configuration", message);
  const noAnswer = () => new BitbucketAuthError("no_answer", "The server sent no usable response. Try again.");
  const isText = (value) => typeof value === "string" && value.trim() !== "";

  function absolute(name, value) {
    let url;
    try {
      url = new URL(value);
    } catch {
      throw invalid(`${name}: expected an absolute URL.`);
    }
    if (url.protocol !== "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(url.hostname)) {
      throw invalid(`${name}: expected an https URL.`);
    }
    return url;
  }

  function checkedClient(client) {
    if (typeof client !== "object" || client === null) {
      throw invalid("client: expected an object with client_id, redirect_uri and scope.");
    }
    if (!isText(client.client_id)) {
      throw invalid("client.client_id: expected the key of the OAuth consumer.");
    }
    const redirectUri = client.redirect_uri ?? client.redirect_uris?.[0];
    if (absolute("client.redirect_uri", redirectUri).hash) {
      throw invalid("client.redirect_uri: expected a URL without a fragment.");
    }
    const scope = client.scope ?? "";
    if (typeof scope !== "string" || scope.includes(",")) {
      throw invalid("client.scope: expected a string of scopes separated by spaces.");
    }
    return { client_id: client.client_id, redirect_uri: redirectUri, scope };
  }

  function checkedRoutes(backend) {
    const routes = { ...ROUTES, ...(backend === true ? {} : backend) };
    for (const [name, path] of Object.entries(routes)) {
      if (!isText(path) || new URL(path, location.href).origin !== location.origin) {
        throw invalid(`backend.${name}: expected a path of this site.`);
      }
    }
    return routes;
  }

  /** Keeps a configuration in localStorage, where every script of this site can read it. */
  class LocalStorage {
    constructor({ storage = globalThis.localStorage, storageKey = "bitbucket-auth-config" } = {}) {
      this.storage = storage;
      this.storageKey = storageKey;
    }

    async loadConfig() {
      try {
        const config = JSON.parse(this.storage.getItem(this.storageKey) ?? "{}");
        return typeof config === "object" && config !== null ? config : {};
      } catch (error) {
        if (error instanceof SyntaxError) return {}; // not written by this class; the next save replaces it
        throw error;
      }
    }

    async saveConfig(config) {
      this.storage.setItem(this.storageKey, JSON.stringify(config));
    }
  }

  class BitbucketClient {
    #token = null;

    constructor(options = {}) {
      const { client, backend, storage, stateStorage, logging = false } = options;
      if ((client === undefined) === !backend) {
        throw invalid("options: pass either client (the implicit grant) or backend (the site's own routes).");
      }
      this.options = options;
      this.routes = backend ? checkedRoutes(backend) : null;
      this.client = backend ? null : checkedClient(client);
      this.authorizationEndpoint = absolute(
        "authorizationEndpoint", options.authorizationEndpoint ?? AUTHORIZATION_ENDPOINT);
      this.apiOrigin = absolute("apiOrigin", options.apiOrigin ?? API_ORIGIN).origin;
      this.storage = storage ?? null;
      this.stateStorage = stateStorage ?? globalThis.sessionStorage;
      this.log = logging ? (...words) => console.info("bitbucket-auth:", ...words) : () => {};
      for (const name of ["onStateMatch", "onStateMismatch", "onSuccess", "onFailure"]) {
        if (typeof options[name] === "function") this[name] = options[name];
      }
    }

    /** Handle a callback, and bind the page's buttons: data-authorize, data-resource and data-sign-out. */
    async init() {
      const bind = (selector, handler) =>
        document.querySelectorAll(selector).forEach((element) => element.addEventListener("click", handler));
      bind("[data-authorize]", () => this.authorize());
      bind("[data-sign-out]", () => this.signOut());
      bind("[data-resource]", (event) => this.handleFetchResourceClick(event));
      await this.processCallback();
      return this;
    }

    /** Redirect the browser to sign in; it returns to this page, or to redirect_uri. */
    authorize() {
      if (this.routes) {
        const here = location.pathname + location.search; // the routes refuse longer paths
        this.redirect(`${this.routes.login}?return_to=${encodeURIComponent(here.length > 1024 ? "/" : here)}`);
        return;
      }
      const state = this.generateState();
      this.stateStorage.setItem(STATE_KEY, JSON.stringify({ state, since: Date.now() }));
      const url = new URL(this.authorizationEndpoint);
      const { client_id, redirect_uri, scope } = this.client;
      const params = { response_type: "token", client_id, redirect_uri, state, ...(scope ? { scope } : {}) };
      for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
      this.log("redirecting to the authorization endpoint");
      this.redirect(url.href);
    }

    /** Handle the callback in the fragment; resolves to whether it brought a token. */
    async processCallback() {
      if (this.routes || !location.hash.includes("=")) return false;
      const pairs = [...new URLSearchParams(location.hash.slice(1))].filter(([name]) => CALLBACK_FIELDS.includes(name));
      const callback = Object.fromEntries(pairs);
      if (!("state" in callback || "access_token" in callback || "error" in callback)) return false;
      // Remove the callback from address and history before anything else.
      history.replaceState(history.state, "", location.pathname + location.search);
      const expected = this.#takeState();
      if (expected === null || callback.state !== expected || pairs.length !== Object.keys(callback).length) {
        this.log("the callback has a wrong state");
        this.onStateMismatch(
          new BitbucketAuthError("state_mismatch", "The callback does not match our request. Sign in again."));
        return false;
      }
      const { state, ...rest } = callback;
      if (rest.error !== undefined) {
        this.onFailure(new BitbucketAuthError(rest.error, rest.error_description ?? "The sign-in was refused."));
        return false;
      }
      if (!isText(rest.access_token) || (rest.token_type ?? "bearer").toLowerCase() !== "bearer") {
        this.onFailure(new BitbucketAuthError("no_token", "The callback has no valid token. Sign in again."));
        return false;
      }
      const seconds = Number(rest.expires_in);
      this.#token = { ...rest, expires_at: seconds > 0 ? Date.now() + 1000 * seconds : null };
      await this.storage?.saveConfig({ ...(await this.storage.loadConfig()), token: this.#token });
      this.onStateMatch({ ...this.#token });
      return true;
    }

    /** Resolves to the token of the implicit grant; rejects once it has expired. */
    async getAccessToken() {
      if (this.routes) {
        throw invalid("getAccessToken: with a backend no token reaches the page. Use fetchResource.");
      }
      this.#token ??= (await this.storage?.loadConfig())?.token ?? null;
      const token = this.#token;
      if (!isText(token?.access_token) || (token.expires_at !== null && Date.now() >= token.expires_at)) {
        throw new BitbucketAuthError("login_required", "This page has no valid token: call authorize().");
      }
      return { ...token };
    }

    /** Fetch from the API as the signed-in person; calls onSuccess or onFailure, and resolves to the data or null. */
    async fetchResource({ resourceUrl, method = "GET", body } = {}) {
      try {
        const response = await this.makeAjaxRequest(await this.buildRequestObj({ resourceUrl, method, body }));
        const isJson = (response.headers.get("content-type") ?? "").startsWith("application/json");
        const text = await response.text();
        const data = isJson ? JSON.parse(text || "null") : text; // the response to a HEAD is empty
        if (!response.ok) throw this.#refusal(response, data);
        this.onSuccess(data, response);
        return data;
      } catch (error) {
        this.log("a request failed:", error.name, error.code ?? "");
        this.onFailure(error instanceof BitbucketAuthError ? error : noAnswer());
        return null;
      }
    }

    async buildRequestObj({ resourceUrl, method, body }) {
      const headers = { accept: "application/json" };
      if (body !== undefined) headers["content-type"] = "application/json";
      const common = { method, headers, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) };
      if (this.routes) {
        const url = `${this.routes.resource}?url=${encodeURIComponent(resourceUrl)}`;
        return new Request(url, { ...common, credentials: "same-origin", redirect: "error" });
      }
      const url = new URL(resourceUrl, this.apiOrigin);
      if (url.origin !== this.apiOrigin) {
        throw invalid(`resourceUrl: expected a URL of ${this.apiOrigin}, because the token is sent nowhere else.`);
      }
      headers.authorization = `Bearer ${(await this.getAccessToken()).access_token}`;
      return new Request(url, { ...common, credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
    }

    makeAjaxRequest(request) {
      return fetch(request);
    }

    /** Sign out: at the backend, or in this page. */
    async signOut() {
      if (this.routes) {
        const response = await fetch(this.routes.logout, { method: "POST", redirect: "manual" }).catch(() => null);
        if (response?.ok || response?.type === "opaqueredirect") return this.redirect("/");
        return this.onFailure(response ? this.#refusal(response, null) : noAnswer());
      }
      this.#token = null;
      const { token, ...rest } = (await this.storage?.loadConfig()) ?? {};
      await this.storage?.saveConfig(rest);
    }

    handleFetchResourceClick(event) {
      const { resource: resourceUrl, method } = event.currentTarget.dataset;
      return this.fetchResource({ resourceUrl, method });
    }

    /** Return unguessable text; with 64 characters, a byte modulo 64 makes each equally likely. */
    generateState(length = 32) {
      return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => ALPHABET[byte % 64]).join("");
    }

    redirect(url) {
      location.assign(url);
    }

    // Override these, or pass them as options.
    onStateMatch(token) {}
    onStateMismatch(error) {}
    onSuccess(data, response) {}
    onFailure(error) {}

    #takeState() {
      const saved = this.stateStorage.getItem(STATE_KEY);
      this.stateStorage.removeItem(STATE_KEY); // valid once
      try {
        const { state, since } = JSON.parse(saved ?? "{}");
        return isText(state) && Date.now() - since < STATE_LIFETIME ? state : null;
      } catch {
        return null;
      }
    }

    #refusal(response, data) {
      if (response.status === 401) {
        return new BitbucketAuthError("login_required", "The person must sign in again: call authorize().", 401);
      }
      const message = data?.error?.message ?? data?.message ?? `The API answered ${response.status}.`;
      return new BitbucketAuthError("refused", String(message), response.status);
    }
  }

  /** Create a client and call its init. */
  function createBitbucketClient(options) {
    const client = new BitbucketClient(options);
    client.ready = client.init();
    return client;
  }

  /** Handle a callback, and resolve to the stored token; rejects if the person must sign in. */
  async function getAccessToken(config) {
    const client = new BitbucketClient({ storage: new LocalStorage(), ...config });
    await client.processCallback();
    return client.getAccessToken();
  }

  globalThis.bitbucketAuth = Object.freeze({
    BitbucketAuthError,
    BitbucketClient,
    BitBucketClient: BitbucketClient,
    LocalStorage,
    createBitbucketClient,
    createLocalStorage: (options) => new LocalStorage(options),
    getAccessToken,
  });
})();
