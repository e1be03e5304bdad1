// What a page shows is asked for again and again, while somebody looks.

import { effect, untracked } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Code, type JetgateError } from "jetgate/web";
import { asError, caller, credentials, heard, link } from "./gateway";

/** What is known so far. */
export interface Polled<T> {
  /** The last answer; it stays while the gateway is away. */
  readonly data: T | undefined;
  /** Why the last question had none. */
  readonly error: JetgateError | undefined;
  /** Asks now. */
  readonly refresh: () => void;
}

/** An answer that took long is not asked for more often than this many times its time. */
const REST = 4;

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
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    const later = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => void next(), ms);
    };
    const next = async () => {
      if (asking || document.hidden || abort.signal.aborted) return;
      asking = true;
      const begun = performance.now();
      const { data, error } = await answerOf(question.current, abort.signal);
      asking = false;
      if (abort.signal.aborted) return;
      heard(error);
      show((last) => ({ key, data: data ?? (last.key === key ? last.data : undefined), error }));
      later(Math.max(everyMs, REST * (performance.now() - begun)));
    };
    const visible = () => void next();
    document.addEventListener("visibilitychange", visible);
    // Whoever signs in, and a gateway that is back, is a reason to ask at once.
    const dispose = effect(() => {
      const ready = caller.value >= 0 && link.value !== "lost" && credentials.value === "good";
      if (ready) untracked(() => void next());
    });
    now.current = visible;
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", visible);
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
