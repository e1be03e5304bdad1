// The browser of stored messages: by place, time and subject.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { JetgateError } from "jetgate/web";
import { count } from "../format";
import { caller } from "../caller";
import { asError, heard } from "../gateway";
import { CopyButton } from "../ui/copy";
import { sent } from "../ui/form";
import { Loading, Problem } from "../ui/problem";
import type { Looked } from "./detail";
import type { PartProps } from "./page";
import { type From, PAGE, command, read } from "./reading";
import { Rows, looked } from "./rows";

const KINDS = ["newest", "oldest", "sequence", "time", "last per subject"] as const;
type Kind = (typeof KINDS)[number];

/** What was found, or why not; neither while it is looked for. */
type Found = { readonly messages: Looked[] } | { readonly error: JetgateError } | undefined;

export function Messages({ stream: { config, state } }: PartProps) {
  const stream = config!.name;
  const [wanted, want] = useState<{ from: From; filter: string }>({ from: { kind: "newest" }, filter: "" });
  const [found, setFound] = useState<Found>();
  const extent = { first: state!.firstSequence, last: state!.lastSequence };
  useEffect(() => {
    let current = true;
    setFound(undefined);
    read(stream, extent, wanted.from, wanted.filter).then(
      (messages) => {
        heard();
        // The newest are looked for first.
        if (wanted.from.kind === "newest" || wanted.from.kind === "before") messages.reverse();
        if (current) setFound({ messages: messages.map(looked) });
      },
      (cause: unknown) => {
        const error = asError(cause);
        heard(error);
        if (current) setFound({ error });
      },
    );
    return () => {
      current = false;
    };
  }, [stream, wanted, caller.value]);
  return (
    <>
      <Search search={(from, filter) => want({ from, filter })}>
        <CopyButton text={() => command(stream, extent, wanted.from, wanted.filter)} label="Copy as grpcurl" />
      </Search>
      <p class="visually-hidden" role="status">
        {found && "messages" in found ? `${found.messages.length} messages` : ""}
      </p>
      {!found && <Loading />}
      {found && "error" in found && <Problem error={found.error} />}
      {found && "messages" in found && (
        <>
          <Rows messages={found.messages} label="Messages" empty="No message is there." />
          <Further messages={found.messages} from={wanted.from} go={(from) => want({ from, filter: wanted.filter })} />
        </>
      )}
    </>
  );
}

function Search({ search, children }: { search: (from: From, filter: string) => void; children: ComponentChildren }) {
  const [kind, setKind] = useState<Kind>("newest");
  const submit = (event: Event) => {
    const field = sent(event);
    search(fromOf(kind, field("place")), field("subject").trim());
  };
  return (
    <form class="tools" onSubmit={submit}>
      <label>
        From
        <select name="from" value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
          {KINDS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      {kind === "sequence" && (
        <label>
          Sequence
          <input name="place" type="number" min="1" required />
        </label>
      )}
      {kind === "time" && (
        <label>
          Time
          <input name="place" type="datetime-local" step="1" required />
        </label>
      )}
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

function fromOf(kind: Kind, place: string): From {
  if (kind === "sequence") return { kind, sequence: BigInt(place) };
  return kind === "time" ? { kind, time: new Date(place) } : { kind };
}

/** The way to what lies before and behind. */
function Further({ messages, from, go }: { messages: readonly Looked[]; from: From; go: (from: From) => void }) {
  if (messages.length === 0 || from.kind === "last per subject") return null;
  const sequences = messages.map(({ sequence }) => sequence);
  const down = from.kind === "newest" || from.kind === "before";
  const first = down ? sequences.at(-1)! : sequences[0];
  const last = down ? sequences[0] : sequences.at(-1)!;
  return (
    <div class="tools">
      <button type="button" onClick={() => go({ kind: "before", sequence: first })}>
        Before {count(first)}
      </button>
      <button type="button" onClick={() => go({ kind: "sequence", sequence: last + 1n })}>
        Behind {count(last)}
      </button>
      <button type="button" onClick={() => go({ kind: "newest" })}>
        Newest
      </button>
      {messages.length < PAGE && <span class="quiet">That is all there is here.</span>}
    </div>
  );
}
