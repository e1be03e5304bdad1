// Why a publisher fails messages by itself: none of these is stored.

import { Code, JetgateError } from "../errors.js";

/** To publish after `close()`. */
export function closedError(): JetgateError {
  return new JetgateError({ code: Code.CANCELLED, message: "the publisher is closed", unsent: true });
}

/** To publish although the publisher is full. */
export function fullError(): JetgateError {
  const message = "the publisher holds as much as it may: await publisher.ready() before publish()";
  return new JetgateError({ code: Code.RESOURCE_EXHAUSTED, message, unsent: true });
}

/** To be behind a message that failed, with `strict`. */
export function precedingFailed(): JetgateError {
  const message = "a message before this one failed";
  return new JetgateError({ code: Code.ABORTED, reason: "PRECEDING_FAILED", message });
}

/** To have waited for a gateway for too long. */
export function expiredError(): JetgateError {
  const message = "no gateway has taken the message in time; it is not stored";
  return new JetgateError({ code: Code.DEADLINE_EXCEEDED, reason: "DEADLINE_EXCEEDED", message, unsent: true });
}

/** To be larger than the gateway takes. */
export function tooLarge(bytes: number, mostBytes: bigint): JetgateError {
  const message = `a message of ${bytes} bytes is larger than ${mostBytes}`;
  return new JetgateError({ code: Code.INVALID_ARGUMENT, reason: "MESSAGE_TOO_LARGE", message, unsent: true });
}
