// Asking again and again: while somebody sees the page, and never twice at a time.

import { effect } from "@preact/signals";
import { visible } from "./visible";

export interface Repeated {
  /** Asks now; where it is just being asked, once more behind that. */
  readonly now: () => void;
  readonly stop: () => void;
}

/** Asks at once, and again after as many milliseconds as `ask` says. It must not fail. */
export function repeat(ask: (signal: AbortSignal) => Promise<number>): Repeated {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due = 0;
  let asking = false;

  const wait = () => {
    clearTimeout(timer);
    if (asking || abort.signal.aborted || !visible.peek() || due === Infinity) return;
    timer = setTimeout(() => void next(), Math.max(0, due - performance.now()));
  };
  const next = async () => {
    asking = true;
    due = Infinity;
    const rest = await ask(abort.signal);
    asking = false;
    due = Math.min(due, performance.now() + rest);
    wait();
  };
  const dispose = effect(() => {
    // A page that comes into sight asks what has become due meanwhile.
    if (visible.value) wait();
    else clearTimeout(timer);
  });
  return {
    now: () => {
      due = 0;
      wait();
    },
    stop: () => {
      abort.abort();
      clearTimeout(timer);
      dispose();
    },
  };
}
