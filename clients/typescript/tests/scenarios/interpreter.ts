// Carries out a scenario of `tests/scenarios` through the client's public interface.

import * as assert from "node:assert/strict";
import {
  type Client,
  Consumer,
  type Credentials,
  type Message,
  type Payload,
  type PublishResult,
  Subscription,
} from "jetgate";
import type { World } from "../support/world.js";
import { consumerConfig, streamConfig } from "./configurations.js";
import { type Json, checkAnswer, checkError, checkMessage, checkResult, message, onlyKnown, raw } from "./values.js";

/** Where messages come from. */
type Source = Consumer | Subscription;

interface Received {
  message: Message;
  at: number;
}

/**
 * How long a step may take that does not say otherwise, in seconds: a cluster of nats-servers may elect for 18 s, and what
 * runs in the background is often behind servers that are started anew.
 */
const USUAL = 90;

/** The shortest time for a call, in seconds: a step that asks once, without waiting, still needs that of an answer. */
const SHORTEST_CALL = 30;

/** The state of one scenario. */
export class Interpreter {
  private readonly clients = new Map<string, Client>();
  private readonly timeouts = new Map<Client, number>();
  private readonly sources = new Map<string, Source>();
  private readonly background = new Map<string, Promise<unknown>>();
  private readonly received: Received[] = [];
  /** The step that runs is to fail. */
  private failing = false;

  constructor(private readonly world: World) {}

  /** Carries out all steps. */
  async run(scenario: Json): Promise<void> {
    onlyKnown(scenario, ["about", "world", "steps", "connect"], "the scenario");
    if (scenario.connect !== false) this.clients.set("main", this.world.connect());
    try {
      for (const [at, step] of (scenario.steps as Json[]).entries()) await this.step(step, at + 1);
    } finally {
      await Promise.all([...this.clients.values()].map((client) => within(client.close(), 30, "closing a client")));
    }
  }

  private async step(step: Json, number: number): Promise<void> {
    const { do: verb, background, error, within: seconds = USUAL, ...fields } = step;
    const act = VERBS[verb as string] as Verb | undefined;
    assert.ok(act, `the verb ${String(verb)} is not known`);
    const name = `step ${number}, ${String(verb)}`;
    const limit = seconds as number;
    this.failing = error !== undefined;
    try {
      // What the step says of itself when its time is over is worth more: it is given a moment to.
      const result = within(act.call(this, fields, limit * 1000), Math.max(limit, SHORTEST_CALL) + 5, name);
      if (background) {
        result.catch(() => undefined);
        this.background.set(background as string, result);
        return;
      }
      await result;
    } catch (problem) {
      if (error) return checkError(problem, error as Json);
      const text = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
      throw new Error(`${name}: ${text}`, { cause: problem });
    }
    assert.ok(!error, `${name} did not fail`);
  }

  client(fields: Json): Client {
    const client = this.clients.get((fields.client as string | undefined) ?? "main");
    assert.ok(client, "a client of this name is connected");
    return client;
  }

  /** What a call of the client is made with, in a step with this limit. */
  options(fields: Json, limitMs: number): { timeoutMs: number } {
    return { timeoutMs: this.timeouts.get(this.client(fields)) ?? Math.max(limitMs, SHORTEST_CALL * 1000) };
  }

  source(name: unknown): Source {
    const source = this.sources.get(name as string);
    assert.ok(source, `${String(name)} is open`);
    return source;
  }

