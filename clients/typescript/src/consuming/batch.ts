// Reads a MessageBatch: the frame that carries messages.

import { Reader } from "../wire/reader.js";
import { Message, type Settler } from "./message.js";

/** The tag of `messages` in the frames of Consume and of Subscribe alike. */
export const MESSAGES = 0x12;

/** Messages, and from where a later session goes on behind them. */
export interface Batch {
  messages: Message[];
  resumeToken: string;
}

/** The batch of a frame that begins with MESSAGES. */
export function readBatch(frame: Uint8Array, settler: Settler | undefined): Batch {
  const reader = new Reader(frame, 1).nested();
  const batch: Batch = { messages: [], resumeToken: "" };
  while (reader.more) {
    const tag = reader.number();
    if (tag === 0x0a) {
      const end = reader.length();
      batch.messages.push(new Message(settler, frame, reader.at, end));
      reader.at = end;
    } else if (tag === 0x12) batch.resumeToken = reader.string();
    else reader.skip(tag);
  }
  return batch;
}
