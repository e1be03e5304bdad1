// A configuration as rows: each setting, and whether it is what JetStream sets by itself.

import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";

/** One setting. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** What it would be by itself, where that is something else. */
  readonly instead: string | undefined;
}

/** Settings by their names in the contract, as its JSON writes them. */
export type Defaults = Readonly<Record<string, JsonValue>>;

/** What a stream gets that sets nothing but its name and subjects. */
export const STREAM_DEFAULTS: Defaults = {
  retention: "RETENTION_POLICY_LIMITS",
  storage: "STORAGE_TYPE_FILE",
  num_replicas: 1,
  max_msgs: "-1",
  max_bytes: "-1",
  max_msgs_per_subject: "-1",
  max_msg_size: -1,
  max_consumers: -1,
  discard: "DISCARD_POLICY_OLD",
  duplicate_window: "120s",
  compression: "COMPRESSION_NONE",
  persist_mode: "PERSIST_MODE_DEFAULT",
};

/** What a consumer gets that sets nothing but its name. */
export const CONSUMER_DEFAULTS: Defaults = {
  deliver_policy: "DELIVER_POLICY_ALL",
  ack_policy: "ACK_POLICY_EXPLICIT",
  ack_wait: "30s",
  max_deliver: "-1",
  max_ack_pending: "1000",
  replay_policy: "REPLAY_POLICY_INSTANT",
  max_waiting: "512",
  priority_policy: "PRIORITY_POLICY_NONE",
};

/** What has no default: everybody chooses it. */
const OWN = new Set(["name", "durable_name", "description", "subjects", "filter_subject", "filter_subjects"]);

/** What "nothing" looks like. */
const NOTHING = new Set(["", "0", "-1", "false", "[]", "{}", "0s"]);

/** The settings of a configuration, in the contract's order. Those that are not set and need not be are left out. */
export function settings<D extends DescMessage>(schema: D, config: MessageShape<D>, defaults: Defaults): Setting[] {
  const json = toJson(schema, config, { useProtoFieldName: true }) as Record<string, JsonValue>;
  return schema.fields
    .filter(({ name }) => name in json || name in defaults)
    .map(({ name, fieldKind }) => {
      const text = fieldKind === "enum" ? enumName : written;
      const [value, usual] = [text(json[name]), text(defaults[name])];
      const differs = value !== "" && !OWN.has(name) && value !== usual && !(NOTHING.has(value) && NOTHING.has(usual));
      return { name, value: value || usual, instead: differs ? usual || "not set" : undefined };
    });
}

/** A value of JSON for people: lists with commas. */
function written(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(written).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `work queue` of `RETENTION_POLICY_WORK_QUEUE`. */
function enumName(value: JsonValue | undefined): string {
  const type = /^(?:[A-Z]+_)*?(?:POLICY|TYPE|MODE|COMPRESSION)_/;
  return written(value).replace(type, "").toLowerCase().replaceAll("_", " ");
}
