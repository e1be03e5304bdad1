// Where messages are looked for: a place in the stream, or a time, and a subject.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { NO_SEQUENCE, sequenceOf } from "../sequence";
import { Field } from "../ui/field";
import { sent } from "../ui/form";
import type { From } from "./search";

const KINDS = ["newest", "oldest", "sequence", "time", "last per subject"] as const;
type Kind = (typeof KINDS)[number];

interface Props {
  search: (from: From, filter: string) => void;
  children: ComponentChildren;
}

export function Place({ search, children }: Props) {
  const [kind, setKind] = useState<Kind>("newest");
  const [problem, setProblem] = useState("");
  const submit = (event: Event) => {
    const field = sent(event);
    const from = fromOf(kind, field("place"));
    setProblem(typeof from === "string" ? from : "");
    if (typeof from !== "string") search(from, field("subject").trim());
  };
  const choose = (kind: Kind) => {
    setKind(kind);
    setProblem("");
  };
  return (
    <form class="tools" onSubmit={submit} noValidate>
      <label>
        From
        <select name="from" value={kind} onChange={(event) => choose(event.currentTarget.value as Kind)}>
          {KINDS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      {kind === "sequence" && <Field key={kind} label="Sequence" name="place" inputMode="numeric" problem={problem} />}
      {kind === "time" && <Field key={kind} label="Time" name="place" type="datetime-local" step="1" problem={problem} />}
      <label>
        Subject
        <input name="subject" placeholder=">" />
      </label>
      <button type="submit" class="primary">
        Look
      </button>
      {children}
    </form>
  );
}

/** The place, or what is wrong with it. */
function fromOf(kind: Kind, place: string): From | string {
  if (kind === "sequence") {
    const sequence = sequenceOf(place);
    return sequence === undefined ? NO_SEQUENCE : { kind, sequence };
  }
  if (kind !== "time") return { kind };
  const time = new Date(place);
  return Number.isNaN(time.getTime()) ? "A date and a time of day are missing." : { kind, time };
}
