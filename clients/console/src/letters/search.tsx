// Which letters are looked for.

import { DeadLetterCause } from "jetgate/proto/dead_letter";
import { words } from "../format";
import { sent } from "../ui/form";
import type { Selection } from "./replay";

const CAUSES = [DeadLetterCause.UNSPECIFIED, DeadLetterCause.MAX_DELIVERIES, DeadLetterCause.TERMINATED, DeadLetterCause.REMOVED];

export function Search({ search }: { search: (filter: Selection["filter"]) => void }) {
  const submit = (event: Event) => {
    const given = sent(event);
    const field = (name: string) => given(name).trim();
    search({ stream: field("stream"), consumer: field("consumer"), subject: field("subject"), cause: Number(field("cause")) });
  };
  return (
    <form class="tools" onSubmit={submit}>
      {["stream", "consumer", "subject"].map((name) => (
        <label key={name}>
          {name[0].toUpperCase() + name.slice(1)}
          <input name={name} />
        </label>
      ))}
      <label>
        Cause
        <select name="cause">
          {CAUSES.map((cause) => (
            <option key={cause} value={cause}>
              {cause ? words(DeadLetterCause, cause) : "any"}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="primary">
        Look
      </button>
    </form>
  );
}
