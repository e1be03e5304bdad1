// The one error type: what went wrong, whether to try again, and the facts that belong to it.

import { getOption } from "@bufbuild/protobuf";
import { ErrorReason, ErrorReasonSchema, type ItemStatus, Retry, reason as reasonOption } from "./gen/jetgate/v1/error_pb.js";
import { type Details, decodeStatus } from "./wire/status.js";

/** The gRPC status codes. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** A gRPC status code by its number. */
export type Code = (typeof Code)[keyof typeof Code];

/**
 * Why the gateway refused, by the names of `error.proto`. Empty where no gateway answered: the connection failed, or
 * the client itself refused. A newer gateway may know others.
 */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED"> | "" | (string & {});

/**
 * Whether repeating may help: `never`; `later`, unchanged; `same_id`, a publish whose message may be stored
 * already; `after_read`, once the current state is known. `unknown` where nobody has said.
 */
export type Retryability = "never" | "later" | "same_id" | "after_read" | "unknown";

/** A field of the request that is wrong, and what is wrong with it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What an error is made of. */
export interface ErrorInit {
  code: number;
  message: string;
  reason?: Reason;
  metadata?: Record<string, string>;
  violations?: FieldViolation[];
  retryDelayMs?: number | undefined;
  cause?: unknown;
  /** Nothing of the call has reached a gateway. */
  unsent?: boolean;
}

/** Every failure that the client reports. Branch on `reason`, or on `code` where that is empty; never on the message. */
export class JetgateError extends Error {
  override readonly name = "JetgateError";

  /** The gRPC status code. */
  readonly code: Code;

  /** Why, by the names of `error.proto`. */
  readonly reason: Reason;

  /** Facts that belong to the reason: `differs` of STREAM_EXISTS, for example. */
  readonly metadata: Readonly<Record<string, string>>;

  /** Which fields of the request are wrong. */
  readonly violations: readonly FieldViolation[];

  /** How long to wait before the next attempt, where the gateway says so. */
  readonly retryDelayMs: number | undefined;

  /** Nothing of the call has reached a gateway. */
  readonly unsent: boolean;

  constructor(init: ErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code as Code;
    this.reason = init.reason ?? "";
    this.metadata = init.metadata ?? {};
    this.violations = init.violations ?? [];
    this.retryDelayMs = init.retryDelayMs;
    this.unsent = init.unsent ?? false;
  }

  /** The status code's name: `NOT_FOUND`. */
  get codeName(): string {
    return codeName(this.code);
  }

  /** Whether repeating may help. */
  get retry(): Retryability {
    return this.reason ? retryOfReason(this.reason) : this.code === Code.UNAVAILABLE ? "later" : "unknown";
  }

  /** Whether the same call may succeed later; a publish only under the same message id. */
  get retryable(): boolean {
    return this.retry === "later" || this.retry === "same_id";
  }
}

/** The name of a status code. */
export function codeName(code: number): string {
  const found = Object.entries(Code).find(([, value]) => value === code);
  return found ? found[0] : `CODE_${code}`;
}

/** The error of a call that ended with `code`, and with `details` (grpc-status-details-bin) where there are any. */
export function fromStatus(code: number, message: string, details?: Uint8Array): JetgateError {
  const known: Details | undefined = details && decodeStatus(details);
  return new JetgateError({ code, message, ...known });
}

/** The error of one item of a call; undefined where the item succeeded. */
export function fromItem(status: ItemStatus | undefined): JetgateError | undefined {
  if (!status || status.code === 0) return undefined;
  const reason = ErrorReason[status.reason] as Reason | undefined;
  return new JetgateError({
    code: status.code,
    message: status.message,
    reason: reason ?? `REASON_${status.reason}`,
    metadata: status.metadata,
  });
}

const RETRIES: Record<number, Retryability> = {
  [Retry.NEVER]: "never",
  [Retry.LATER]: "later",
  [Retry.WITH_SAME_ID]: "same_id",
  [Retry.AFTER_READ]: "after_read",
};

/** The contract itself says whether a reason's calls may be repeated. */
function retryOfReason(reason: string): Retryability {
  const value = ErrorReasonSchema.values.find((each) => each.localName === reason);
  return (value && RETRIES[getOption(value, reasonOption).retry]) ?? "unknown";
}
