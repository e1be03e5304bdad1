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

/** The reason of a publish whose message may be stored. */
export const OUTCOME_UNKNOWN = "PUBLISH_OUTCOME_UNKNOWN";

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
    if (!this.reason) return this.code === Code.UNAVAILABLE ? "later" : "unknown";
    return retryOfReason(this.reason) ?? RETRIES_BY_CODE[this.code] ?? "unknown";
  }

  /** A publish that failed so may have stored its message: `metadata.message_id` is the id to publish it again with. */
  get outcomeUnknown(): boolean {
    return this.reason === OUTCOME_UNKNOWN;
  }

  /** Whether the same call may succeed later; a publish only under the same message id. */
  get retryable(): boolean {
    return this.retry === "later" || this.retry === "same_id";
  }
}

/** The error of a message that was sent, and whose answer is lost. */
export function outcomeUnknown(why: string, messageId: string, cause?: JetgateError): JetgateError {
  const kept: number[] = [Code.CANCELLED, Code.DEADLINE_EXCEEDED];
  return new JetgateError({
    code: cause && kept.includes(cause.code) ? cause.code : Code.UNAVAILABLE,
    reason: OUTCOME_UNKNOWN,
    message: `the message may be stored: ${why}`,
    metadata: messageId ? { message_id: messageId } : {},
    cause,
  });
}

/** What a failure comes to where an earlier attempt may have stored the message. */
export function inDoubt(error: JetgateError, messageId: string): JetgateError {
  if (error.outcomeUnknown && (error.metadata.message_id || !messageId)) return error;
  return outcomeUnknown(error.message, messageId, error);
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

/** The contract itself says whether a reason's calls may be repeated; undefined where the reason is younger than this. */
function retryOfReason(reason: string): Retryability | undefined {
  const value = ErrorReasonSchema.values.find((each) => each.localName === reason);
  return value && RETRIES[getOption(value, reasonOption).retry];
}

/** What a gateway means by a code, whatever its reason is. */
const RETRIES_BY_CODE: Partial<Record<Code, Retryability>> = {
  [Code.UNAVAILABLE]: "later",
  [Code.DEADLINE_EXCEEDED]: "later",
  [Code.RESOURCE_EXHAUSTED]: "later",
  [Code.ABORTED]: "after_read",
};
