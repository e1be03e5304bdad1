// The gateway that the page came from: whether it answers, and what it says of itself.

import { type Signal, effect, signal } from "@preact/signals";
import type { GetInfoResponse } from "jetgate/proto/gateway";
import { Code, JetgateError } from "jetgate/web";
import { caller, client, credentials, isUnknown } from "./caller";
import { repeat } from "./repeated";

/** What keeps the page from calling. */
export type Link = "connecting" | "up" | "lost";

/** Whether the gateway answers. */
export const link: Signal<Link> = signal("connecting");

/** What it last said of itself; undefined before, and where the caller may not ask. */
export const info: Signal<GetInfoResponse | undefined> = signal(undefined);

/** Time between two looks at the gateway, while it answers and while it does not. */
const LOOK_MS = 5_000;
const RETRY_MS = 1_000;

/** Notes what a call's end tells of the way to the gateway, and of the caller. */
export function heard(error?: JetgateError): void {
  if (error && hasGivenUp(error)) return;
  if (error?.code === Code.UNAUTHENTICATED) isUnknown();
  link.value = error && isAway(error) ? "lost" : "up";
}

/** Nobody is there who could answer: an error without a reason is the browser's own word. */
export function isAway({ code, reason }: JetgateError): boolean {
  return !reason && code === Code.UNAVAILABLE;
}

/** The page has stopped waiting: nobody has been heard. */
function hasGivenUp({ code, reason }: JetgateError): boolean {
  return !reason && (code === Code.CANCELLED || code === Code.DEADLINE_EXCEEDED);
}

/** Looks after the gateway from now on, anew for each caller; while one is asked who he is, it is left alone. */
export function watch(): void {
  effect(() => {
    if (caller.value < 0 || credentials.value !== "good") return;
    const looking = repeat(look);
    return () => {
      looking.stop();
      info.value = undefined;
    };
  });
}

async function look(signal: AbortSignal): Promise<number> {
  try {
    info.value = await client.services.gateway.getInfo({}, { signal, timeoutMs: LOOK_MS });
    heard();
  } catch (error) {
    const failure = asError(error);
    heard(failure);
    // It answers this one at once, if at all.
    if (failure.code === Code.DEADLINE_EXCEEDED) link.value = "lost";
  }
  return link.peek() === "up" ? LOOK_MS : RETRY_MS;
}

/** Every failure as the client's own. */
export function asError(error: unknown): JetgateError {
  if (error instanceof JetgateError) return error;
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  return new JetgateError({ code: name === "AbortError" ? Code.CANCELLED : Code.UNKNOWN, message, cause: error });
}
