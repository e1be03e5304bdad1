// One HTTP/2 connection to a gateway, from its handshake to its end. It never reconnects: another takes its place.

import * as http2 from "node:http2";
import { Code, JetgateError } from "../errors.js";
import type { TlsOptions } from "./target.js";

/** How long a handshake may take. */
const CONNECTING_MS = 5_000;
/** How often a connection that has calls is asked whether it lives, and how long it may take to answer. */
const PING_EVERY_MS = 15_000;
const PING_WITHIN_MS = 10_000;
/** How much the gateway may have on its way to us, for each call and for the connection. */
const CALL_WINDOW = 4 << 20;
const CONNECTION_WINDOW = 32 << 20;
/** Batches come in few pieces. */
const FRAME_BYTES = 1 << 20;

/** A connection that takes calls until it closes or the gateway says that it goes away. */
export class Connection {
  private calls = 0;
  private goingAway = false;
  private readonly pinging: NodeJS.Timeout;

  private constructor(private readonly session: http2.ClientHttp2Session) {
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on("goaway", () => this.retire());
    session.on("error", () => undefined); // its calls are told, each by itself
    session.unref();
    this.pinging = setInterval(() => this.ping(), PING_EVERY_MS).unref();
    session.once("close", () => clearInterval(this.pinging));
  }

  /** Connects; an error that is `unsent` when the gateway is not there. */
  static open(url: URL, tls: TlsOptions | undefined): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const session = http2.connect(url.origin, {
        settings: { initialWindowSize: CALL_WINDOW, maxFrameSize: FRAME_BYTES, enablePush: false },
        ca: tls?.ca as string | undefined,
        cert: tls?.cert as string | undefined,
        key: tls?.key as string | undefined,
        servername: tls?.serverName ?? (isName(url.hostname) ? url.hostname : ""),
      });
      const failed = (why: string, cause?: unknown) => {
        clearTimeout(timer);
        session.destroy();
        const message = `no gateway answers at ${url.host}: ${why}`;
        reject(new JetgateError({ code: Code.UNAVAILABLE, message, cause, unsent: true }));
      };
      const timer = setTimeout(() => failed(`no connection within ${CONNECTING_MS / 1000} s`), CONNECTING_MS);
      const closed = () => failed("the connection was closed");
      const error = (error: Error) => failed(error.message || error.name, error);
      session.once("error", error).once("close", closed);
      // A gateway refuses certificates behind the client's end of the handshake. Node tells its socket alone of that.
      session.once("connect", (_, socket) => void socket.once("error", error));
      // The gateway's settings prove that it is one: a connection alone may be a proxy's.
      session.once("remoteSettings", () => {
        clearTimeout(timer);
        session.off("close", closed).off("error", error);
        resolve(new Connection(session));
      });
    });
  }

  /** Whether it takes another call. */
  get usable(): boolean {
    return !this.goingAway && !this.session.closed && !this.session.destroyed;
  }

  /** Begins a call. */
  request(headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream: false });
    if (this.calls++ === 0) this.session.ref();
    stream.once("close", () => {
      if (--this.calls > 0) return;
      this.session.unref();
      if (this.goingAway) this.session.close();
    });
    return stream;
  }

  /** Takes no more calls, and closes behind the last. */
  retire(): void {
    this.goingAway = true;
    if (this.calls === 0) this.session.close();
  }

  /** Closes it, whatever is under way. */
  destroy(): void {
    this.session.destroy(undefined, http2.constants.NGHTTP2_CANCEL);
  }

  private ping(): void {
    if (this.calls === 0 || this.session.destroyed) return;
    const timer = setTimeout(() => this.session.destroy(new Error("a ping was not answered")), PING_WITHIN_MS).unref();
    const sent = this.session.ping(() => clearTimeout(timer));
    if (!sent) clearTimeout(timer);
  }
}

/** TLS takes no IP address as a server's name. */
function isName(host: string): boolean {
  return !/^[\d.]+$|^\[/.test(host);
}
