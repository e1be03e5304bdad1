// The gateways of a target, reached by gRPC-Web. The browser keeps the connections.

import type { Call, CallHandler, CallOptions, Channel } from "../channel.js";
import { FetchCall } from "./call.js";

/** How a channel calls. */
export interface WebChannelOptions {
  metadata: () => Promise<Record<string, string>>;
  /** The largest message that is taken, in bytes. */
  maxMessageBytes: number;
}

/** A channel by fetch. */
export class WebChannel implements Channel {
  private at = 0;
  private readonly calls = new Set<FetchCall>();

  constructor(
    private readonly urls: readonly string[],
    private readonly options: WebChannelOptions,
  ) {}

  call(path: string, options: CallOptions, handler: CallHandler): Call {
    const at = this.at;
    const url = this.urls[at].replace(/\/$/, "") + path;
    const { metadata, maxMessageBytes } = this.options;
    const call = new FetchCall(url, options, handler, maxMessageBytes, metadata, (unreachable) => {
      this.calls.delete(call);
      // The next call goes elsewhere, unless another one has found that out already.
      if (unreachable && this.at === at) this.at = (at + 1) % this.urls.length;
    });
    this.calls.add(call);
    return call;
  }

  close(): void {
    for (const call of [...this.calls]) call.cancel();
  }
}
