// Uses each part of the browser client; the test compares the result.
async () => {
  const { BitbucketClient, BitBucketClient, LocalStorage, createLocalStorage, getAccessToken } = bitbucketAuth;
  const options = { client: { client_id: "key", redirect_uri: location.origin + "/", scope: "account" } };
  const rejected = (promise) => promise.then(() => "no error", (error) => error.code);

  const client = new BitbucketClient(options);
  const states = new Set(Array.from({ length: 1000 }, () => client.generateState()));
  const letters = new Set([...states].join(""));

  const storage = createLocalStorage();
  await storage.saveConfig({ other: 1 });
  const before = await rejected(getAccessToken(options));
  const good = { access_token: "t", expires_at: Date.now() + 60_000 };
  await storage.saveConfig({ ...(await storage.loadConfig()), token: good });
  const token = (await getAccessToken(options)).access_token;
  await storage.saveConfig({ token: { ...good, expires_at: Date.now() } });
  const late = await rejected(getAccessToken(options));
  localStorage.setItem("bitbucket-auth-config", "not JSON");

  let asked = "";
  class Own extends BitbucketClient {
    redirect(url) {
      asked = url;
    }
  }
  new Own({ client: { client_id: "key", redirect_uris: ["https://a.example/cb"], scope: "a b" } }).authorize();

  const toCloud = asked;
  new Own({ ...options, stateStorage: localStorage }).authorize();
  const inLocalStorage = JSON.parse(localStorage.getItem("bitbucket-auth-state")).state.length;

  let failed = null;
  const foreign = new BitbucketClient({ ...options, onFailure: (error) => (failed = error.code) });
  await foreign.fetchResource({ resourceUrl: "https://evil.example/2.0/user" });

  return {
    states: states.size, letters: letters.size, length: client.generateState(7).length, before, token, late,
    broken: await storage.loadConfig(), same: BitBucketClient === BitbucketClient, failed, asked: toCloud,
    own: new LocalStorage({ storageKey: "k" }).storageKey, kept: sessionStorage.length, inLocalStorage,
  };
}
