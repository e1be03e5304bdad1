// What a connection to gateways offers to everything above it: calls that carry whole protobuf messages as bytes.

import type { JetgateError } from "./errors.js";

/** Metadata of a call. */
export type Metadata = Record<string, string>;

/** Who is told what happens in a call. */
export interface CallHandler {
  /** A message came. Its bytes belong to the handler. */
  message(bytes: Uint8Array): void;

  /** What was sent has left; after `send` has said that the caller should wait. */
  drained?(): void;

  /** The call has ended: without an error, it is OK. Nothing comes afterwards. */
  closed(error: JetgateError | undefined): void;
}

/** A call that is under way. */
export interface Call {
  /** Sends a message that lies in `parts`. False: wait for `drained` before sending much more. */
  send(...parts: Uint8Array[]): boolean;

  /** Ends the caller's side. */
  end(): void;

  /** Ends the call at once; `closed` is told CANCELLED. */
  cancel(): void;

  /** No further call goes over this one's connection: its gateway is about to end. */
  leave(): void;

  /** Takes no more messages from the network until `resume`. */
  pause(): void;

  /** Goes on. */
  resume(): void;
}

/** What a call is opened with. */
export interface CallOptions {
  metadata?: Metadata | undefined;
  /** The longest time that the call takes; unset is no limit. */
  timeoutMs?: number | undefined;
}

/** Connections to the gateways of one target. */
export interface Channel {
  /** Begins a call. It is the caller who repeats one that fails. */
  call(path: string, options: CallOptions, handler: CallHandler): Call;

  /** Ends all connections; calls that are under way end as CANCELLED. */
  close(): void;
}
