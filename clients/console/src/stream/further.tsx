// The way from a page of messages to what lies before and behind.

import { count } from "../format";
import type { Looked } from "./looked";
import { type From, PAGE, type Search, isBackward, isComplete } from "./search";

interface Props {
  /** As they are shown. */
  messages: readonly Looked[];
  of: Search;
  go: (from: From) => void;
}

export function Further({ messages, of, go }: Props) {
  if (messages.length === 0) return null;
  const isFull = messages.length >= PAGE;
  if (of.from.kind === "last per subject") {
    return isFull ? <p class="quiet">These are the first {PAGE}: a subject pattern shows others.</p> : null;
  }
  const [one, other] = [messages[0].sequence, messages.at(-1)!.sequence];
  const [first, last] = isBackward(of.from) ? [other, one] : [one, other];
  return (
    <div class="tools">
      <button type="button" onClick={() => go({ kind: "before", sequence: first })}>
        Before {count(first)}
      </button>
      <button type="button" onClick={() => go({ kind: "sequence", sequence: last + 1n })}>
        Behind {count(last)}
      </button>
      <button type="button" onClick={() => go({ kind: "newest" })}>
        Newest
      </button>
      {!isFull && isComplete(of) && <span class="quiet">That is all there is here.</span>}
    </div>
  );
}
