// The letters that match, the newest first: a page of them, looked at now and then, and more of them on request.

import { useState } from "preact/hooks";
import type { ListDeadLettersResponse } from "jetgate/proto/dead_letter";
import { client } from "../caller";
import { type Polled, usePolled } from "../polled";
import { type Task, useTask } from "../task";
import type { Selection } from "./replay";

/** How many letters are read at a time. */
export const PAGE = 50;
/** How many are kept at most; whoever looks for others narrows them down. */
export const KEPT = 1_000;

/** Time between two looks. */
const EVERY_MS = 30_000;

export type Page = Pick<ListDeadLettersResponse, "letters" | "nextPageToken">;

export interface Pages {
  /** The letters on all pages that were asked for. */
  readonly shown: Polled<Page>;
  /** There are several: they stay as they are. */
  readonly several: boolean;
  /** Others have come since. */
  readonly areOld: boolean;
  /** Reads the next page. */
  readonly more: () => void;
  readonly reading: Task;
  /** Begins anew with the newest. */
  readonly newest: () => void;
}

export function usePages(filter: Selection["filter"]): Pages {
  const list = (pageToken: string, signal: AbortSignal) =>
    client.services.deadLetters.listDeadLetters({ filter, pageSize: PAGE, pageToken }, { signal });
  const first = usePolled<Page>("letters", EVERY_MS, (signal) => list("", signal));
  const [several, setSeveral] = useState<Page>();
  const reading = useTask();
  const shown = several ? { ...first, data: several } : first;
  return {
    shown,
    several: several !== undefined,
    areOld: several !== undefined && first.data?.letters[0]?.letterId !== several.letters[0]?.letterId,
    more: () =>
      reading.run(async (signal) => {
        const { letters, nextPageToken } = shown.data!;
        const next = await list(nextPageToken, signal);
        setSeveral({ letters: [...letters, ...next.letters], nextPageToken: next.nextPageToken });
      }),
    reading,
    newest: () => {
      reading.stop();
      setSeveral(undefined);
      first.refresh();
    },
  };
}
