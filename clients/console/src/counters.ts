// How the counters of streams and consumers moved, as far as the caller has looked at them. What is gone is forgotten.

import type { Consumer } from "jetgate/proto/consumer";
import type { Stream } from "jetgate/proto/stream";
import { ofCaller } from "./caller";
import { History } from "./history";

/** The last sequence of each stream: how fast it is published to. */
export const published = ofCaller(() => new History());
/** The deliveries of each consumer, and what waits for it. */
export const delivered = ofCaller(() => new History());
export const lag = ofCaller(() => new History());

/** What names a consumer among all. */
interface Named {
  readonly stream: string;
  readonly name: string;
}

export function consumerKey({ stream, name }: Named): string {
  return `${stream}/${name}`;
}

/** No name of a stream has a slash. */
function streamOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}

export function noteStream({ config, state }: Stream): void {
  published().note(config!.name, state!.lastSequence);
}

/** These are all streams that there are. */
export function noteStreams(streams: readonly Stream[]): void {
  const consumers = new Map(streams.map(({ config, state }) => [config!.name, state!.consumerCount]));
  published().forget((name) => !consumers.has(name));
  forgetConsumers((key) => !consumers.get(streamOf(key)));
  streams.forEach(noteStream);
}

export function forgetStream(name: string): void {
  published().forget((other) => other === name);
  forgetConsumers((key) => streamOf(key) === name);
}

export function noteConsumer(consumer: Consumer): void {
  const { state } = consumer;
  delivered().note(consumerKey(consumer), state?.delivered?.consumerSequence ?? 0n);
  lag().note(consumerKey(consumer), state?.numPending ?? 0n);
}

/** Forgets all consumers but these, or all of a stream. */
export function forgetOthers(consumers: readonly Consumer[], stream?: string): void {
  const keys = new Set(consumers.map(consumerKey));
  forgetConsumers((key) => (stream === undefined || streamOf(key) === stream) && !keys.has(key));
}

export function forgetConsumer(consumer: Named): void {
  forgetConsumers((key) => key === consumerKey(consumer));
}

function forgetConsumers(isGone: (key: string) => boolean): void {
  for (const history of [delivered(), lag()]) history.forget(isGone);
}
