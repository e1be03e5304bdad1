// The subjects of a stream's messages, with how many each has.

import { useState } from "preact/hooks";
import { StreamService } from "jetgate/proto/stream";
import type { SubjectCount } from "jetgate/proto/stream_message";
import { client } from "../caller";
import { count } from "../format";
import { grpcurl } from "../grpcurl";
import { usePolled } from "../polled";
import { CopyButton } from "../ui/copy";
import { Shown } from "../ui/problem";
import { type Column, Table } from "../ui/table";
import type { PartProps } from "./page";

/** JetStream counts all subjects for every page, so there is one; whoever has more narrows them down. */
const PAGE = 10_000;
const EVERY_MS = 30_000;

const COLUMNS: readonly Column<SubjectCount>[] = [
  { title: "Subject", by: ({ subject }) => subject, cell: ({ subject }) => <code>{subject}</code> },
  { title: "Messages", kind: "number", by: ({ messages }) => messages, cell: ({ messages }) => count(messages) },
];

export function Subjects({ stream: { config } }: PartProps) {
  const stream = config!.name;
  const [filter, setFilter] = useState("");
  const request = { stream, filter, pageSize: PAGE };
  const subjects = usePolled(`subjects of ${stream} ${filter}`, EVERY_MS, (signal) =>
    client.services.streams.listSubjects(request, { signal }),
  );
  return (
    <>
      <form class="tools" onSubmit={(event) => event.preventDefault()}>
        <label>
          Pattern
          <input name="pattern" placeholder=">" value={filter} onChange={(event) => setFilter(event.currentTarget.value.trim())} />
        </label>
        <CopyButton text={() => grpcurl(StreamService.method.listSubjects, request)} label="Copy as grpcurl" />
      </form>
      <Shown of={subjects}>
        {({ subjects, total }) => (
          <>
            {total > subjects.length && (
              <p class="quiet">
                These are the first {count(subjects.length)} of {count(total)}: a pattern shows others.
              </p>
            )}
            <Table
              label="Subjects"
              columns={COLUMNS}
              rows={subjects}
              keyOf={({ subject }) => subject}
              text={({ subject }) => subject}
              sort={["Messages", true]}
              empty="No messages, no subjects."
            />
          </>
        )}
      </Shown>
    </>
  );
}
