// A message as it is looked at, whichever call it came by. Pages keep many of them: each is kept with the beginning of its
// payload, and whoever opens it asks for the whole.

import type { Message } from "jetgate/web";

/** So much of a payload is kept. */
const BEGINNING = 4 * 1024;

export interface Looked {
  readonly stream: string;
  readonly subject: string;
  readonly sequence: bigint;
  readonly published: Date | undefined;
  readonly messageId: string;
  readonly headers: readonly { readonly name: string; readonly value: string | Uint8Array }[];
  /** How many bytes the payload has. */
  readonly size: number;
  /** The first of them. */
  readonly beginning: Uint8Array;
}

/** A message of a read; its bytes are its own, and not those of the batch that it came in. */
export function looked(message: Message): Looked {
  const { stream, subject, sequence, publishTime, messageId, headers, data } = message;
  const beginning = data.slice(0, BEGINNING);
  return { stream, subject, sequence, published: publishTime, messageId, headers, size: data.length, beginning };
}

/** About how many bytes it takes. */
export function weight({ subject, messageId, headers, beginning }: Looked): number {
  const ofHeaders = headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  return subject.length + messageId.length + ofHeaders + beginning.length;
}
