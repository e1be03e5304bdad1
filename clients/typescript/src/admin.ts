// Streams and consumers: created, applied, described, changed and removed.

import type { Channel } from "./channel.js";
import { type ConfigInit, fromConfig } from "./config.js";
import { ApplyOutcome, type FieldChange } from "./gen/jetgate/v1/apply_pb.js";
import { type Consumer, ConsumerService } from "./gen/jetgate/v1/consumer_pb.js";
import { type ConsumerConfig, ConsumerConfigSchema } from "./gen/jetgate/v1/consumer_config_pb.js";
import type { StoredMessage } from "./gen/jetgate/v1/stream_message_pb.js";
import { type StreamConfig, StreamConfigSchema } from "./gen/jetgate/v1/stream_config_pb.js";
import { type Stream, StreamService } from "./gen/jetgate/v1/stream_pb.js";
import { type RpcOptions, serviceClient } from "./rpc.js";

/** What applying a configuration did, or would do. */
export interface Applied<T> {
  /** As it is now; undefined where a dry run would create it. */
  readonly current: T | undefined;
  readonly outcome: "created" | "updated" | "unchanged";
  readonly changes: readonly FieldChange[];
}

/** Options of `apply`. */
export interface ApplyOptions extends RpcOptions {
  /** Only say what would be done. */
  dryRun?: boolean;
  /** Fail with STALE_ETAG where the configuration has changed since. */
  etag?: string;
}

/** Options of `update`. */
export interface UpdateOptions extends RpcOptions {
  /** Which fields to change, by the contract's names: "max_age". Unset: all, and what is not given gets its default. */
  fields?: string[];
  etag?: string;
}

/** Streams of the account. */
export class Streams {
  private readonly service;

  /** @internal */
  constructor(channel: Channel) {
    this.service = serviceClient(channel, StreamService);
  }

  /** Creates a stream, or returns the one of this name that has equal settings; with others, STREAM_EXISTS. */
  async create(config: ConfigInit<StreamConfig>, options?: RpcOptions): Promise<Stream> {
    const answer = await this.service.createStream({ config: fromConfig(StreamConfigSchema, config) }, options);
    return answer.stream!;
  }

  /** Creates a stream, or changes the one of this name. */
  async apply(config: ConfigInit<StreamConfig>, options: ApplyOptions = {}): Promise<Applied<Stream>> {
    const { dryRun: validateOnly, etag } = options;
    const request = { config: fromConfig(StreamConfigSchema, config), validateOnly, etag };
    const { stream, outcome, changes } = await this.service.applyStream(request, options);
    return { current: stream, outcome: outcomeName(outcome), changes };
  }

  /** Changes a stream. */
  async update(config: ConfigInit<StreamConfig>, options: UpdateOptions = {}): Promise<Stream> {
    const updateMask = options.fields && { paths: options.fields };
    const request = { config: fromConfig(StreamConfigSchema, config), updateMask, etag: options.etag };
    return (await this.service.updateStream(request, options)).stream!;
  }

  /** A stream's configuration and state. */
  async get(name: string, options?: RpcOptions): Promise<Stream> {
    return (await this.service.getStream({ stream: name }, options)).stream!;
  }

  /** All streams, or those whose name (with "*") or subject matches. */
  async *list(filter: { name?: string; subject?: string } = {}, options?: RpcOptions): AsyncGenerator<Stream> {
    for (let pageToken = "", first = true; first || pageToken; first = false) {
      const page = await this.service.listStreams({ ...filter, pageToken }, options);
      yield* page.streams;
      pageToken = page.nextPageToken;
    }
  }

  /** Deletes a stream with its messages and its consumers. */
  async delete(name: string, options?: RpcOptions): Promise<void> {
    await this.service.deleteStream({ stream: name }, options);
  }

