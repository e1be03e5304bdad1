// What comes of a replay, while it runs and afterwards.

import type { ReplaySummary, ReplayedLetter } from "jetgate/proto/dead_letter";
import { client } from "../caller";

export interface Outcome {
  /** How it ended. */
  readonly summary?: ReplaySummary;
  /** How many letters were looked at so far. */
  readonly looked: number;
  /** Some of those that cannot be published. */
  readonly failed: readonly ReplayedLetter[];
}

export const NOTHING: Outcome = { looked: 0, failed: [] };

/** How many failures are shown. */
const SHOWN = 20;
/** After so many letters it is said how far it is. */
const AT_A_TIME = 100;

type Request = Parameters<typeof client.services.deadLetters.replayDeadLetters>[0];

export async function replay(request: Request, signal: AbortSignal, show: (outcome: Outcome) => void): Promise<void> {
  let outcome = NOTHING;
  for await (const { event } of client.services.deadLetters.replayDeadLetters(request, { signal })) {
    if (event.case === "letter") {
      const hasFailed = event.value.status?.code && outcome.failed.length < SHOWN;
      outcome = { looked: outcome.looked + 1, failed: hasFailed ? [...outcome.failed, event.value] : outcome.failed };
      if (outcome.looked % AT_A_TIME === 0) show(outcome);
    } else if (event.case === "summary") show({ ...outcome, summary: event.value });
  }
}
