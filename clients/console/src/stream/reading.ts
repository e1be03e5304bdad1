// Ordered reads for people, which no consumer notices: each takes so many messages and no more, and waits so long.

import { client } from "../caller";
import { heard } from "../gateway";
import type { SubscriptionOptions } from "jetgate/web";
import { type Looked, looked } from "./looked";

/** The longest wait for the next message. */
export const PATIENCE_MS = 10_000;
/** What the operators of the gateway see of a read. */
export const CLIENT_NAME = "console";

/** What a read takes at most; the last one may be larger than what is left of the bytes. */
export interface Limit {
  readonly messages: number;
  readonly bytes: number;
}

/** What came, and how it ended: all was read, the limit was reached, or nothing came for long. */
export interface Part {
  readonly messages: readonly Looked[];
  readonly end: "all" | "limit" | "silence";
}

/** Reads the messages whose subject matches, in the order of the stream. */
export async function read(
  stream: string,
  options: SubscriptionOptions,
  filter: string,
  limit: Limit,
  signal: AbortSignal,
): Promise<Part> {
  signal.throwIfAborted();
  const filterSubjects = filter ? [filter] : undefined;
  const subscription = client.subscribe(stream, { ...options, filterSubjects, clientName: CLIENT_NAME, onDisconnected: heard });
  const close = () => subscription.close();
  signal.addEventListener("abort", close, { once: true });

  const messages: Looked[] = [];
  let bytes = 0;
  let end: Part["end"] = "all";
  const giveUp = () => {
    end = "silence";
    close();
  };
  let timer = setTimeout(giveUp, PATIENCE_MS);
  try {
    for await (const message of subscription) {
      clearTimeout(timer);
      messages.push(looked(message));
      bytes += message.data.length;
      if (messages.length >= limit.messages || bytes >= limit.bytes) {
        end = "limit";
        break;
      }
      timer = setTimeout(giveUp, PATIENCE_MS);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", close);
    close();
  }
  signal.throwIfAborted();
  return { messages, end };
}
