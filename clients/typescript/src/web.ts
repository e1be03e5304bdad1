// The package for browsers: gRPC-Web by fetch.

import { create } from "@bufbuild/protobuf";
import { BaseClient } from "./client.js";
import type { Consumer, ConsumerSource } from "./consumer.js";
import type { ConsumerOptions } from "./consuming/options.js";
import { SubscribeSession } from "./consuming/subscribe_session.js";
import { SubscribeRequestSchema } from "./gen/jetgate/v1/subscriber_pb.js";
import { type Identity, authorization } from "./identity.js";
import { WebChannel } from "./web/channel.js";
import { WebPublisher, type WebPublisherOptions } from "./web/publisher.js";

export * from "./exports.js";
export type { Identity } from "./identity.js";
export { WebPublisher, type WebPublisherOptions } from "./web/publisher.js";

/** Options of a client. */
export interface WebClientOptions {
  /** The largest message, of the gateway's, that is taken. Default 16 MiB. */
  maxMessageBytes?: number;
  /** Metadata of every call. */
  metadata?: Record<string, string>;
}

/**
 * A client in a browser. It offers what the one for Node does, with these differences: a publisher sends batches by calls,
 * and does not promise their order; a consumer settles by calls, and extends no leases: a message is to be settled
 * within the consumer's ack_wait, or kept by `inProgress()`.
 */
export class WebClient extends BaseClient {
  /** @internal */
  constructor(urls: readonly string[], identity: Identity, options: WebClientOptions) {
    const channel = new WebChannel(urls, {
      maxMessageBytes: options.maxMessageBytes ?? 16 << 20,
      metadata: async () => ({ ...options.metadata, ...(await authorization(identity)) }),
    });
    super(channel, (open, settler, handler) => {
      const { stream, source, flow, onSessionEnd, held, resumeToken, priority, clientName } = open;
      const fields = { stream, source, flow, onSessionEnd, held, resumeToken, priority, clientName };
      return new SubscribeSession(channel, create(SubscribeRequestSchema, fields), settler, handler);
    });
  }

  /** A publisher of many messages; each has a promise. */
  publisher(options: WebPublisherOptions = {}): WebPublisher {
    return this.track(new WebPublisher(this.services.publisher, options));
  }

  override consume(stream: string, consumer: ConsumerSource, options: ConsumerOptions = {}): Consumer {
    return super.consume(stream, consumer, { ...options, leaseMs: 0 });
  }
}

/** A client of one gateway, or of several that serve the same NATS: `https://jetgate.example`. */
export function connect(
  target: string | readonly string[],
  identity: Identity = {},
  options: WebClientOptions = {},
): WebClient {
  const urls = typeof target === "string" ? target.split(",").map((url) => url.trim()) : target;
  return new WebClient(urls, identity, options);
}
