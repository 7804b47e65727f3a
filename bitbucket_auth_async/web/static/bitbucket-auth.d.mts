export * from "./bitbucket-auth.js";
