// Where in the console one is: the part of the address behind "#".

import { signal } from "@preact/signals";

/** A place: the page's name, and what it is about. */
export type Place = readonly [page: string, ...about: string[]];

/** Where one is now. */
export const place = signal(read());

window.addEventListener("hashchange", () => (place.value = read()));

/** Goes to the start, in the place of where one is. */
export function start(): void {
  history.replaceState(null, "", to("streams"));
  place.value = read();
}

function read(): Place {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  return [parts[0] || "streams", ...parts.slice(1)];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place. */
export function to(...to: Place): string {
  return `#/${to.map(encodeURIComponent).join("/")}`;
}
