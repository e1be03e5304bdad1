// The client of Node: HTTP/2, streams in both directions.

import { BaseClient } from "../client.js";
import { ConsumeSession } from "../consuming/consume_session.js";
import { type Identity, authorization } from "../identity.js";
import { Publisher, type PublisherOptions } from "../publisher.js";
import { NodeChannel } from "./channel.js";
import type { TlsOptions } from "./target.js";

/** Who the program is, and how the connection is secured. */
export interface Credentials extends Identity {
  /** TLS; `{}` for a certificate that Node trusts. Addresses that begin with `https://` have it, too. */
  tls?: TlsOptions;
}

/** Options of a client. */
export interface ClientOptions {
  /** The largest message, of the gateway's, that is taken. Default 16 MiB. */
  maxMessageBytes?: number;
  /** Metadata of every call. */
  metadata?: Record<string, string>;
}

/** A client of the gateways of one target. Connections are made when they are needed. */
export class Client extends BaseClient {
  /** @internal */
  constructor(target: string | readonly string[], credentials: Credentials, options: ClientOptions) {
    const channel = new NodeChannel(target, {
      tls: credentials.tls,
      maxMessageBytes: options.maxMessageBytes ?? 16 << 20,
      metadata: async () => ({ ...options.metadata, ...(await authorization(credentials)) }),
    });
    super(channel, (open, settler, handler) => new ConsumeSession(channel, open, settler, handler));
  }

  /** A publisher of many messages; each has a promise. */
  publisher(options: PublisherOptions = {}): Publisher {
    return this.track(new Publisher(this.channel, options));
  }
}

/**
 * A client of one gateway, or of several that serve the same NATS: `127.0.0.1:50051`, `https://jetgate.example:443`, a list,
 * or a text with commas. Nothing is connected until something is called.
 */
export function connect(
  target: string | readonly string[],
  credentials: Credentials = {},
  options: ClientOptions = {},
): Client {
  return new Client(target, credentials, options);
}
