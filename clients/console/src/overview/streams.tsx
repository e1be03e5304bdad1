// The table of streams.

import { type Stream, StreamService } from "jetgate/proto/stream";
import { published } from "../counters";
import { age, bytes, compact, count, rate } from "../format";
import { grpcurl } from "../grpcurl";
import { to } from "../route";
import { findingsOfStream, fullness } from "../state";
import { Chart, Meter } from "../ui/chart";
import { CopyButton } from "../ui/copy";
import { Findings, toneOf } from "../ui/findings";
import { type Column, Table } from "../ui/table";

const COLUMNS: readonly Column<Stream>[] = [
  {
    title: "Stream",
    by: nameOf,
    cell: (stream) => <a href={to("stream", nameOf(stream))}>{nameOf(stream)}</a>,
  },
  { title: "State", cell: (stream) => <Findings of={findingsOfStream(stream)} />, by: (stream) => -findingsOfStream(stream).length },
  { title: "Messages", kind: "number", by: ({ state }) => state!.messages, cell: ({ state }) => count(state!.messages) },
  {
    title: "Size",
    kind: "number",
    by: ({ state }) => state!.bytes,
    cell: (stream) => {
      const full = fullness(stream);
      return (
        <>
          {bytes(stream.state!.bytes)}
          {full && <Meter part={full.part} what={`of ${full.limit}`} />}
        </>
      );
    },
  },
  { title: "Rate", kind: "number", by: (stream) => published().rate(nameOf(stream)) ?? 0, cell: (stream) => rate(published().rate(nameOf(stream))) },
  {
    title: "Published",
    kind: "chart",
    extra: true,
    cell: (stream) => <Chart values={published().rates(nameOf(stream))} what={`Messages a second, ${nameOf(stream)}`} text={rate} />,
  },
  { title: "Consumers", kind: "number", extra: true, by: ({ state }) => state!.consumerCount, cell: ({ state }) => compact(state!.consumerCount) },
  {
    title: "Last message",
    kind: "number",
    extra: true,
    by: ({ state }) => state!.lastTime?.seconds ?? 0n,
    cell: ({ state }) => (state!.lastTime ? `${age(state!.lastTime)} ago` : ""),
  },
];

export function StreamsTable({ streams }: { streams: readonly Stream[] }) {
  return (
    <Table
      label="Streams"
      columns={COLUMNS}
      rows={streams}
      keyOf={nameOf}
      text={({ config }) => `${config!.name} ${config!.subjects.join(" ")}`}
      sort={["Stream", false]}
      tone={(stream) => toneOf(findingsOfStream(stream))}
      empty="There are no streams yet, or none that you may see."
    >
      <CopyButton text={() => grpcurl(StreamService.method.listStreams, {})} label="Copy as grpcurl" />
    </Table>
  );
}

function nameOf({ config }: Stream): string {
  return config!.name;
}
