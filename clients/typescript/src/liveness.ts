// The clock of a bidirectional stream: pings the gateway in time, and notices when it says nothing.

/** What the clock asks its session to do. */
export interface LivenessHandler {
  /** Nothing was sent for a while. */
  ping(): void;

  /** The gateway has been silent for twice its heartbeat. */
  silent(): void;
}

/** Runs while a session is open. */
export class Liveness {
  private heardAt = Date.now();
  private spokeAt = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(pingWithinMs: number, heartbeatMs: number, handler: LivenessHandler) {
    const tick = Math.max(100, Math.min(pingWithinMs, heartbeatMs) / 4);
    this.timer = setInterval(() => {
      const now = Date.now();
      // A program that was itself held up for long has not listened: what came meanwhile is read first.
      if (now - this.heardAt > 2 * heartbeatMs + tick) return handler.silent();
      if (now - this.spokeAt > pingWithinMs / 2) {
        this.spokeAt = now;
        handler.ping();
      }
    }, tick);
  }

  /** A frame came. */
  heard(): void {
    this.heardAt = Date.now();
  }

  /** A frame was sent. */
  spoke(): void {
    this.spokeAt = Date.now();
  }

  /** The session is over. */
  stop(): void {
    clearInterval(this.timer);
  }
}
