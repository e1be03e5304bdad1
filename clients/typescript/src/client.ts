// The client: one target, its services, publishers and consumers. What Node and browsers have in common.

import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Consumers, Streams } from "./admin.js";
import type { Channel } from "./channel.js";
import { Consumer, type ConsumerSource, type SessionOpener } from "./consumer.js";
import { Message } from "./consuming/message.js";
import type { ConsumerOptions } from "./consuming/options.js";
import { TokenSettler } from "./consuming/token_settler.js";
import { JetgateError, fromItem } from "./errors.js";
import { ConsumerService } from "./gen/jetgate/v1/consumer_pb.js";
import { DeadLetterService } from "./gen/jetgate/v1/dead_letter_pb.js";
import { GatewayService } from "./gen/jetgate/v1/gateway_pb.js";
import { PublishBatchMode, PublisherService } from "./gen/jetgate/v1/publisher_pb.js";
import { StreamService } from "./gen/jetgate/v1/stream_pb.js";
import { FetchRequestSchema, SubscriberService } from "./gen/jetgate/v1/subscriber_pb.js";
import { randomId } from "./ids.js";
import {
  type BatchMessage,
  type MessageOptions,
  type Payload,
  type PublishResult,
  toRequest,
  toResult,
} from "./publishing/message.js";
import { DEFAULT_TIMEOUT_MS, type RpcOptions, serviceClient, unaryBytes } from "./rpc.js";
import { Subscription, type SubscriptionOptions } from "./subscription.js";
import { Reader } from "./wire/reader.js";

/** Options of a unary publish. */
export interface UnaryPublishOptions extends MessageOptions, RpcOptions {
  /** Check everything and store nothing. */
  validateOnly?: boolean;
}

/** Options of a fetch. */
export interface FetchOptions extends RpcOptions {
  /** At most so many messages. Default 1. */
  batch?: number;
  /** How long to wait for the batch to fill. Default 5 s; 0 returns what there is. */
  maxWaitMs?: number;
}

/** Publishers, consumers and subscriptions. */
interface Closable {
  readonly closed: Promise<void>;
  close(): unknown;
}

/** Everything that a client offers in Node and in browsers alike. */
export abstract class BaseClient {
  /** Streams: create, apply, describe, change, remove. */
  readonly streams: Streams;
  /** Consumers: the same. */
  readonly consumers: Consumers;
  /** The services of the contract, method by method, for what the rest does not offer. */
  readonly services;

  private readonly open = new Set<Closable>();
  private readonly tokens: TokenSettler;

  protected constructor(
    protected readonly channel: Channel,
    private readonly openSession: SessionOpener,
  ) {
    this.streams = new Streams(channel);
    this.consumers = new Consumers(channel);
    this.services = {
      publisher: serviceClient(channel, PublisherService),
      subscriber: serviceClient(channel, SubscriberService),
      streams: serviceClient(channel, StreamService),
      consumers: serviceClient(channel, ConsumerService),
      deadLetters: serviceClient(channel, DeadLetterService),
      gateway: serviceClient(channel, GatewayService),
    };
    this.tokens = new TokenSettler(this.services.subscriber);
  }

  /**
   * Publishes one message in a call of its own, and again while its outcome is unknown and time is left: a message
   * without an id gets one, so that it is stored once. Where an attempt may have stored it the error says so, whatever
   * became of the last: PUBLISH_OUTCOME_UNKNOWN, with the `message_id` that makes the outcome known when it is published
   * with that again.
   */
  async publish(subject: string, payload: Payload = "", options: UnaryPublishOptions = {}): Promise<PublishResult> {
    const request = toRequest(subject, payload, { ...options, messageId: options.messageId ?? randomId() });
    request.validateOnly = options.validateOnly ?? false;
    return toResult(await this.services.publisher.publish(request, options));
  }

  /**
   * Publishes up to 1,000 messages in one call. The answer has a result or an error for each, in their order. `ordered`:
   * behind the first that fails nothing is sent.
   */
  async publishBatch(
    messages: readonly BatchMessage[],
    options: RpcOptions & { ordered?: boolean } = {},
  ): Promise<(PublishResult | JetgateError)[]> {
    const mode = options.ordered ? PublishBatchMode.ORDERED_STOP_ON_ERROR : PublishBatchMode.INDEPENDENT;
    const requests = messages.map(({ subject, payload, ...rest }) =>
      toRequest(subject, payload ?? "", { ...rest, messageId: rest.messageId ?? randomId() }),
    );
    const { results } = await this.services.publisher.publishBatch({ messages: requests, mode }, options);
    return results.map(({ status, published }) => fromItem(status) ?? toResult(published!));
  }

  /** Publishes messages of one stream, with `allow_atomic`, so that all are stored or none. */
  async publishAtomic(messages: readonly BatchMessage[], options?: RpcOptions): Promise<PublishResult[]> {
    const requests = messages.map(({ subject, payload, ...rest }) => toRequest(subject, payload ?? "", rest));
    const { results } = await this.services.publisher.publishBatch(
      { messages: requests, mode: PublishBatchMode.ATOMIC },
      options,
    );
    return results.map(({ published }) => toResult(published!));
  }

  /** Receives the messages of a consumer that exists, by its name, or of one that lives as long as it is used. */
  consume(stream: string, consumer: ConsumerSource, options: ConsumerOptions = {}): Consumer {
    return this.track(new Consumer(this.openSession, this.tokens, stream, consumer, options));
  }

  /** Reads a stream in order, without acknowledgements. */
  subscribe(stream: string, options: SubscriptionOptions = {}): Subscription {
    return this.track(new Subscription(this.channel, stream, options));
  }

  /** Takes a batch of messages from a consumer, possibly none. They are settled like those of `consume`. */
  async fetch(stream: string, consumer: string, options: FetchOptions = {}): Promise<Message[]> {
    const waitMs = options.maxWaitMs ?? 5_000;
    const request = create(FetchRequestSchema, {
      stream,
      consumer,
      batch: options.batch,
      maxWait: waitMs > 0 ? durationFromMs(waitMs) : undefined,
      noWait: waitMs <= 0,
    });
    const timeoutMs = options.timeoutMs ?? waitMs + DEFAULT_TIMEOUT_MS;
    const answer = await unaryBytes(this.channel, SubscriberService.method.fetch, request, { ...options, timeoutMs });
    const messages: Message[] = [];
    const reader = new Reader(answer);
    while (reader.more) {
      const tag = reader.number();
      if (tag !== 0x0a) reader.skip(tag);
      else {
        const end = reader.length();
        messages.push(new Message(this.tokens, answer, reader.at, end));
        reader.at = end;
      }
    }
    return messages;
  }

  /** Ends publishers, consumers and subscriptions in order, and then the connections. */
  async close(): Promise<void> {
    await Promise.all([...this.open].map((each) => each.close()));
    await this.tokens.flushed();
    this.channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected track<T extends Closable>(what: T): T {
    this.open.add(what);
    void what.closed.then(() => this.open.delete(what));
    return what;
  }
}
