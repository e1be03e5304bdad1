// A table of consumers: those of one stream, or all.

import { type Consumer, ConsumerService } from "jetgate/proto/consumer";
import { consumerKey, delivered, lag } from "../counters";
import { compact, count, rate } from "../format";
import { grpcurl } from "../grpcurl";
import { to } from "../route";
import { findingsOfConsumer } from "../state";
import { Chart } from "../ui/chart";
import { CopyButton } from "../ui/copy";
import { Findings, toneOf } from "../ui/findings";
import { type Column, Table } from "../ui/table";

const STREAM: Column<Consumer> = {
  title: "Stream",
  by: ({ stream }) => stream,
  cell: ({ stream }) => <a href={to("stream", stream)}>{stream}</a>,
};

const COLUMNS: readonly Column<Consumer>[] = [
  {
    title: "Consumer",
    by: ({ name }) => name,
    cell: ({ stream, name }) => <a href={to("consumer", stream, name)}>{name}</a>,
  },
  { title: "State", cell: (consumer) => <Findings of={findingsOfConsumer(consumer)} />, by: (consumer) => -findingsOfConsumer(consumer).length },
  { title: "Lag", kind: "number", by: ({ state }) => state!.numPending, cell: ({ state }) => count(state!.numPending) },
  {
    title: "Lag so far",
    kind: "chart",
    extra: true,
    cell: (consumer) => <Chart values={lag().values(consumerKey(consumer))} what={`Lag of ${consumer.name}`} text={compact} />,
  },
  {
    title: "Rate",
    kind: "number",
    by: (consumer) => delivered().rate(consumerKey(consumer)) ?? 0,
    cell: (consumer) => rate(delivered().rate(consumerKey(consumer))),
  },
  {
    title: "Ack pending",
    kind: "number",
    by: ({ state }) => state!.numAckPending,
    cell: ({ config, state }) => outOf(state!.numAckPending, config?.maxAckPending),
  },
  { title: "Redelivered", kind: "number", extra: true, by: ({ state }) => state!.numRedelivered, cell: ({ state }) => count(state!.numRedelivered) },
  { title: "Waiting pulls", kind: "number", extra: true, by: ({ state }) => state!.numWaiting, cell: ({ state }) => count(state!.numWaiting) },
];

const EVERYWHERE = [STREAM, ...COLUMNS];

export function ConsumersTable({ consumers, of }: { consumers: readonly Consumer[]; of?: string }) {
  return (
    <Table
      label="Consumers"
      columns={of === undefined ? EVERYWHERE : COLUMNS}
      rows={consumers}
      keyOf={consumerKey}
      text={({ stream, name }) => `${stream} ${name}`}
      sort={["Lag", true]}
      tone={(consumer) => toneOf(findingsOfConsumer(consumer))}
      empty="There are no consumers yet, or none that you may see."
    >
      {of && <CopyButton text={() => grpcurl(ConsumerService.method.listConsumers, { stream: of })} label="Copy as grpcurl" />}
    </Table>
  );
}

function outOf(value: bigint, most: bigint | undefined): string {
  return most !== undefined && most > 0n ? `${count(value)} of ${compact(most)}` : count(value);
}