  /** The next message of whichever source has one. */
  async next(names: unknown, timeoutMs: number): Promise<Message | undefined> {
    const sources = (Array.isArray(names) ? names : [names]).map((name) => this.source(name));
    if (sources.length === 1) return sources[0].receive(timeoutMs);
    for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
      for (const source of sources) {
        const found = await source.receive(20);
        if (found) return found;
      }
    }
    return undefined;
  }

  static readonly verbs: Record<string, Verb> = {
    async connect(fields) {
      onlyKnown(fields, ["as", "gateways", "api_key", "token", "ca", "call_timeout"], "connect");
      const key = fields.api_key as string | undefined;
      const keys = key === undefined ? {} : { apiKey: key === "none" ? undefined : key };
      const credentials: Credentials = key === "renewed" ? this.world.renewed() : keys;
      if (fields.token) {
        const { token } = await this.world.command({ ...(fields.token as Json), do: "token" });
        credentials.token = () => Promise.resolve(token as string);
      }
      const trust = fields.ca === "other" ? { tls: { ca: this.world.otherCa } } : {};
      const client = this.world.connect(fields.gateways as number[] | undefined, { ...credentials, ...trust });
      this.clients.set(fields.as as string, client);
      if (fields.call_timeout) this.timeouts.set(client, (fields.call_timeout as number) * 1000);
    },

    async create_stream(fields, limitMs) {
      onlyKnown(fields, ["config", "client"], "create_stream");
      await this.client(fields).streams.create(streamConfig(fields.config as Json), this.options(fields, limitMs));
    },

    async apply_stream(fields, limitMs) {
      onlyKnown(fields, ["config", "client"], "apply_stream");
      await this.client(fields).streams.apply(streamConfig(fields.config as Json), this.options(fields, limitMs));
    },

    async create_consumer(fields, limitMs) {
      onlyKnown(fields, ["stream", "config", "client"], "create_consumer");
      const { consumers } = this.client(fields);
      await consumers.create(fields.stream as string, consumerConfig(fields.config as Json), this.options(fields, limitMs));
    },

    async apply_consumer(fields, limitMs) {
      onlyKnown(fields, ["stream", "config", "client"], "apply_consumer");
      const { consumers } = this.client(fields);
      await consumers.apply(fields.stream as string, consumerConfig(fields.config as Json), this.options(fields, limitMs));
    },

    async stream_info(fields, limitMs) {
      onlyKnown(fields, ["stream", "expect", "at_least", "client"], "stream_info");
      await until(fields, limitMs, async () => {
        const { state } = await this.client(fields).streams.get(fields.stream as string, this.options(fields, limitMs));
        return { messages: Number(state!.messages), last_sequence: Number(state!.lastSequence) };
      });
    },

    async consumer_info(fields, limitMs) {
      onlyKnown(fields, ["stream", "consumer", "expect", "at_least", "client"], "consumer_info");
      const { stream, consumer } = fields as { stream: string; consumer: string };
      await until(fields, limitMs, async () => {
        const { state } = await this.client(fields).consumers.get(stream, consumer, this.options(fields, limitMs));
        return {
          num_pending: Number(state!.numPending),
          num_ack_pending: Number(state!.numAckPending),
          ack_floor: Number(state!.ackFloor?.streamSequence ?? 0n),
        };
      });
    },

    async publish(fields, limitMs) {
      onlyKnown(fields, ["message", "expect", "client"], "publish");
      const { subject, payload, options } = message(fields.message as Json);
      const result = await this.client(fields).publish(subject, payload, { ...options, ...this.options(fields, limitMs) });
      if (fields.expect) checkResult(result, fields.expect as Json);
    },

    async publish_batch(fields, limitMs) {
      onlyKnown(fields, ["mode", "messages", "results", "client"], "publish_batch");
      const messages = (fields.messages as Json[]).map((each) => {
        const { subject, payload, options } = message(each);
        return { subject, payload, ...options };
      });
      const client = this.client(fields);
      const call = this.options(fields, limitMs);
      const results =
        fields.mode === "atomic"
          ? await client.publishAtomic(messages, call)
          : await client.publishBatch(messages, { ordered: fields.mode === "ordered", ...call });
      for (const [at, expected] of ((fields.results as Json[] | undefined) ?? []).entries()) {
        checkResult(results[at], expected);
      }
    },

    async publish_many(fields) {
      const known = ["messages", "results", "subject", "prefix", "count", "first", "per_second", "publisher", "client"];
      onlyKnown(fields, known, "publish_many");
      const options = (fields.publisher ?? {}) as Json;
      onlyKnown(options, ["stream", "cumulative", "max_in_flight"], "publisher");
      await using publisher = this.client(fields).publisher({
        stream: options.stream as string | undefined,
        acks: options.cumulative ? "cumulative" : "each",
        maxInFlight: options.max_in_flight as number | undefined,
      });
      const pending: Promise<PublishResult | Error>[] = [];
      const begun = Date.now();
      for (const { subject, payload, options } of toPublish(fields)) {
        if (fields.per_second) await pace(begun, pending.length, fields.per_second as number);
        if (publisher.full) await publisher.ready();
        pending.push(publisher.publish(subject, payload, options).catch((error: Error) => error));
      }
      await publisher.flush();
      const results = await Promise.all(pending);
      const expected = fields.results as Json[] | undefined;
      results.forEach((result, at) => checkResult(result, expected ? expected[at] : {}));
    },

    open(fields, limitMs) {
      const windows = ["max_outstanding", "max_outstanding_bytes"];
      const known = ["as", "stream", "consumer", "ordered", "from_sequence", "resume", ...windows, "lease", "client"];
      onlyKnown(fields, known, "open");
      const client = this.client(fields);
      const stream = fields.stream as string;
      const resumed = fields.resume === undefined ? undefined : (this.source(fields.resume) as Subscription);
      const source = fields.ordered
        ? client.subscribe(stream, {
            from: fields.from_sequence === undefined ? "all" : { sequence: fields.from_sequence as number },
            resume: resumed?.position,
          })
        : client.consume(stream, fields.consumer as string, {
            maxOutstanding: fields.max_outstanding as number | undefined,
            maxOutstandingBytes: fields.max_outstanding_bytes as number | undefined,
            leaseMs: fields.lease === undefined ? undefined : (fields.lease as number) * 1000,
          });
      this.sources.set(fields.as as string, source);
      // A refusal shows with the first receive.
      return this.failing ? source.receive(limitMs) : Promise.resolve();
    },

    async receive(fields, limitMs) {
      onlyKnown(fields, ["from", "expect", "not_before", "nothing_for"], "receive");
      if (fields.nothing_for !== undefined) {
        const found = await this.next(fields.from, (fields.nothing_for as number) * 1000);
        assert.equal(found, undefined, `a message came: ${found?.text}`);
        return;
      }
      for (const expected of fields.expect as Json[]) {
        const found = await this.next(fields.from, limitMs);
        assert.ok(found, `no message came, and ${JSON.stringify(expected)} was expected`);
        checkMessage(found, expected);
        const now = Date.now();
        if (fields.not_before !== undefined) {
          const before = this.received.findLast(({ message }) => message.sequence === found.sequence);
          assert.ok(before && now - before.at >= (fields.not_before as number) * 1000, "the message came too early");
        }
        this.received.push({ message: found, at: now });
      }
    },

    async settle(fields) {
      onlyKnown(fields, ["messages", "kind", "delay", "reason", "confirm"], "settle");
      const reason = fields.reason as string | undefined;
      const settled = (fields.messages as number[]).map(async (number): Promise<void> => {
        const { message } = this.received[number - 1];
        if (fields.kind === "ack") return fields.confirm ? message.ack({ confirm: true }) : message.ack();
        if (fields.kind === "nak") return message.nak(fields.delay ? (fields.delay as number) * 1000 : undefined, reason);
        if (fields.kind === "term") return message.term(reason);
        if (fields.kind === "in_progress") return message.inProgress();
        assert.fail(`settling by ${String(fields.kind)} is not known`);
      });
      await Promise.all(settled);
    },

    async collect(fields, limitMs) {
      onlyKnown(fields, ["from", "prefix", "count", "first", "settle", "in_order", "each_once"], "collect");
      const { prefix, count, first = 1 } = fields as { prefix: string; count: number; first?: number };
      const missing = new Set(Array.from({ length: count }, (_, at) => `${prefix}${first + at}`));
      for (const end = Date.now() + limitMs; missing.size > 0; ) {
        const found = await this.next(fields.from, Math.max(0, end - Date.now()));
        assert.ok(found, `${missing.size} messages are missing, ${[...missing][0]} for example`);
        if (fields.in_order) assert.equal(found.text, `${prefix}${first + count - missing.size}`);
        const fresh = missing.delete(found.text);
        if (fields.each_once) assert.ok(fresh, `${found.text} came twice`);
        if (fields.settle) assert.equal(fields.settle, "ack");
        if (fields.settle) found.ack();
      }
    },

    async drain(fields, limitMs) {
      onlyKnown(fields, ["what"], "drain");
      const settled = await (this.source(fields.what) as Consumer).drain(limitMs);
      assert.ok(settled, "not all was settled in time, or passed on");
    },

    async close(fields) {
      onlyKnown(fields, ["what"], "close");
      await this.source(fields.what).close();
    },

    async world(fields) {
      onlyKnown(fields, ["command", "expect"], "world");
      checkAnswer(await this.world.command(fields.command as Json), (fields.expect as Json | undefined) ?? {});
    },

    async await(fields) {
      onlyKnown(fields, ["what"], "await");
      const what = this.background.get(fields.what as string);
      assert.ok(what, `${String(fields.what)} runs in the background`);
      await what;
    },
  };
}

