// How figures and times are written for people.

import { type Duration, type Timestamp, durationMs, timestampDate } from "@bufbuild/protobuf/wkt";

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 12,345 */
export function count(value: bigint | number): string {
  return whole.format(value);
}

/** 12.3K */
export function compact(value: bigint | number): string {
  return short.format(value);
}

/** 1.5 MiB */
export function bytes(value: bigint | number): string {
  let size = Number(value);
  let unit = 0;
  for (; size >= 1024 && unit < UNITS.length - 1; unit++) size /= 1024;
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`;
}

/** 12.3/s; nothing where it is not known yet. */
export function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return "";
  return `${perSecond < 10 ? Number(perSecond.toFixed(1)) : short.format(perSecond)}/s`;
}

const STEPS: [number, string][] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
  [1, "ms"],
];

/** 2 d 3 h: the two largest units. */
export function lasting(ms: number): string {
  const parts: string[] = [];
  for (const [size, unit] of STEPS) {
    if (parts.length === 2 || (unit === "ms" && parts.length > 0)) break;
    if (ms >= size) parts.push(`${Math.floor(ms / size)} ${unit}`);
    ms %= size;
  }
  return parts.join(" ") || "0 s";
}

/** How long a duration of the contract is. */
export function duration(value: Duration | undefined): string {
  return value ? lasting(durationMs(value)) : "";
}

/** How long ago a time was, by this machine's clock. */
export function age(time: Timestamp | undefined): string {
  return time ? lasting(Math.max(1_000, Date.now() - timestampDate(time).getTime())) : "";
}

/** 2026-05-01 12:00:00.123, where the reader is. */
export function time(value: Timestamp | Date | undefined): string {
  if (!value) return "";
  const date = value instanceof Date ? value : timestampDate(value);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().replace("T", " ").replace("Z", "");
}

/** What the names of an enum's values have of their own: `no messages` of `NO_MESSAGES`. */
export function words(names: Record<number, string>, value: number): string {
  return (names[value] ?? String(value)).toLowerCase().replaceAll("_", " ");
}
