// Buttons that copy a text.

import { useState } from "preact/hooks";
import { copy } from "../clipboard";
import { say } from "./action";

export function CopyButton({ text, label }: { text: string | (() => string); label: string }) {
  const [done, setDone] = useState(false);
  const press = async () => {
    try {
      await copy(typeof text === "string" ? text : text());
      setDone(true);
      setTimeout(() => setDone(false), 1_500);
      say("Copied.");
    } catch {
      say("The browser does not let the page copy.");
    }
  };
  return (
    <button type="button" onClick={() => void press()}>
      {done ? "Copied" : label}
    </button>
  );
}
