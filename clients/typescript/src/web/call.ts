// One gRPC-Web call by fetch: one message out, any number in, and the outcome in the last frame.

import type { Call, CallHandler, CallOptions } from "../channel.js";
import { Code, JetgateError } from "../errors.js";
import { Deframer, messageHead } from "../wire/deframer.js";
import { httpError, statusOf } from "../wire/trailers.js";

/** The flag of the frame that has the outcome. */
const TRAILERS = 0x80;

/** A call; it begins when its caller has ended his side. */
export class FetchCall implements Call {
  private readonly parts: Uint8Array[] = [];
  private readonly abort = new AbortController();
  private readonly timer: ReturnType<typeof setTimeout> | undefined;
  private over = false;
  private resumed: (() => void) | undefined;
  private paused: Promise<void> | undefined;
  private status: JetgateError | "ok" | undefined;

  constructor(
    private readonly url: string,
    private readonly options: CallOptions,
    private readonly handler: CallHandler,
    private readonly maxMessageBytes: number,
    private readonly metadata: () => Promise<Record<string, string>>,
    private readonly ended: (unreachable: boolean) => void,
  ) {
    if (options.timeoutMs === undefined) return;
    this.timer = setTimeout(() => {
      const message = "the gateway has not answered within the deadline";
      this.close(new JetgateError({ code: Code.DEADLINE_EXCEEDED, message }));
    }, options.timeoutMs + 50);
  }

  send(...parts: Uint8Array[]): boolean {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.parts.push(messageHead(length), ...parts);
    return true;
  }

  end(): void {
    void this.run().catch((error: unknown) => this.close(lost(error), true));
  }

  cancel(): void {
    this.close(new JetgateError({ code: Code.CANCELLED, message: "the call was cancelled" }));
  }

  leave(): void {
    this.ended(true);
  }

  pause(): void {
    this.paused ??= new Promise((resolve) => (this.resumed = resolve));
  }

  resume(): void {
    this.paused = undefined;
    this.resumed?.();
  }

  private async run(): Promise<void> {
    const headers: Record<string, string> = {
      "content-type": "application/grpc-web+proto",
      "x-grpc-web": "1",
      ...(await this.metadata()),
      ...this.options.metadata,
    };
    if (this.options.timeoutMs !== undefined) headers["grpc-timeout"] = `${Math.ceil(this.options.timeoutMs)}m`;
    if (this.over) return;
    const body = new Blob(this.parts as Uint8Array<ArrayBuffer>[]);
    const response = await fetch(this.url, { method: "POST", headers, body, signal: this.abort.signal });
    this.status = statusOf((name) => response.headers.get(name) ?? undefined);
    if (!response.ok) this.status ??= httpError(response.status);
    if (response.body && this.status === undefined) await this.read(response.body.getReader());
    if (this.status === "ok") this.close(undefined);
    else this.close(this.status ?? lost(undefined));
  }

  private async read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const deframer = new Deframer(this.maxMessageBytes, (message, flag) => {
      if (flag & TRAILERS) this.status = readTrailers(message);
      else if (!this.over) this.handler.message(message);
    });
    for (;;) {
      await this.paused;
      const { done, value } = await reader.read();
      if (done || this.over) return;
      deframer.push(value);
    }
  }

  private close(error: JetgateError | undefined, unreachable = false): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    this.resume();
    this.abort.abort();
    this.ended(unreachable);
    this.handler.closed(error);
  }
}

/** Whether anything of the call arrived is not known: a browser does not say. */
function lost(cause: unknown): JetgateError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new JetgateError({ code: Code.UNAVAILABLE, message: `the connection to the gateway was lost${why}`, cause });
}

/** The frame of trailers: lines of a name and a value. */
function readTrailers(bytes: Uint8Array): JetgateError | "ok" | undefined {
  const trailers = new Map<string, string>();
  for (const line of new TextDecoder().decode(bytes).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return statusOf((name) => trailers.get(name));
}
