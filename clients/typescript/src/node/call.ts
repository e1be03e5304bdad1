// One gRPC call on an HTTP/2 connection.

import { type ClientHttp2Stream, type IncomingHttpHeaders, constants } from "node:http2";
import type { Call, CallHandler, CallOptions } from "../channel.js";
import { Code, JetgateError } from "../errors.js";
import { VERSION } from "../version.js";
import { Deframer, messageHead } from "../wire/deframer.js";
import { httpError, statusOf } from "../wire/trailers.js";
import type { Connection } from "./connection.js";

/** What is kept of a call that waits for its connection. */
interface Waiting {
  parts: Uint8Array[];
  ended: boolean;
}

/** A call; it can be written to before it has a connection. */
export class HttpCall implements Call {
  private stream: ClientHttp2Stream | undefined;
  private connection: Connection | undefined;
  private waiting: Waiting | undefined = { parts: [], ended: false };
  private status: JetgateError | "ok" | undefined;
  private over = false;
  private paused = false;
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly expires: number | undefined;

  constructor(
    private readonly path: string,
    private readonly options: CallOptions,
    private readonly handler: CallHandler,
    private readonly maxMessageBytes: number,
    private readonly ended: () => void,
  ) {
    if (options.timeoutMs === undefined) return;
    this.expires = Date.now() + options.timeoutMs;
    // The gateway answers a little before the deadline, with details: its answer is waited for.
    this.timer = setTimeout(() => this.expire(), options.timeoutMs + 50);
  }

  /** The connection is there: what was said so far is sent. */
  begin(connection: Connection, metadata: Record<string, string>): void {
    if (this.over) return;
    const stream = connection.request(this.headers(metadata));
    this.stream = stream;
    this.connection = connection;
    this.listen(stream);
    if (this.paused) stream.pause();
    const waiting = this.waiting!;
    this.waiting = undefined;
    for (const part of waiting.parts) stream.write(part);
    if (waiting.ended) stream.end();
    else if (waiting.parts.length > 0) stream.once("drain", () => this.handler.drained?.());
  }

  /** There is no connection, or the call cannot be begun on it. */
  fail(error: unknown): void {
    if (error instanceof JetgateError) return this.close(error);
    const message = error instanceof Error ? error.message : String(error);
    this.close(new JetgateError({ code: Code.UNAVAILABLE, message, cause: error, unsent: true }));
  }

  send(...parts: Uint8Array[]): boolean {
    if (this.over) return false;
    let length = 0;
    for (const part of parts) length += part.length;
    const head = messageHead(length);
    if (this.waiting) {
      this.waiting.parts.push(head, ...parts);
      return false;
    }
    const stream = this.stream!;
    stream.cork();
    let room = stream.write(head);
    for (const part of parts) room = stream.write(part);
    stream.uncork();
    return room;
  }

  end(): void {
    if (this.waiting) this.waiting.ended = true;
    else this.stream?.end();
  }

  cancel(): void {
    const unsent = this.stream === undefined;
    this.close(new JetgateError({ code: Code.CANCELLED, message: "the call was cancelled", unsent }));
  }

  leave(): void {
    this.connection?.retire();
  }

  pause(): void {
    this.paused = true;
    this.stream?.pause();
  }

  resume(): void {
    this.paused = false;
    this.stream?.resume();
  }

  private headers(metadata: Record<string, string>): Record<string, string> {
    const headers: Record<string, string> = {
      ":method": "POST",
      ":path": this.path,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": `jetgate-typescript/${VERSION}`,
      ...metadata,
      ...this.options.metadata,
    };
    if (this.expires !== undefined) headers["grpc-timeout"] = `${Math.max(1, this.expires - Date.now())}m`;
    return headers;
  }

  private listen(stream: ClientHttp2Stream): void {
    const deframer = new Deframer(this.maxMessageBytes, (message) => {
      if (!this.over) this.handler.message(message);
    });
    stream.on("response", (headers) => this.response(headers));
    stream.on("trailers", (headers: IncomingHttpHeaders) => this.readStatus(headers));
    stream.on("drain", () => this.handler.drained?.());
    stream.on("error", () => undefined); // "close" follows
    // A gateway may end a call whose caller has not ended its side: that closes no stream by itself.
    stream.on("end", () => this.status !== undefined && this.close(this.outcome(stream)));
    stream.on("close", () => this.close(this.outcome(stream)));
    stream.on("data", (chunk: Uint8Array) => {
      try {
        deframer.push(chunk);
      } catch (error) {
        const message = `the answer is not understood: ${(error as Error).message}`;
        this.close(new JetgateError({ code: Code.INTERNAL, message, cause: error }));
      }
    });
  }

  private response(headers: IncomingHttpHeaders & { ":status"?: number }): void {
    this.readStatus(headers);
    if (headers[":status"] !== 200) this.status ??= httpError(headers[":status"]);
  }

  private readStatus(headers: IncomingHttpHeaders): void {
    this.status ??= statusOf((name) => headers[name] as string | undefined);
  }

  private outcome(stream: ClientHttp2Stream): JetgateError | undefined {
    if (this.status === "ok") return undefined;
    if (this.status) return this.status;
    const unsent = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
    return new JetgateError({ code: Code.UNAVAILABLE, message: "the connection to the gateway was lost", unsent });
  }

  private expire(): void {
    const message = "the gateway has not answered within the deadline";
    this.close(new JetgateError({ code: Code.DEADLINE_EXCEEDED, message, unsent: this.stream === undefined }));
  }

  private close(error: JetgateError | undefined): void {
    if (this.over) return;
    this.over = true;
    this.waiting = undefined;
    clearTimeout(this.timer);
    if (this.stream && !this.stream.closed) this.stream.close(constants.NGHTTP2_CANCEL);
    this.ended();
    this.handler.closed(error);
  }
}
