// Connections to the gateways of a target: one at a time, to the first that answers.

import type { Call, CallHandler, CallOptions, Channel } from "../channel.js";
import { Code, JetgateError } from "../errors.js";
import { HttpCall } from "./call.js";
import { Connection } from "./connection.js";
import { type TlsOptions, parseTargets } from "./target.js";

/** How a channel connects. */
export interface NodeChannelOptions {
  tls?: TlsOptions | undefined;
  /** Metadata of every call, asked for each: credentials that expire are fresh. */
  metadata?: (() => Promise<Record<string, string>>) | undefined;
  /** The largest message that is taken, in bytes. */
  maxMessageBytes: number;
}

/** A channel over HTTP/2. */
export class NodeChannel implements Channel {
  private readonly urls: URL[];
  private next: number;
  private current: Connection | undefined;
  private connecting: Promise<Connection> | undefined;
  private readonly calls = new Set<HttpCall>();
  private closed = false;

  constructor(
    target: string | readonly string[],
    private readonly options: NodeChannelOptions,
  ) {
    this.urls = parseTargets(target, options.tls !== undefined);
    // Clients that are given the same list do not all go to its first.
    this.next = Math.floor(Math.random() * this.urls.length);
  }

  call(path: string, options: CallOptions, handler: CallHandler): Call {
    const call = new HttpCall(path, options, handler, this.options.maxMessageBytes, () => this.calls.delete(call));
    this.calls.add(call);
    void this.begin(call);
    return call;
  }

  close(): void {
    this.closed = true;
    for (const call of [...this.calls]) call.cancel();
    this.current?.retire();
    this.current?.destroy();
  }

  private async begin(call: HttpCall): Promise<void> {
    try {
      const metadata = await this.options.metadata?.();
      const connection = this.current?.usable ? this.current : await this.connect();
      call.begin(connection, metadata ?? {});
    } catch (error) {
      call.fail(error);
    }
  }

  /** Calls that need a connection at the same time share the attempt. */
  private connect(): Promise<Connection> {
    this.connecting ??= this.tryAll().finally(() => (this.connecting = undefined));
    return this.connecting;
  }

  /** Each address once. The one that answered last is not the first to be tried again. */
  private async tryAll(): Promise<Connection> {
    const failures: JetgateError[] = [];
    for (const _ of this.urls) {
      if (this.closed) break;
      const url = this.urls[this.next];
      this.next = (this.next + 1) % this.urls.length;
      try {
        const connection = await Connection.open(url, this.options.tls);
        if (this.closed) connection.destroy();
        else return (this.current = connection);
      } catch (error) {
        failures.push(error as JetgateError);
      }
    }
    if (this.closed) throw new JetgateError({ code: Code.CANCELLED, message: "the client is closed", unsent: true });
    if (failures.length === 1) throw failures[0];
    const message = failures.map((failure) => failure.message).join("; ");
    throw new JetgateError({ code: Code.UNAVAILABLE, message, cause: failures[0], unsent: true });
  }
}
