// Decodes google.rpc.Status, which travels in a trailer, and the details that the gateway gives.

import { Reader } from "./reader.js";

/** What the details of a status say. */
export interface Details {
  reason?: string;
  metadata?: Record<string, string>;
  violations?: { field: string; description: string }[];
  retryDelayMs?: number;
}

/** The details of an encoded google.rpc.Status. */
export function decodeStatus(bytes: Uint8Array): Details {
  const details: Details = {};
  fields(new Reader(bytes), (field, reader, tag) => {
    if (field === 3) any(reader.nested(), details);
    else reader.skip(tag);
  });
  return details;
}

function fields(reader: Reader, read: (field: number, reader: Reader, tag: number) => void): void {
  while (reader.more) {
    const tag = reader.number();
    read(tag >>> 3, reader, tag);
  }
}

function any(reader: Reader, details: Details): void {
  let type = "";
  let value: Reader | undefined;
  fields(reader, (field, reader, tag) => {
    if (field === 1) type = reader.string();
    else if (field === 2) value = reader.nested();
    else reader.skip(tag);
  });
  if (!value) return;
  if (type.endsWith("/google.rpc.ErrorInfo")) errorInfo(value, details);
  else if (type.endsWith("/google.rpc.RetryInfo")) retryInfo(value, details);
  else if (type.endsWith("/google.rpc.BadRequest")) badRequest(value, details);
}

function errorInfo(reader: Reader, details: Details): void {
  const metadata: Record<string, string> = (details.metadata = {});
  fields(reader, (field, reader, tag) => {
    if (field === 1) details.reason = reader.string();
    else if (field === 3) {
      const [key, value] = pair(reader.nested());
      metadata[key] = value;
    } else reader.skip(tag);
  });
}

function retryInfo(reader: Reader, details: Details): void {
  fields(reader, (field, reader, tag) => {
    if (field !== 1) return reader.skip(tag);
    let milliseconds = 0;
    fields(reader.nested(), (field, reader, tag) => {
      if (field === 1) milliseconds += reader.number() * 1000;
      else if (field === 2) milliseconds += reader.number() / 1e6;
      else reader.skip(tag);
    });
    details.retryDelayMs = milliseconds;
  });
}

function badRequest(reader: Reader, details: Details): void {
  const violations: { field: string; description: string }[] = (details.violations = []);
  fields(reader, (field, reader, tag) => {
    if (field !== 1) return reader.skip(tag);
    const [name, description] = pair(reader.nested());
    violations.push({ field: name, description });
  });
}

/** Two texts, of fields 1 and 2. */
function pair(reader: Reader): [string, string] {
  const found: [string, string] = ["", ""];
  fields(reader, (field, reader, tag) => {
    if (field === 1 || field === 2) found[field - 1] = reader.string();
    else reader.skip(tag);
  });
  return found;
}
