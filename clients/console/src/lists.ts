// Streams, consumers and sessions, all of them: page by page, and how their counters moved.

import { create } from "@bufbuild/protobuf";
import { type Consumer, ConsumerSchema } from "jetgate/proto/consumer";
import type { ReplicaInfo, SessionInfo } from "jetgate/proto/live_session";
import { type Stream, StreamSchema } from "jetgate/proto/stream";
import { client } from "./gateway";
import { History } from "./history";

/** The largest page of streams and of consumers, and that of sessions. */
const PAGE = 256;
const SESSIONS = 1_000;
/** How many streams are asked for their consumers at a time: JetStream's API is for everybody, and a browser has six
 * connections. */
const AT_A_TIME = 3;

/** The last sequence of each stream: how fast it is published to. */
export const published = new History();
/** The deliveries of each consumer, and what waits for it. */
export const delivered = new History();
export const lag = new History();

/** The name of a consumer among all. */
export function consumerKey({ stream, name }: { stream: string; name: string }): string {
  return `${stream}/${name}`;
}

export async function listStreams(signal: AbortSignal): Promise<Stream[]> {
  const streams: Stream[] = [];
  for (let pageToken = "", more = true; more; more = pageToken !== "") {
    const page = await client.services.streams.listStreams({ pageSize: PAGE, pageToken }, { signal });
    streams.push(...page.streams, ...page.missing.map(streamWithoutLeader));
    pageToken = page.nextPageToken;
  }
  for (const { config, state } of streams) published.note(config!.name, state!.lastSequence);
  published.keepOnly(new Set(streams.map(({ config }) => config!.name)));
  return streams;
}

export async function listConsumers(stream: string, signal: AbortSignal): Promise<Consumer[]> {
  const consumers: Consumer[] = [];
  for (let pageToken = "", more = true; more; more = pageToken !== "") {
    const page = await client.services.consumers.listConsumers({ stream, pageSize: PAGE, pageToken }, { signal });
    consumers.push(...page.consumers, ...page.missing.map((name) => consumerWithoutLeader(stream, name)));
    pageToken = page.nextPageToken;
  }
  consumers.forEach(noteConsumer);
  return consumers;
}

/** What is known of a stream that is in the list by its name alone. */
function streamWithoutLeader(name: string): Stream {
  return create(StreamSchema, { config: { name }, state: {}, cluster: {} });
}

function consumerWithoutLeader(stream: string, name: string): Consumer {
  return create(ConsumerSchema, { stream, name, config: {}, state: {}, cluster: {} });
}

/** Those of all streams. A stream that is deleted meanwhile has none. */
export async function listAllConsumers(signal: AbortSignal): Promise<Consumer[]> {
  const streams = await listStreams(signal);
  const left = streams.filter(({ state }) => state!.consumerCount > 0).map(({ config }) => config!.name);
  const consumers: Consumer[] = [];
  const worker = async () => {
    for (let stream = left.pop(); stream !== undefined; stream = left.pop()) {
      consumers.push(...(await listConsumers(stream, signal).catch(goneIsNone)));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  const keys = new Set(consumers.map(consumerKey));
  for (const history of [delivered, lag]) history.keepOnly(keys);
  return consumers;
}

function goneIsNone(error: unknown): Consumer[] {
  if ((error as { reason?: string }).reason === "STREAM_NOT_FOUND") return [];
  throw error;
}

/** Notes where a consumer stands. */
export function noteConsumer(consumer: Consumer): void {
  const { state } = consumer;
  delivered.note(consumerKey(consumer), state?.delivered?.consumerSequence ?? 0n);
  lag.note(consumerKey(consumer), state?.numPending ?? 0n);
}

/** The sessions of all replicas, and which of these answered. */
export interface Sessions {
  readonly sessions: SessionInfo[];
  readonly replicas: readonly ReplicaInfo[];
}

export async function listSessions(of: { stream?: string; consumer?: string }, signal: AbortSignal): Promise<Sessions> {
  const sessions: SessionInfo[] = [];
  let replicas: readonly ReplicaInfo[] = [];
  for (let pageToken = "", more = true; more; more = pageToken !== "") {
    const request = { ...of, pageSize: SESSIONS, pageToken };
    const page = await client.services.gateway.listSessions(request, { signal });
    sessions.push(...page.sessions);
    replicas = page.replicas;
    pageToken = page.nextPageToken;
  }
  return { sessions, replicas };
}
