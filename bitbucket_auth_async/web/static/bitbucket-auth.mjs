import "./bitbucket-auth.js";
export const { BitbucketAuthError, BitbucketClient, BitBucketClient, LocalStorage } = globalThis.bitbucketAuth;
export const { createBitbucketClient, createLocalStorage, getAccessToken } = globalThis.bitbucketAuth;
