// What holds a consumer's messages up, as far as it can be seen from outside.

import type { Consumer } from "jetgate/proto/consumer";
import type { SessionInfo } from "jetgate/proto/live_session";
import { StallReason } from "jetgate/proto/session";
import { count } from "../format";
import { callerOf, stallOf } from "../sessions/words";

/** What a session that stalls says, for people. */
const STALLS: Partial<Record<StallReason, string>> = {
  [StallReason.WINDOW_FULL]: "holds as many messages as its window has, and has to settle some",
  [StallReason.NOTHING_SETTLED]: "let deliveries expire and has settled nothing since",
  [StallReason.MAX_ACK_PENDING]: "waits for others: the consumer's max_ack_pending is reached",
  [StallReason.MAX_WAITING]: "waits for its turn to pull: too many others do",
  [StallReason.NATS_DISCONNECTED]: "is on a gateway that has lost NATS",
  [StallReason.CONSUMER_LEADERLESS]: "gets no answer from the consumer, which has no leader",
  [StallReason.NOT_PINNED]: "is not the client that its group is pinned to",
  [StallReason.BELOW_OVERFLOW]: "wants messages only when more of them wait",
};

/** The reasons, the most likely first; none where all is well. */
export function reasons({ config, state, cluster }: Consumer, sessions: readonly SessionInfo[]): string[] {
  const found: string[] = [];
  if (cluster && !cluster.leader) found.push("The consumer has no leader.");
  if (state!.paused) found.push("The consumer is paused.");
  const most = config!.maxAckPending ?? 0n;
  if (most > 0n && state!.numAckPending >= most) {
    found.push(`${count(state!.numAckPending)} messages are delivered and not acknowledged, as many as max_ack_pending allows.`);
  }
  if (state!.numPending === 0n) return found;
  if (sessions.length === 0) {
    found.push(
      state!.numWaiting > 0n
        ? "Nobody consumes through the gateway; native NATS clients pull."
        : "Nobody consumes it: there is no session on any replica, and no pull waits.",
    );
  }
  for (const session of sessions) {
    const why = STALLS[stallOf(session)];
    if (why) found.push(`${callerOf(session)} ${why}.`);
  }
  return found;
}
