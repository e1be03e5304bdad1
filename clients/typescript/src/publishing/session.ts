// One PublishStream, from its opening to its end: frames out, frames in.

import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { Call, Channel } from "../channel.js";
import { Code, JetgateError } from "../errors.js";
import {
  type PublishOpen,
  type PublishOpened,
  type PublishStreamRequest,
  PublishStreamRequestSchema,
} from "../gen/jetgate/v1/publish_stream_pb.js";
import { Liveness } from "../liveness.js";
import { type Answers, readFrame } from "./answers.js";
import type { Run } from "./book.js";
import { frameHead } from "./encoder.js";

const PATH = "/jetgate.v1.PublisherService/PublishStream";
const HEARTBEAT_MS = 15_000;
/** How long the gateway may take to open a stream. */
const OPENING_MS = 15_000;

/** Who is told what the gateway says. */
export interface PublishSessionHandler {
  opened(opened: PublishOpened): void;
  answered(answers: Answers): void;
  /** Another window is in force, or what was sent has left: there may be room. */
  room(): void;
  /** Nothing that is sent from now on is read. */
  draining(): void;
  /** It is over; without an error because the caller has ended it. */
  closed(error: JetgateError | undefined): void;
}

/** A publish stream that was asked for. */
export class PublishSession {
  private readonly call: Call;
  private liveness: Liveness | undefined;
  private readonly opening: NodeJS.Timeout;
  private gone: JetgateError | undefined;
  /** The number of the last message that was sent; 0: none. */
  private lastSent = 0;
  /** How many bytes may be on their way, as the gateway last said. */
  windowBytes = 0;
  /** The transport has room. */
  writable = true;

  constructor(
    channel: Channel,
    open: PublishOpen,
    private readonly handler: PublishSessionHandler,
  ) {
    open.heartbeatInterval = durationFromMs(HEARTBEAT_MS);
    this.call = channel.call(PATH, {}, {
      message: (bytes) => this.read(bytes),
      drained: () => {
        this.writable = true;
        handler.room();
      },
      closed: (error) => {
        clearTimeout(this.opening);
        this.liveness?.stop();
        handler.closed(this.gone ?? error);
      },
    });
    this.opening = setTimeout(() => this.abort("the gateway has not opened the publish stream"), OPENING_MS);
    this.say({ case: "open", value: open });
  }

  /** Sends messages. */
  send(run: Run): void {
    this.lastSent = run.first + run.count - 1;
    this.liveness?.spoke();
    this.writable = this.call.send(frameHead(run.first, run.bytes), ...run.parts);
  }

  /** Goes on behind messages that failed, of those that were sent. */
  resume(): void {
    if (this.lastSent === 0) return;
    this.say({ case: "resume", value: { $typeName: "jetgate.v1.PublishResume", through: BigInt(this.lastSent) } });
  }

  /** No more comes from us: what is in flight is answered, then the stream ends. */
  end(): void {
    this.call.end();
  }

  /** Ends the stream at once. */
  cancel(): void {
    this.call.cancel();
  }

  private say(frame: PublishStreamRequest["frame"]): void {
    this.call.send(toBinary(PublishStreamRequestSchema, create(PublishStreamRequestSchema, { frame })));
  }

  private read(bytes: Uint8Array): void {
    this.liveness?.heard();
    const frame = readFrame(bytes);
    if (frame.case === "acks") this.handler.answered(frame.value);
    else if (frame.case === "opened") this.opened(frame.value);
    else if (frame.case === "flow") {
      this.windowBytes = Number(frame.value.maxInFlightBytes);
      this.handler.room();
    } else if (frame.case === "draining") {
      this.call.leave();
      this.handler.draining();
    }
  }

  private opened(opened: PublishOpened): void {
    clearTimeout(this.opening);
    this.windowBytes = Number(opened.maxInFlightBytes);
    const pingWithin = opened.pingWithin ? durationMs(opened.pingWithin) : 20_000;
    this.liveness = new Liveness(pingWithin, HEARTBEAT_MS, {
      ping: () => this.say({ case: "ping", value: { $typeName: "jetgate.v1.Ping", pingId: 0n } }),
      silent: () => this.abort("the gateway is silent"),
    });
    this.handler.opened(opened);
  }

  private abort(message: string): void {
    this.gone = new JetgateError({ code: Code.UNAVAILABLE, message });
    this.call.leave();
    this.call.cancel();
  }
}
