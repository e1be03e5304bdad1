// Where gateways are, and how a connection to them is secured.

import { Code, JetgateError } from "../errors.js";

/** TLS of a connection. Files are read by the caller: what is here is their content. */
export interface TlsOptions {
  /** Certificates, PEM, that the gateway's is to be signed by. Unset: those that Node trusts. */
  ca?: string | Uint8Array;
  /** The client's own certificate, PEM, and its key. */
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  /** The name that the gateway's certificate is to have, where it is not the address. */
  serverName?: string;
}

/** The gateways that `target` names: `host:port`, `http://host:port`, `https://host:port`, several, or a text with commas. */
export function parseTargets(target: string | readonly string[], tls: boolean): URL[] {
  const all = typeof target === "string" ? target.split(",") : target;
  const urls = all.map((one) => parseTarget(one.trim(), tls));
  if (urls.length === 0) throw invalid("no address is given");
  return urls;
}

function parseTarget(target: string, tls: boolean): URL {
  const address = /^[a-z+.-]+:\/\//i.test(target) ? target : `${tls ? "https" : "http"}://${target}`;
  if (!URL.canParse(address)) throw invalid(`${JSON.stringify(target)} is no address`);
  const url = new URL(address);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw invalid(`${target} is neither http nor https`);
  if (url.protocol === "http:" && tls) throw invalid(`${target} is without TLS, and TLS options are given`);
  return url;
}

function invalid(message: string): JetgateError {
  return new JetgateError({ code: Code.INVALID_ARGUMENT, message });
}
