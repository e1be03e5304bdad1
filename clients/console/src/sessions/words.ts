// What is said of a session in a word.

import type { SessionInfo } from "jetgate/proto/live_session";
import { DrainingReason, StallReason } from "jetgate/proto/session";
import { words } from "../format";

/** Whom the session is of, by the best name there is. */
export function callerOf({ clientName, identity, peer }: SessionInfo): string {
  return clientName && identity ? `${clientName} (${identity})` : clientName || identity || peer;
}

/** Why it delivers nothing. A full window is seen before a heartbeat says so. */
export function stallOf({ stallReason, outstandingMessages, maxOutstandingMessages }: SessionInfo): StallReason {
  if (stallReason !== StallReason.UNSPECIFIED) return stallReason;
  const full = maxOutstandingMessages > 0 && outstandingMessages >= maxOutstandingMessages;
  return full ? StallReason.WINDOW_FULL : StallReason.UNSPECIFIED;
}

/** An idle session is no trouble. */
export function isStalled(session: SessionInfo): boolean {
  const reason = stallOf(session);
  return reason !== StallReason.UNSPECIFIED && reason !== StallReason.NO_MESSAGES;
}

export function stateOf(session: SessionInfo): string {
  if (session.draining) return `draining: ${words(DrainingReason, session.draining)}`;
  const reason = stallOf(session);
  return reason ? words(StallReason, reason) : "delivers";
}
