// What is wrong with something, as marks.

import type { Finding } from "../state";
import { Mark } from "./facts";

export function Findings({ of }: { of: readonly Finding[] }) {
  return (
    <>
      {of.map(({ tone, text }) => (
        <Mark key={text} tone={tone}>
          {text}
        </Mark>
      ))}
    </>
  );
}

/** The class of a row with these. */
export function toneOf(findings: readonly Finding[]): string | undefined {
  return findings.some(({ tone }) => tone === "bad") ? "bad" : findings.some(({ tone }) => tone === "warn") ? "warn" : undefined;
}
