// Who calls, and by which client. What was asked for in somebody's name ends with him, and is forgotten.

import { batch, computed, signal } from "@preact/signals";
import { connect } from "jetgate/web";

/** In memory only: it ends with the page. */
const token = signal("");

/** Counts who has called: what belongs to one caller hangs on his number. */
export const caller = signal(0);

/** Whether to ask for a token: none was given, or it is not good. */
export const credentials = signal<"good" | "missing" | "refused">("good");

/** Calls the gateway that the page is from, in the caller's name. */
export let client = connect(location.origin);

/** From here on calls show this token; those of whoever called before end. */
export function signIn(given: string): void {
  const former = client;
  client = connect(location.origin, given ? { token: given } : {});
  batch(() => {
    token.value = given;
    credentials.value = "good";
    caller.value++;
  });
  void former.close();
}

/** Forgets the token. */
export function signOut(): void {
  signIn("");
}

/** Whether calls show a token. */
export function isSignedIn(): boolean {
  return token.value !== "";
}

/** The gateway does not know who calls. */
export function isUnknown(): void {
  credentials.value = isSignedIn() ? "refused" : "missing";
}

/** Something that is kept for a caller: the next one gets it anew. */
export function ofCaller<T>(make: () => T): () => T {
  const made = computed(() => ({ by: caller.value, what: make() }));
  return () => made.value.what;
}
