// The gateway that the page came from: how to call it, who calls, and whether it answers.

import { type Signal, signal } from "@preact/signals";
import type { GetInfoResponse } from "jetgate/proto/gateway";
import { Code, JetgateError, type WebClient, connect } from "jetgate/web";

/** What keeps the page from calling. */
export type Link = "connecting" | "up" | "lost";

/** Whether the gateway answers. */
export const link: Signal<Link> = signal("connecting");

/** What it last said of itself; undefined before, and where the caller may not ask. */
export const info: Signal<GetInfoResponse | undefined> = signal(undefined);

/** Whether to ask for a token: none was given, or it is not good. */
export const credentials: Signal<"good" | "missing" | "refused"> = signal("good");

/** Counts who has called: what was asked for before is asked for again. */
export const caller = signal(0);

/** Time between two looks at the gateway, while it answers and while it does not. */
const LOOK_MS = 5_000;
const RETRY_MS = 1_000;

/** In memory only: it ends with the page. */
let token = "";

/** Calls the gateway that the page is from. */
export let client: WebClient = open();

function open(): WebClient {
  return connect(location.origin, token ? { token } : {});
}

/** From here on calls show this token. */
export function signIn(given: string): void {
  token = given;
  client = open();
  credentials.value = "good";
  info.value = undefined;
  caller.value++;
  look();
}

/** Forgets the token. */
export function signOut(): void {
  signIn("");
}

/** Whether calls show a token. */
export function isSignedIn(): boolean {
  return token !== "";
}

/** Notes what a call's end tells of the way to the gateway. */
export function heard(error?: JetgateError): void {
  if (error?.code === Code.UNAUTHENTICATED) {
    credentials.value = token ? "refused" : "missing";
  }
  // An error without a reason is the browser's own word: nobody has answered.
  const silence = error && !error.reason && (error.code === Code.UNAVAILABLE || error.code === Code.DEADLINE_EXCEEDED);
  link.value = silence ? "lost" : "up";
}

let timer: ReturnType<typeof setTimeout> | undefined;
let looks = 0;

/** Looks after the gateway from now on. */
export function look(): void {
  clearTimeout(timer);
  const mine = ++looks;
  void ask().then((after) => {
    if (mine === looks) timer = setTimeout(look, after);
  });
}

async function ask(): Promise<number> {
  const asked = client;
  try {
    const answer = await asked.services.gateway.getInfo({}, { timeoutMs: LOOK_MS });
    if (asked !== client) return LOOK_MS;
    info.value = answer;
    heard();
  } catch (error) {
    if (asked !== client) return LOOK_MS;
    heard(asError(error));
  }
  return link.value === "up" ? LOOK_MS : RETRY_MS;
}

/** Every failure as the client's own. */
export function asError(error: unknown): JetgateError {
  if (error instanceof JetgateError) return error;
  return new JetgateError({ code: Code.UNKNOWN, message: error instanceof Error ? error.message : String(error), cause: error });
}