  /** Removes messages, all or those that are narrowed down to, and says how many. */
  async purge(
    name: string,
    what: { filter?: string; upToSequence?: bigint | number; keep?: bigint | number } = {},
    options?: RpcOptions,
  ): Promise<bigint> {
    const limit =
      what.upToSequence !== undefined
        ? { case: "upToSequence" as const, value: BigInt(what.upToSequence) }
        : what.keep !== undefined
          ? { case: "keep" as const, value: BigInt(what.keep) }
          : undefined;
    return (await this.service.purgeStream({ stream: name, filter: what.filter, limit }, options)).purged;
  }

  /** A stored message: by its sequence, or the last of a subject. No consumer notices. */
  async message(
    name: string,
    which: { sequence: bigint | number } | { lastBySubject: string },
    options?: RpcOptions,
  ): Promise<StoredMessage> {
    const target =
      "sequence" in which
        ? { case: "sequence" as const, value: BigInt(which.sequence) }
        : { case: "lastBySubject" as const, value: which.lastBySubject };
    return (await this.service.getMessage({ stream: name, target }, options)).message!;
  }

  /** Removes one message. */
  async deleteMessage(name: string, sequence: bigint | number, options?: RpcOptions): Promise<void> {
    await this.service.deleteMessage({ stream: name, sequence: BigInt(sequence) }, options);
  }

  /** The subjects of a stream's messages with how many each has. */
  async *subjects(name: string, filter = "", options?: RpcOptions): AsyncGenerator<{ subject: string; messages: bigint }> {
    for (let pageToken = "", first = true; first || pageToken; first = false) {
      const page = await this.service.listSubjects({ stream: name, filter, pageToken }, options);
      yield* page.subjects;
      pageToken = page.nextPageToken;
    }
  }
}

/** Consumers of streams. */
export class Consumers {
  private readonly service;

  /** @internal */
  constructor(channel: Channel) {
    this.service = serviceClient(channel, ConsumerService);
  }

  /** Creates a consumer, or returns the one of this name that has equal settings; with others, CONSUMER_EXISTS. */
  async create(stream: string, config: ConfigInit<ConsumerConfig>, options?: RpcOptions): Promise<Consumer> {
    const request = { stream, config: fromConfig(ConsumerConfigSchema, config) };
    return (await this.service.createConsumer(request, options)).consumer!;
  }

  /** Creates a consumer, or changes the one of this name. */
  async apply(
    stream: string,
    config: ConfigInit<ConsumerConfig>,
    options: ApplyOptions = {},
  ): Promise<Applied<Consumer>> {
    const { dryRun: validateOnly, etag } = options;
    const request = { stream, config: fromConfig(ConsumerConfigSchema, config), validateOnly, etag };
    const { consumer, outcome, changes } = await this.service.applyConsumer(request, options);
    return { current: consumer, outcome: outcomeName(outcome), changes };
  }

  /** Changes a consumer. */
  async update(stream: string, config: ConfigInit<ConsumerConfig>, options: UpdateOptions = {}): Promise<Consumer> {
    const updateMask = options.fields && { paths: options.fields };
    const request = { stream, config: fromConfig(ConsumerConfigSchema, config), updateMask, etag: options.etag };
    return (await this.service.updateConsumer(request, options)).consumer!;
  }

  /** A consumer's configuration and state. */
  async get(stream: string, consumer: string, options?: RpcOptions): Promise<Consumer> {
    return (await this.service.getConsumer({ stream, consumer }, options)).consumer!;
  }

  /** The consumers of a stream. */
  async *list(
    stream: string,
    filter: { name?: string; subject?: string } = {},
    options?: RpcOptions,
  ): AsyncGenerator<Consumer> {
    for (let pageToken = "", first = true; first || pageToken; first = false) {
      const page = await this.service.listConsumers({ stream, ...filter, pageToken }, options);
      yield* page.consumers;
      pageToken = page.nextPageToken;
    }
  }

  /** Deletes a consumer. */
  async delete(stream: string, consumer: string, options?: RpcOptions): Promise<void> {
    await this.service.deleteConsumer({ stream, consumer }, options);
  }
}

function outcomeName(outcome: ApplyOutcome): "created" | "updated" | "unchanged" {
  if (outcome === ApplyOutcome.CREATED) return "created";
  return outcome === ApplyOutcome.UPDATED ? "updated" : "unchanged";
}
