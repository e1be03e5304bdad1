// The package for Node.

export * from "./exports.js";
export type { Identity } from "./identity.js";
export { Client, type ClientOptions, type Credentials, connect } from "./node/client.js";
export type { TlsOptions } from "./node/target.js";
export { Publisher, type PublisherOptions } from "./publisher.js";
