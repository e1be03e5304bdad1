// How long to wait before the next attempt.

/** Doubles from `first` to `last`, each time less a random part, so that callers do not come back together. */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly firstMs: number,
    private readonly lastMs: number,
  ) {}

  /** The next wait; at least `least`. */
  next(least = 0): number {
    const full = Math.min(this.lastMs, this.firstMs * 2 ** this.attempt++);
    return Math.max(least, full * (0.5 + Math.random() / 2));
  }

  /** An attempt has succeeded. */
  reset(): void {
    this.attempt = 0;
  }
}

/** Resolves after a time, or rejects with the signal's reason. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
