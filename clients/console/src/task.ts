// What is done on request: one at a time, it can be stopped, and what comes late counts no more.

import { useEffect, useRef, useState } from "preact/hooks";
import type { JetgateError } from "jetgate/web";
import { asError, heard } from "./gateway";

export interface Task {
  /** Whether it is being done. */
  readonly busy: boolean;
  /** Why it failed. */
  readonly error: JetgateError | undefined;
  /** Does something, in the place of what is being done. */
  readonly run: (act: (signal: AbortSignal) => Promise<void>) => void;
  readonly stop: () => void;
}

/** A task that ends with its part of the page. */
export function useTask(): Task {
  const [{ busy, error }, show] = useState<{ busy: boolean; error?: JetgateError }>({ busy: false });
  const running = useRef<AbortController | undefined>(undefined);
  const stop = () => running.current?.abort();
  useEffect(() => stop, []);

  const run: Task["run"] = (act) => {
    stop();
    const mine = (running.current = new AbortController());
    show({ busy: true });
    const ended = (error?: JetgateError) => {
      if (!mine.signal.aborted) heard(error);
      if (running.current === mine) show({ busy: false, error: mine.signal.aborted ? undefined : error });
    };
    act(mine.signal).then(
      () => ended(),
      (cause: unknown) => ended(asError(cause)),
    );
  };
  return { busy, error, run, stop };
}
