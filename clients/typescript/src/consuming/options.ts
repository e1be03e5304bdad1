// How a consumer works, as a program says it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { JetgateError } from "../errors.js";
import type { Gap } from "../gen/jetgate/v1/session_pb.js";
import type { PriorityOptionsSchema } from "../gen/jetgate/v1/source_pb.js";
import type { Message } from "./message.js";

/** How a consumer works. Every option has a default. */
export interface ConsumerOptions {
  /** How many messages may be out, unsettled; those that wait in the client count. Default 1,024. */
  maxOutstanding?: number;
  /** How many bytes. Unset is the gateway's default (8 MiB). */
  maxOutstandingBytes?: number;

  /**
   * For how long after its delivery the lease of a message is extended while the program works on it. 0: never, then
   * ack_wait decides. Default 10 min.
   */
  leaseMs?: number;

  /** When what this consumer holds comes again if the program vanishes. Default "delayed": after about a second. */
  onSessionEnd?: "delayed" | "now" | "leave";

  /** The place in a priority group, where the consumer has them. */
  priority?: MessageInitShape<typeof PriorityOptionsSchema>;

  /** Who consumes, for the operators of the gateway. */
  clientName?: string;

  /** Told of an acknowledgement, without `confirm`, that was refused. */
  onSettleFailed?: (error: JetgateError, message: Message) => void;

  /** Told that the stream no longer has some messages; of an ephemeral consumer only. */
  onGap?: (gap: Gap) => void;

  /** Told that the session was lost, and why; the consumer reconnects by itself. */
  onDisconnected?: (error: JetgateError | undefined) => void;
}

/** How `run` works. */
export interface RunOptions {
  /** How many messages are worked on at a time. Default 1. */
  concurrency?: number;
  /** After how long a message whose handler has failed comes again. Default 1 s. */
  retryDelayMs?: number;
  /** Told of a handler that has failed. */
  onError?: (error: unknown, message: Message) => void;
}
