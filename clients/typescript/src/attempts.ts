// What the attempts of one unary call come to: whether another may help, and what their failures say together.

import { type DescMessage, type DescMethod, type Message, type MessageInitShape, isMessage } from "@bufbuild/protobuf";
import { Code, type JetgateError, inDoubt } from "./errors.js";
import { ErrorReason } from "./gen/jetgate/v1/error_pb.js";
import { type PublishRequest, PublishRequestSchema } from "./gen/jetgate/v1/publish_message_pb.js";
import {
  type PublishBatchRequest,
  PublishBatchMode,
  PublishBatchRequestSchema,
  PublishBatchResponseSchema,
} from "./gen/jetgate/v1/publisher_pb.js";
import { safeForMs } from "./publishing/window.js";

/** What may be done twice: reading, and what the contract calls idempotent. */
const REPEATABLE = /^(Get|List|Create|Apply|Acknowledge|Fetch)/;

/** What is reported of connections that break, or that something between here and the gateway has ended. */
const NO_ANSWER: readonly number[] = [
  Code.CANCELLED,
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
];

/** What a call does to streams. */
interface Effect {
  /** It stores messages: it is an error of its own that nobody knows whether it has. */
  publishes: boolean;
  /** It may be done twice. */
  repeatable: boolean;
  /** The id of its one message; empty where it has several, or none. */
  messageId: string;
  /** Those of a batch. */
  messageIds: string[];
}

/** The attempts of one call. */
export class Attempts {
  private readonly effect: Effect;
  /** When the first attempt began that may have done what it was to do: no later failure takes that back. */
  private openSince: number | undefined;
  /** What the last attempt failed by that had the time to. */
  private told: JetgateError | undefined;

  constructor(method: DescMethod, request: MessageInitShape<DescMessage>) {
    this.effect = effectOf(method, request);
  }

  /** Notes that an attempt, begun at that time, has failed. */
  failed(error: JetgateError, begunAt: number): void {
    if (mayBeDone(error)) this.openSince ??= begunAt;
    if (!hadNoTime(error)) this.told = error;
  }

  /** Whether another attempt at this time may help, and does nothing twice. */
  mayRepeat(error: JetgateError, at: number): boolean {
    if (error.code !== Code.UNAVAILABLE) return false;
    const { publishes, repeatable } = this.effect;
    if (publishes && this.openSince !== undefined && at - this.openSince >= safeForMs(undefined)) return false;
    // A gateway that says "later" has changed nothing; where none has answered, only what never left is sure.
    if (error.reason && !error.outcomeUnknown) return error.retry === "later";
    return error.unsent || repeatable;
  }

  /** What all attempts come to, of which the last has failed so. One that was begun too late says less than those before. */
  verdict(error: JetgateError): JetgateError {
    const { publishes, messageId } = this.effect;
    const told = hadNoTime(error) ? (this.told ?? error) : error;
    if (!publishes || this.openSince === undefined) return told;
    return inDoubt(told, messageId);
  }

  /** What an answer says. Of a batch, an earlier attempt may have stored what this one refuses. */
  answered(response: Message): void {
    if (this.openSince === undefined || !isMessage(response, PublishBatchResponseSchema)) return;
    for (const [at, { status }] of response.results.entries()) {
      if (!status?.code || status.reason === ErrorReason.PUBLISH_OUTCOME_UNKNOWN) continue;
      status.message = `the message may be stored: ${status.message}`;
      status.code = Code.UNAVAILABLE;
      status.reason = ErrorReason.PUBLISH_OUTCOME_UNKNOWN;
      status.metadata = { message_id: this.effect.messageIds[at] };
    }
  }
}

/** Whether the deadline passed before there was a connection. */
function hadNoTime(error: JetgateError): boolean {
  return error.unsent && error.code === Code.DEADLINE_EXCEEDED;
}

/** Whether a gateway may have done what was asked for, for all that this error says. */
function mayBeDone(error: JetgateError): boolean {
  // Where the gateway itself speaks nothing was done, unless it says that nobody knows.
  return error.reason ? error.outcomeUnknown : !error.unsent && NO_ANSWER.includes(error.code);
}

function effectOf(method: DescMethod, request: MessageInitShape<DescMessage>): Effect {
  const { typeName } = method.input;
  if (typeName === PublishRequestSchema.typeName) {
    const { messageId = "", validateOnly = false } = request as Partial<PublishRequest>;
    return { publishes: !validateOnly, repeatable: validateOnly || messageId !== "", messageId, messageIds: [] };
  }
  if (typeName === PublishBatchRequestSchema.typeName) {
    const { mode, messages = [] } = request as Partial<PublishBatchRequest>;
    // A message with an id is stored once, however often it is published.
    const repeatable = mode !== PublishBatchMode.ATOMIC && messages.every((message) => message.messageId);
    const messageIds = messages.map((message) => message.messageId ?? "");
    return { publishes: true, repeatable, messageId: "", messageIds };
  }
  return { publishes: false, repeatable: REPEATABLE.test(method.name), messageId: "", messageIds: [] };
}
