// For how long a message may be sent again: while its stream remembers the id that it has.

/** JetStream's default, for where no stream is named. */
const USUAL_WINDOW_MS = 120_000;

/** The part of the window in which it is safe: what is sent takes a while to be stored. */
const SAFE = 0.9;

/** For how long after it was first sent, where the stream says how long it remembers ids, and where it does not. */
export function safeForMs(windowMs: number | undefined): number {
  return (windowMs ?? USUAL_WINDOW_MS) * SAFE;
}
