// What a page shows is asked for again and again, while somebody looks.

import { effect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Code, type JetgateError } from "jetgate/web";
import { asError, heard, link } from "./gateway";
import { repeat } from "./repeated";

/** What is known so far. */
export interface Polled<T> {
  /** The last answer; it stays while the gateway is away. */
  readonly data: T | undefined;
  /** Why the last question had none. */
  readonly error: JetgateError | undefined;
  /** Asks now. */
  readonly refresh: () => void;
}

/** What does not change is asked for until there is an answer. */
export const ONCE = Infinity;

/** An answer that took long is not asked for more often than this many times its time. */
const REST = 4;
/** The longest time until a question that has failed is asked again. */
const RETRY_MS = 10_000;

/**
 * Asks for something at once and every so many milliseconds, from the beginning where `key` changes. A hidden page asks
 * nothing; a lost gateway is asked as soon as it is back.
 */
export function usePolled<T>(key: string, everyMs: number, ask: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const [state, show] = useState<{ key: string; data?: T; error?: JetgateError }>({ key });
  const now = useRef<() => void>(() => undefined);
  const question = useRef(ask);
  question.current = ask;

  useEffect(() => {
    const polling = repeat(async (signal) => {
      const begun = performance.now();
      const { data, error } = await answerOf(question.current, signal);
      if (signal.aborted) return ONCE;
      heard(error);
      show((last) => ({ key, data: data ?? (last.key === key ? last.data : undefined), error }));
      return Math.max(error ? Math.min(everyMs, RETRY_MS) : everyMs, REST * (performance.now() - begun));
    });
    // A gateway that is back is a reason to ask at once.
    const dispose = effect(() => {
      if (link.value !== "lost") polling.now();
    });
    now.current = polling.now;
    return () => {
      polling.stop();
      dispose();
    };
  }, [key, everyMs]);

  const { data, error } = state.key === key ? state : {};
  return { data, error, refresh: () => now.current() };
}

async function answerOf<T>(ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal) {
  try {
    return { data: await ask(signal) };
  } catch (error) {
    return { error: asError(error) };
  }
}

/** Whether this is about the caller's rights, and not about what was asked for. */
export function isDenied(error: JetgateError): boolean {
  return error.code === Code.PERMISSION_DENIED;
}
