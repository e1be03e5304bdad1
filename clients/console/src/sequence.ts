// Sequences as people type them.

/** What is said of anything else. */
export const NO_SEQUENCE = "A sequence is a whole number from 1 on.";

const LARGEST = 2n ** 64n - 1n;

/** A sequence: digits, with commas between thousands as they are shown or without. Undefined where it is none. */
export function sequenceOf(text: string): bigint | undefined {
  const trimmed = text.trim();
  if (!/^(\d{1,20}|\d{1,3}(,\d{3})+)$/.test(trimmed)) return undefined;
  const sequence = BigInt(trimmed.replaceAll(",", ""));
  return sequence > 0n && sequence <= LARGEST ? sequence : undefined;
}
