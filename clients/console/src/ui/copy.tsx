// Buttons that copy a text.

import { useState } from "preact/hooks";
import { say } from "./action";

export function CopyButton({ text, label }: { text: string | (() => string); label: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    const copied = typeof text === "string" ? text : text();
    try {
      await navigator.clipboard.writeText(copied);
      setDone(true);
      setTimeout(() => setDone(false), 1_500);
      say("Copied.");
    } catch {
      // A page that is not from this machine and without TLS may not write there.
      say(copied);
    }
  };
  return (
    <button type="button" onClick={() => void copy()}>
      {done ? "Copied" : label}
    </button>
  );
}
