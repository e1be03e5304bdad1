// Reading stored messages for people: a page of them, from some place on or up to some place, by ordered reads that no
// consumer notices.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SubscriberService } from "jetgate/proto/subscriber";
import { DeliverPolicy, type Message, type SubscriptionOptions } from "jetgate/web";
import { client } from "../caller";
import { grpcurl } from "../grpcurl";

/** Where a page begins, or ends. */
export type From =
  | { readonly kind: "newest" }
  | { readonly kind: "oldest" }
  | { readonly kind: "sequence"; readonly sequence: bigint }
  | { readonly kind: "before"; readonly sequence: bigint }
  | { readonly kind: "time"; readonly time: Date }
  | { readonly kind: "last per subject" };

/** How many messages a page has. */
export const PAGE = 50;
/** The longest wait for the next message of a page. */
const PATIENCE_MS = 10_000;
/** What the operators of the gateway see of such a read. */
const CLIENT_NAME = "console";

/** The sequences that a stream has. */
export interface Extent {
  readonly first: bigint;
  readonly last: bigint;
}

/** A page of the messages whose subject matches, in the order of the stream. */
export function read(stream: string, extent: Extent, from: From, filter: string): Promise<Message[]> {
  switch (from.kind) {
    case "newest":
      return back(stream, extent, extent.last + 1n, filter);
    case "before":
      return back(stream, extent, from.sequence, filter);
    default:
      return forward(stream, { from: startOf(extent, from), until: "last" }, filter);
  }
}

/** A read that has these messages, as a command. */
export function command(stream: string, extent: Extent, from: From, filter: string): string {
  const start = startOf(extent, from);
  const filterSubjects = filter ? [filter] : [];
  const ordered =
    typeof start !== "object"
      ? { deliverPolicy: start === "lastPerSubject" ? DeliverPolicy.LAST_PER_SUBJECT : DeliverPolicy.ALL }
      : "time" in start
        ? { deliverPolicy: DeliverPolicy.BY_START_TIME, optStartTime: timestampFromDate(start.time) }
        : { deliverPolicy: DeliverPolicy.BY_START_SEQUENCE, optStartSeq: BigInt(start.sequence) };
  return grpcurl(SubscriberService.method.subscribe, {
    stream,
    source: { case: "ordered", value: { ...ordered, filterSubjects } },
    stopAt: { position: { case: "last", value: true } },
  });
}

/** Where a read begins that has these messages, without a filter no others before them. */
function startOf({ first, last }: Extent, from: From): NonNullable<SubscriptionOptions["from"]> {
  switch (from.kind) {
    case "oldest":
      return "all";
    case "sequence":
      return { sequence: from.sequence };
    case "time":
      return { time: from.time };
    case "last per subject":
      return "lastPerSubject";
    case "newest":
    case "before": {
      const start = (from.kind === "before" ? from.sequence : last + 1n) - BigInt(PAGE);
      return { sequence: start > first ? start : first };
    }
  }
}

/** The first messages of a read. */
async function forward(stream: string, options: SubscriptionOptions, filter: string): Promise<Message[]> {
  const messages: Message[] = [];
  await each(stream, options, filter, (message) => messages.push(message) < PAGE);
  return messages;
}

/** The last messages before a sequence: nothing is read backwards, so longer and longer pieces are looked through. */
async function back(stream: string, { first }: Extent, before: bigint, filter: string): Promise<Message[]> {
  let found: Message[] = [];
  let end = before;
  for (let span = BigInt(PAGE); found.length < PAGE && end > first; span *= 4n) {
    const start = end - span > first ? end - span : first;
    const piece: Message[] = [];
    await each(stream, { from: { sequence: start }, until: { sequence: end - 1n } }, filter, (message) => {
      if (piece.push(message) > PAGE) piece.shift();
      return true;
    });
    found = [...piece, ...found].slice(-PAGE);
    end = start;
  }
  return found;
}

/** Hands out messages until one of them is enough. */
async function each(
  stream: string,
  options: SubscriptionOptions,
  filter: string,
  more: (message: Message) => boolean,
): Promise<void> {
  const filterSubjects = filter ? [filter] : undefined;
  const subscription = client.subscribe(stream, { ...options, filterSubjects, clientName: CLIENT_NAME });
  try {
    for (;;) {
      const message = await subscription.receive(PATIENCE_MS);
      if (!message || !more(message)) return;
    }
  } finally {
    subscription.close();
  }
}
