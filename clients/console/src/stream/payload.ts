// A payload for people: as text, as JSON with its lines, or byte by byte.

export type Form = "text" | "json" | "hex";

const strict = new TextDecoder("utf-8", { fatal: true });
/** More than this is not shown at once: a page that draws megabytes hangs. */
export const SHOWN_BYTES = 64 * 1024;

/** The text of bytes that are text. */
function textOf(data: Uint8Array): string | undefined {
  try {
    const text = strict.decode(data);
    // eslint-disable-next-line no-control-regex -- what no text has
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The form that tells most of the bytes. */
export function bestForm(data: Uint8Array): Form {
  if (textOf(data) === undefined) return "hex";
  return json(data) === undefined ? "text" : "json";
}

/** The payload in a form; undefined where it has none such. */
export function shown(data: Uint8Array, form: Form): string | undefined {
  if (form === "hex") return hex(data.subarray(0, SHOWN_BYTES / 4));
  return form === "json" ? json(data) : (textOf(data) ?? new TextDecoder().decode(data)).slice(0, SHOWN_BYTES);
}

/** Its beginning, in a line. */
export function preview(data: Uint8Array): string {
  const head = data.subarray(0, 160);
  // What is cut inside a character is text as well.
  const text = textOf(head) ?? (head.length < data.length ? textOf(head.subarray(0, head.length - 3)) : undefined);
  return text?.replace(/\s+/g, " ") ?? hexOf(head.subarray(0, 32));
}

function json(data: Uint8Array): string | undefined {
  if (data.length === 0 || data.length > 16 * SHOWN_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(strict.decode(data));
    return typeof value === "object" ? JSON.stringify(value, undefined, 2).slice(0, 2 * SHOWN_BYTES) : undefined;
  } catch {
    return undefined;
  }
}

/** Sixteen bytes a line: where, the bytes, and the characters that they are. */
function hex(data: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = data.subarray(at, at + 16);
    const letters = Array.from(row, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hexOf(row).padEnd(47)}  ${letters.join("")}`);
  }
  return lines.join("\n");
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