type Verb = (this: Interpreter, fields: Json, limitMs: number) => Promise<unknown>;

const VERBS = Interpreter.verbs;

function* toPublish(fields: Json): Generator<{ subject: string; payload: Payload; options?: object }> {
  if (fields.messages) {
    for (const each of fields.messages as Json[]) yield message(each);
    return;
  }
  const first = (fields.first as number | undefined) ?? 1;
  for (let number = first; number < first + (fields.count as number); number++) {
    yield { subject: fields.subject as string, payload: raw(`${fields.prefix as string}${number}`) };
  }
}

/** Waits until so many messages may have been published. */
async function pace(begun: number, published: number, perSecond: number): Promise<void> {
  const due = begun + (published * 1000) / perSecond;
  if (due > Date.now() + 5) await settle(due - Date.now());
}

/** Asks again until what is found is as expected. */
async function until(fields: Json, limitMs: number, ask: () => Promise<Record<string, number>>): Promise<void> {
  const expected = (fields.expect ?? fields.at_least ?? {}) as Record<string, number>;
  for (const end = Date.now() + limitMs; ; await settle(50)) {
    const found = await ask();
    const fits = Object.entries(expected).every(([name, value]) => {
      assert.ok(name in found, `${name} is not known`);
      return fields.expect ? found[name] === value : found[name] >= value;
    });
    if (fits) return;
    if (Date.now() >= end) assert.fail(`${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
  }
}

async function within<T>(promise: Promise<T>, seconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function settle(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

