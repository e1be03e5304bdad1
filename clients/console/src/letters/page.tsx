// Dead letters: what JetStream gave up, to be looked at and published again.

import { useState } from "preact/hooks";
import { type DeadLetter, DeadLetterCause, DeadLetterService } from "jetgate/proto/dead_letter";
import { age, count, time, words } from "../format";
import { client } from "../caller";
import { info } from "../gateway";
import { grpcurl } from "../grpcurl";
import { usePolled } from "../polled";
import { to } from "../route";
import { CopyButton } from "../ui/copy";
import { sent } from "../ui/form";
import { Shown } from "../ui/problem";
import { type Column, Table } from "../ui/table";
import { LetterDetail } from "./detail";
import { Replay, type Selection } from "./replay";

const EVERY_MS = 5_000;
/** How many are shown at most: the newest; whoever looks for others narrows them down. */
const PAGE = 1_000;

export function LettersPage() {
  const [filter, setFilter] = useState<Selection["filter"]>({});
  const [open, setOpen] = useState<DeadLetter>();
  const [replayed, setReplayed] = useState<Selection>();
  const request = { filter, pageSize: PAGE };
  const letters = usePolled(`letters ${JSON.stringify(filter)}`, EVERY_MS, (signal) =>
    client.services.deadLetters.listDeadLetters(request, { signal }),
  );
  return (
    <>
      <h1>Dead letters</h1>
      {info.value && !info.value.deadLetters ? (
        <p class="empty">
          This gateway keeps none: <code>dead_letters.letters</code> is not configured.
        </p>
      ) : (
        <>
          <Search search={setFilter} />
          <Shown of={letters}>
            {({ letters, nextPageToken }) => (
              <>
                {nextPageToken && <p class="quiet">These are the newest {count(letters.length)}; there are more.</p>}
                <Table
                  label="Dead letters"
                  columns={columns(setOpen)}
                  rows={letters}
                  keyOf={({ letterId }) => letterId}
                  text={(letter) => `${letter.stream} ${letter.consumer} ${letter.subject} ${letter.reason}`}
                  empty="No message was given up."
                >
                  <button type="button" disabled={letters.length === 0} onClick={() => setReplayed({ filter, what: "all that are found" })}>
                    Replay all…
                  </button>
                  <CopyButton text={grpcurl(DeadLetterService.method.listDeadLetters, request)} label="Copy as grpcurl" />
                </Table>
              </>
            )}
          </Shown>
        </>
      )}
      {open && (
        <LetterDetail
          letter={open}
          close={() => setOpen(undefined)}
          replay={() => {
            setReplayed({ filter: { letterIds: [open.letterId] }, what: "this one" });
            setOpen(undefined);
          }}
        />
      )}
      {replayed && <Replay selection={replayed} close={() => setReplayed(undefined)} done={letters.refresh} />}
    </>
  );
}

function columns(open: (letter: DeadLetter) => void): readonly Column<DeadLetter>[] {
  return [
    {
      title: "Died",
      by: ({ time }) => time?.seconds ?? 0n,
      cell: (letter) => (
        <button type="button" class="link" title={time(letter.time)} onClick={() => open(letter)}>
          {age(letter.time)} ago<span class="visually-hidden">, look at letter {letter.letterId}</span>
        </button>
      ),
    },
    { title: "Stream", by: ({ stream }) => stream, cell: ({ stream }) => <a href={to("stream", stream)}>{stream}</a> },
    {
      title: "Consumer",
      by: ({ consumer }) => consumer,
      cell: ({ stream, consumer }) => <a href={to("consumer", stream, consumer)}>{consumer}</a>,
    },
    { title: "Subject", by: ({ subject }) => subject, cell: ({ subject }) => <code>{subject}</code> },
    { title: "Cause", by: ({ cause }) => cause, cell: ({ cause }) => words(DeadLetterCause, cause) },
    { title: "Reason", extra: true, cell: ({ reason }) => reason },
    { title: "Deliveries", kind: "number", extra: true, by: ({ deliveries }) => deliveries, cell: ({ deliveries }) => count(deliveries) },
  ];
}

const CAUSES = [DeadLetterCause.UNSPECIFIED, DeadLetterCause.MAX_DELIVERIES, DeadLetterCause.TERMINATED, DeadLetterCause.REMOVED];

function Search({ search }: { search: (filter: Selection["filter"]) => void }) {
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
