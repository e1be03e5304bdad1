// A search through the messages of a stream, step by step: each looks through so many sequences and no more. Nothing is
// read backwards: whoever looks back reads longer and longer pieces, one before the other.

import type { Looked } from "./looked";
import type { Limit, Part } from "./reading";

/** Where a page of messages begins, or ends. */
export type From =
  | { readonly kind: "newest" }
  | { readonly kind: "oldest" }
  | { readonly kind: "sequence"; readonly sequence: bigint }
  | { readonly kind: "before"; readonly sequence: bigint }
  | { readonly kind: "time"; readonly time: Date }
  | { readonly kind: "last per subject" };

/** How many messages a page has. */
export const PAGE = 50;
/** How many sequences a step looks through, unless a single piece has more. */
export const STEP = 100_000n;

/** The longest piece. */
const LONGEST = 10_000_000n;
/** How much longer a piece is than the one before, and how much shorter after one that was too much. */
const LONGER = 4n;
const SHORTER = 16n;
/** A piece with more than this is too much where only its end is wanted. */
const MOST: Limit = { messages: 10 * PAGE, bytes: 16 << 20 };

/** Sequences from the first to the last of them; none where the last comes before the first. */
export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

export function length({ first, last }: Range): bigint {
  return last < first ? 0n : last - first + 1n;
}

export interface Search {
  readonly from: From;
  readonly filter: string;
  /** What is to be looked through, and what is left of it. */
  readonly whole: Range;
  readonly left: Range;
  /** What was found, in the order of the stream. */
  readonly found: readonly Looked[];
  /** How long the next piece is. */
  readonly span: bigint;
  /** The last piece ended in silence. */
  readonly silent: boolean;
}

export function begin(from: From, filter: string, whole: Range): Search {
  return { from, filter, whole, left: whole, found: [], span: BigInt(PAGE), silent: false };
}

/** Whether the newest are looked for, from the end on. */
export function isBackward({ kind }: From): boolean {
  return kind === "newest" || kind === "before";
}

/** Whether it has a page, or everything that there is. */
export function isComplete({ found, left }: Search): boolean {
  return found.length >= PAGE || length(left) === 0n;
}

/** What was looked through so far. */
export function seen({ from, whole, left }: Search): Range {
  return isBackward(from) ? { first: left.last + 1n, last: whole.last } : { first: whole.first, last: left.first - 1n };
}

/** What is looked through next. */
export function nextPiece({ from, left, span }: Search): Range {
  if (length(left) <= span) return left;
  return isBackward(from) ? { ...left, first: left.last - span + 1n } : { ...left, last: left.first + span - 1n };
}

/** What may come of it at most: who looks forward stops at a full page. */
export function limitOf({ from, found }: Search, piece: Range): Limit {
  if (!isBackward(from)) return { messages: PAGE - found.length, bytes: Infinity };
  return length(piece) <= PAGE ? { messages: Infinity, bytes: Infinity } : MOST;
}

/** The search once a piece was read. */
export function after(search: Search, piece: Range, { messages, end }: Part): Search {
  const silent = end === "silence";
  const span = spanAfter(piece, end);
  if (isBackward(search.from)) {
    if (end !== "all") return { ...search, span, silent };
    const found = [...messages, ...search.found].slice(-PAGE);
    return { ...search, found, span, silent, left: { ...search.left, last: piece.first - 1n } };
  }
  const found = [...search.found, ...messages];
  const through = end === "all" ? piece.last : (messages.at(-1)?.sequence ?? search.left.first - 1n);
  return { ...search, found, span, silent, left: { ...search.left, first: through + 1n } };
}

function spanAfter(piece: Range, end: Part["end"]): bigint {
  const span = end === "all" ? length(piece) * LONGER : length(piece) / SHORTER;
  return span > LONGEST ? LONGEST : span < PAGE ? BigInt(PAGE) : span;
}
