// Ids that nobody else makes.

/** 128 random bits as hexadecimal digits. `crypto.randomUUID` is missing in pages that came neither by TLS nor from this machine. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
