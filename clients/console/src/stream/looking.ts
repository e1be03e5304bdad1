// Carries a search out: asks the gateway for one piece after the other.

import { Code, JetgateError, type SubscriptionOptions } from "jetgate/web";
import { client } from "../caller";
import { type Part, PATIENCE_MS, read } from "./reading";
import { type From, PAGE, type Range, STEP, type Search, after, begin, isComplete, length, limitOf, nextPiece } from "./search";

/** A search that has not looked at anything yet. */
export async function open(stream: string, from: From, filter: string, signal: AbortSignal): Promise<Search> {
  const { state } = await client.streams.get(stream, { signal });
  const { firstSequence: first, lastSequence: last, messages } = state!;
  if (messages === 0n) return begin(from, filter, { first: 1n, last: 0n });
  return begin(from, filter, await rangeOf(stream, from, { first, last }, signal));
}

/** The part of a stream that is behind or before a place. */
async function rangeOf(stream: string, from: From, { first, last }: Range, signal: AbortSignal): Promise<Range> {
  switch (from.kind) {
    case "before":
      return { first, last: from.sequence - 1n < last ? from.sequence - 1n : last };
    case "sequence":
      return { first: from.sequence > first ? from.sequence : first, last };
    case "time":
      return { first: await sequenceAt(stream, from.time, signal) ?? last + 1n, last };
    default:
      return { first, last };
  }
}

/** The first message that was stored at a time or later. */
async function sequenceAt(stream: string, time: Date, signal: AbortSignal): Promise<bigint | undefined> {
  const { messages, end } = await read(stream, { from: { time }, until: "last" }, "", { messages: 1, bytes: Infinity }, signal);
  if (end === "silence") throw new JetgateError({ code: Code.DEADLINE_EXCEEDED, message: SILENCE });
  return messages[0]?.sequence;
}

/** What is said where nothing came. */
export const SILENCE = `The gateway has sent nothing for ${PATIENCE_MS / 1_000} s.`;

/** Takes a search one step further, and shows it after each piece. */
export async function step(stream: string, search: Search, signal: AbortSignal, show: (search: Search) => void): Promise<void> {
  let looked = 0n;
  for (let now = search; ; ) {
    const piece = nextPiece(now);
    if (length(piece) > 0n) now = await lookThrough(stream, now, piece, signal);
    show(now);
    looked += length(piece);
    if (isComplete(now) || now.silent || looked >= STEP) return;
  }
}

async function lookThrough(stream: string, search: Search, piece: Range, signal: AbortSignal): Promise<Search> {
  if (search.from.kind === "last per subject") return lastOfEach(stream, search, signal);
  const options = { from: { sequence: piece.first }, until: { sequence: piece.last } };
  const part = await read(stream, options, search.filter, limitOf(search, piece), signal);
  return after(search, piece, part);
}

/** Where the last of each subject are, nobody knows: they are found at once. */
async function lastOfEach(stream: string, search: Search, signal: AbortSignal): Promise<Search> {
  const options: SubscriptionOptions = { from: "lastPerSubject", until: "last" };
  const part: Part = await read(stream, options, search.filter, { messages: PAGE, bytes: Infinity }, signal);
  const silent = part.end === "silence";
  const left = silent ? search.left : { first: search.whole.last + 1n, last: search.whole.last };
  return { ...search, found: part.messages, left, silent };
}
