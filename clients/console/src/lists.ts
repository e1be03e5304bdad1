// Streams, consumers and sessions: one, or all of them page by page.

import { create } from "@bufbuild/protobuf";
import { Code, JetgateError } from "jetgate/web";
import { type Consumer, ConsumerSchema } from "jetgate/proto/consumer";
import type { ReplicaInfo, SessionInfo } from "jetgate/proto/live_session";
import { type Stream, StreamSchema } from "jetgate/proto/stream";
import { client } from "./caller";
import { forgetConsumer, forgetOthers, forgetStream, noteConsumer, noteStream, noteStreams } from "./counters";

/** The largest page of streams and of consumers, and that of sessions. */
const PAGE = 256;
const SESSIONS = 1_000;
/** How many streams are asked for their consumers at a time: JetStream's API is for everybody, and a browser has six
 * connections. */
const AT_A_TIME = 3;

export async function getStream(name: string, signal: AbortSignal): Promise<Stream> {
  const stream = await client.streams.get(name, { signal }).catch(unlessGone(() => forgetStream(name)));
  noteStream(stream);
  return stream;
}

export async function getConsumer(stream: string, name: string, signal: AbortSignal): Promise<Consumer> {
  const forget = () => forgetConsumer({ stream, name });
  const consumer = await client.consumers.get(stream, name, { signal }).catch(unlessGone(forget));
  noteConsumer(consumer);
  return consumer;
}

/** What is not there any more has no history either. */
function unlessGone(forget: () => void): (error: unknown) => never {
  return (error) => {
    if (error instanceof JetgateError && error.code === Code.NOT_FOUND) forget();
    throw error;
  };
}

export async function listStreams(signal: AbortSignal): Promise<Stream[]> {
  const streams: Stream[] = [];
  for (let pageToken = "", more = true; more; more = pageToken !== "") {
    const page = await client.services.streams.listStreams({ pageSize: PAGE, pageToken }, { signal });
    streams.push(...page.streams, ...page.missing.map(streamWithoutLeader));
    pageToken = page.nextPageToken;
  }
  noteStreams(streams);
  return streams;
}

export async function listConsumers(stream: string, signal: AbortSignal): Promise<Consumer[]> {
  const consumers = await consumersOf(stream, signal);
  forgetOthers(consumers, stream);
  return consumers;
}

async function consumersOf(stream: string, signal: AbortSignal): Promise<Consumer[]> {
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
      consumers.push(...(await consumersOf(stream, signal).catch(goneIsNone)));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  forgetOthers(consumers);
  return consumers;
}

function goneIsNone(error: unknown): Consumer[] {
  if (error instanceof JetgateError && error.reason === "STREAM_NOT_FOUND") return [];
  throw error;
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
