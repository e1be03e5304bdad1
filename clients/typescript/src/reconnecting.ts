// When a stream that has ended is worth another attempt.

import { Code, type JetgateError } from "./errors.js";

/** The gateway, or the way to it, is gone: another attempt may go well. */
export function worthReconnecting(error: JetgateError): boolean {
  return error.reason ? error.retry === "later" : error.code === Code.UNAVAILABLE || error.code === Code.INTERNAL;
}
