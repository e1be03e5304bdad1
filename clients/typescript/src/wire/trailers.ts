// How a status reads that comes in HTTP headers or trailers.

import { Code, JetgateError, fromStatus } from "../errors.js";

/** What the headers of an answer say of its outcome: undefined where they say nothing. */
export function statusOf(header: (name: string) => string | undefined): JetgateError | "ok" | undefined {
  const status = header("grpc-status");
  if (status === undefined) return undefined;
  if (status === "0") return "ok";
  const details = header("grpc-status-details-bin");
  return fromStatus(Number(status), decodeMessage(header("grpc-message")), details ? fromBase64(details) : undefined);
}

/** The error of an answer that is no gateway's: a proxy's, for example. */
export function httpError(status: number | undefined): JetgateError {
  const code = HTTP_CODES[status ?? 0] ?? Code.UNKNOWN;
  return new JetgateError({ code, message: `an HTTP status of ${status} came: no gateway's` });
}

/** What proxies say. */
const HTTP_CODES: Record<number, Code> = {
  400: Code.INTERNAL,
  401: Code.UNAUTHENTICATED,
  403: Code.PERMISSION_DENIED,
  404: Code.UNIMPLEMENTED,
  429: Code.UNAVAILABLE,
  502: Code.UNAVAILABLE,
  503: Code.UNAVAILABLE,
  504: Code.UNAVAILABLE,
};

/** A status message is percent-encoded. */
function decodeMessage(message: string | undefined): string {
  if (!message) return "";
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
