// Reads the frames of the gateway in a PublishStream. Answers, which come for every batch, are read by hand.

import { fromBinary } from "@bufbuild/protobuf";
import { type ItemStatus, ItemStatusSchema } from "../gen/jetgate/v1/error_pb.js";
import { type PublishStreamResponse, PublishStreamResponseSchema } from "../gen/jetgate/v1/publish_stream_pb.js";
import { Reader } from "../wire/reader.js";

/** Messages that are stored, one behind the other. */
export interface StoredRange {
  first: number;
  last: number;
  firstSequence: bigint;
  stream: string;
  duplicate: boolean;
  domain: string;
  counterValue: string;
}

/** Messages that failed for one reason. */
export interface FailedRange {
  first: number;
  last: number;
  status: ItemStatus | undefined;
}

/** What became of messages. */
export interface Answers {
  stored: StoredRange[];
  failed: FailedRange[];
  settledThrough: number;
}

/** A frame of the gateway. */
export type PublishFrame = { case: "acks"; value: Answers } | Exclude<PublishStreamResponse["frame"], { case: "acks" }>;

const ACKS = 0x12;

/** What a frame says. */
export function readFrame(bytes: Uint8Array): PublishFrame {
  if (bytes[0] !== ACKS) return fromBinary(PublishStreamResponseSchema, bytes).frame as PublishFrame;
  const reader = new Reader(bytes, 1);
  return { case: "acks", value: readAnswers(reader.nested()) };
}

function readAnswers(reader: Reader): Answers {
  const answers: Answers = { stored: [], failed: [], settledThrough: 0 };
  while (reader.more) {
    const tag = reader.number();
    if (tag === 0x0a) answers.stored.push(readStored(reader.nested()));
    else if (tag === 0x12) answers.failed.push(readFailed(reader.nested()));
    else if (tag === 0x18) answers.settledThrough = reader.number();
    else reader.skip(tag);
  }
  return answers;
}

function readStored(reader: Reader): StoredRange {
  const range: StoredRange = {
    first: 0,
    last: 0,
    firstSequence: 0n,
    stream: "",
    duplicate: false,
    domain: "",
    counterValue: "",
  };
  while (reader.more) {
    const tag = reader.number();
    if (tag === 0x08) range.first = reader.number();
    else if (tag === 0x10) range.last = reader.number();
    else if (tag === 0x18) range.firstSequence = reader.bigint();
    else if (tag === 0x22) range.stream = reader.string();
    else if (tag === 0x28) range.duplicate = reader.number() !== 0;
    else if (tag === 0x32) range.domain = reader.string();
    else if (tag === 0x3a) range.counterValue = reader.string();
    else reader.skip(tag);
  }
  return range;
}

function readFailed(reader: Reader): FailedRange {
  const range: FailedRange = { first: 0, last: 0, status: undefined };
  while (reader.more) {
    const tag = reader.number();
    if (tag === 0x08) range.first = reader.number();
    else if (tag === 0x10) range.last = reader.number();
    else if (tag === 0x1a) range.status = fromBinary(ItemStatusSchema, reader.view());
    else reader.skip(tag);
  }
  return range;
}
