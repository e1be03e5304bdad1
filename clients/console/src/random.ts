// Ids that nobody else makes. `crypto.randomUUID` is there only where a page came by TLS or from this machine.

/** 128 random bits, as hexadecimal digits. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
