// The letters that match, and what can be done to them.

import { useState } from "preact/hooks";
import { type DeadLetter, DeadLetterCause, DeadLetterService } from "jetgate/proto/dead_letter";
import { age, count, time, words } from "../format";
import { grpcurl } from "../grpcurl";
import { to } from "../route";
import { CopyButton } from "../ui/copy";
import { Problem, Shown } from "../ui/problem";
import { type Column, Table } from "../ui/table";
import { LetterDetail } from "./detail";
import { KEPT, PAGE, type Page, type Pages, usePages } from "./pages";
import { Replay, type Selection } from "./replay";

export function Found({ filter }: { filter: Selection["filter"] }) {
  const [open, setOpen] = useState<DeadLetter>();
  const [replayed, setReplayed] = useState<Selection>();
  const pages = usePages(filter);
  return (
    <>
      <Shown of={pages.shown}>
        {({ letters, nextPageToken }) => (
          <>
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
              <CopyButton text={grpcurl(DeadLetterService.method.listDeadLetters, { filter, pageSize: PAGE })} label="Copy as grpcurl" />
            </Table>
            <Further page={{ letters, nextPageToken }} pages={pages} />
          </>
        )}
      </Shown>
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
      {replayed && <Replay selection={replayed} close={() => setReplayed(undefined)} done={pages.newest} />}
    </>
  );
}

/** The way to older letters, and back to the newest. */
function Further({ page: { letters, nextPageToken }, pages: { several, areOld, more, reading, newest } }: { page: Page; pages: Pages }) {
  const isFull = letters.length >= KEPT;
  return (
    <>
      {reading.error && <Problem error={reading.error} />}
      <div class="tools">
        {nextPageToken && !isFull && (
          <button type="button" disabled={reading.busy} onClick={more}>
            More
          </button>
        )}
        {several && (
          <button type="button" onClick={newest}>
            Newest
          </button>
        )}
        <span class="quiet" role="status">
          {nextPageToken && `These are ${count(letters.length)}; there are more${isFull ? ": narrow them down" : ""}. `}
          {areOld && "Others have come since."}
        </span>
      </div>
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
