// Configurations as a program writes them: times in milliseconds, points in time as Date, whole numbers as they come.

import { type DescMessage, type Message, type MessageShape, create } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";

/** A message of the contract with everything optional, durations in milliseconds and times as Date. */
export type ConfigInit<T> = T extends Message<infer _>
  ? { [K in Exclude<keyof T, "$typeName" | "$unknown">]?: ConfigField<T[K]> }
  : never;

type ConfigField<T> = T extends Duration
  ? number | Duration
  : T extends Timestamp
    ? Date | Timestamp
    : T extends bigint
      ? bigint | number
      : T extends Uint8Array
        ? T
        : T extends (infer E)[]
          ? readonly ConfigField<E>[]
          : T extends Message
            ? ConfigInit<T>
            : T;

/** The message that a configuration describes. */
export function fromConfig<D extends DescMessage>(schema: D, config: ConfigInit<MessageShape<D>>): MessageShape<D> {
  return create(schema, convert(schema, config as Record<string, unknown>) as never);
}

function convert(schema: DescMessage, config: Record<string, unknown>): Record<string, unknown> {
  const init: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined || name === "$typeName" || name === "$unknown") continue;
    const field = schema.field[name] as (typeof schema.fields)[number] | undefined;
    if (!field && !schema.oneofs.some((oneof) => oneof.localName === name)) {
      throw new TypeError(`${schema.name} has no setting ${name}`);
    }
    if (field?.fieldKind === "message") init[name] = convertMessage(field.message, value);
    else if (field?.fieldKind === "list" && field.listKind === "message") {
      init[name] = (value as unknown[]).map((each) => convertMessage(field.message, each));
    } else if (field?.fieldKind === "scalar" && typeof value === "number" && isLong(field.scalar)) {
      init[name] = BigInt(value);
    } else init[name] = value;
  }
  return init;
}

function convertMessage(schema: DescMessage, value: unknown): unknown {
  if (typeof value === "number" && schema.typeName === "google.protobuf.Duration") return durationFromMs(value);
  if (value instanceof Date && schema.typeName === "google.protobuf.Timestamp") return timestampFromDate(value);
  if (schema.typeName.startsWith("google.protobuf.")) return value;
  return convert(schema, value as Record<string, unknown>);
}

/** The scalar types of 64 bits: int64, uint64, fixed64, sfixed64, sint64. */
function isLong(scalar: number): boolean {
  return [3, 4, 6, 16, 18].includes(scalar);
}
