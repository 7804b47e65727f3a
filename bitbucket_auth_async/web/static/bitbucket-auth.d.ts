/** The browser client; the classic script puts the same names on the global `bitbucketAuth`. */
export as namespace bitbucketAuth;

export interface ClientRegistration {
  client_id: string;
  redirect_uri?: string;
  redirect_uris?: string[];
  /** Scopes separated by spaces. */
  scope?: string;
}

export interface Routes {
  login?: string;
  resource?: string;
  logout?: string;
}

export interface ImplicitToken {
  access_token: string;
  token_type?: string;
  expires_in?: string;
  /** Milliseconds since the epoch; null if the server did not say. */
  expires_at: number | null;
  scope?: string;
  scopes?: string;
}

export interface ConfigStorage {
  loadConfig(): Promise<Record<string, unknown>>;
  saveConfig(config: Record<string, unknown>): Promise<void>;
}

export interface Handlers {
  onStateMatch?(token: ImplicitToken): void;
  onStateMismatch?(error: BitbucketAuthError): void;
  onSuccess?(data: unknown, response: Response): void;
  onFailure?(error: BitbucketAuthError): void;
}

export interface Options extends Handlers {
  /** For the implicit grant. */
  client?: ClientRegistration;
  /** For the site's own routes; true for /login, /resource and /logout. */
  backend?: true | Routes;
  authorizationEndpoint?: string;
  apiOrigin?: string;
  /** Keeps the token of the implicit grant over a reload; by default it is not kept. */
  storage?: ConfigStorage;
  /** Keeps `state` until the callback; by default sessionStorage. */
  stateStorage?: Storage;
  logging?: boolean;
}

export interface Resource {
  /** A URL or path of the API. */
  resourceUrl: string;
  method?: string;
  body?: unknown;
}

export class BitbucketAuthError extends Error {
  readonly code: string;
  readonly status?: number;
}

export class LocalStorage implements ConfigStorage {
  constructor(options?: { storage?: Storage; storageKey?: string });
  loadConfig(): Promise<Record<string, unknown>>;
  saveConfig(config: Record<string, unknown>): Promise<void>;
}

export class BitbucketClient {
  constructor(options: Options);
  /** Resolves once a callback is handled; set by createBitbucketClient. */
  ready?: Promise<this>;
  init(): Promise<this>;
  authorize(): void;
  processCallback(): Promise<boolean>;
  getAccessToken(): Promise<ImplicitToken>;
  fetchResource(resource: Resource): Promise<unknown>;
  signOut(): Promise<void>;
  handleFetchResourceClick(event: Event): Promise<unknown>;
  buildRequestObj(resource: Required<Pick<Resource, "resourceUrl" | "method">> & Resource): Promise<Request>;
  makeAjaxRequest(request: Request): Promise<Response>;
  generateState(length?: number): string;
  redirect(url: string): void;
  onStateMatch(token: ImplicitToken): void;
  onStateMismatch(error: BitbucketAuthError): void;
  onSuccess(data: unknown, response: Response): void;
  onFailure(error: BitbucketAuthError): void;
}

export { BitbucketClient as BitBucketClient };
export function createBitbucketClient(options: Options): BitbucketClient;
export function createLocalStorage(options?: { storage?: Storage; storageKey?: string }): LocalStorage;
export function getAccessToken(config: Options): Promise<ImplicitToken>;
