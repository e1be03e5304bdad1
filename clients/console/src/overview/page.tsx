// Everything at a glance: how the gateway stands, and all streams or all consumers.

import { info } from "../gateway";
import { age, bytes, count } from "../format";
import { listAllConsumers, listStreams } from "../lists";
import { usePolled } from "../polled";
import { place, to } from "../route";
import { type Fact, Facts } from "../ui/facts";
import { Shown } from "../ui/problem";
import { ConsumersTable } from "./consumers";
import { StreamsTable } from "./streams";

/** Time between two looks. */
const EVERY_MS = 2_000;

export function Overview() {
  const consumers = place.value[0] === "consumers";
  return (
    <>
      <h1>{consumers ? "Consumers" : "Streams"}</h1>
      <GatewayFacts />
      {consumers ? <Consumers /> : <Streams />}
    </>
  );
}

function Streams() {
  const streams = usePolled("streams", EVERY_MS, listStreams);
  return <Shown of={streams}>{(streams) => <StreamsTable streams={streams} />}</Shown>;
}

function Consumers() {
  const consumers = usePolled("consumers", EVERY_MS, listAllConsumers);
  return <Shown of={consumers}>{(consumers) => <ConsumersTable consumers={consumers} />}</Shown>;
}

function GatewayFacts() {
  const gateway = info.value;
  if (!gateway) return null;
  const { nats, deadLetters } = gateway;
  const usage = nats?.usage;
  const letters: Fact | undefined = deadLetters && [
    "Dead letters",
    <a href={to("dead-letters")}>{deadLetters.problem || `${count(deadLetters.pending)} to be written`}</a>,
    deadLetters.problem ? "bad" : undefined,
  ];
  return (
    <Facts
      of={[
        ["Gateway", gateway.version],
        ["Up for", age(gateway.startTime)],
        nats ? ["NATS", `${nats.serverName} ${nats.serverVersion}`] : ["NATS", "not connected", "bad"],
        nats && ["Streams", count(nats.streams)],
        nats && ["Consumers", count(nats.consumers)],
        usage && ["On disk", limited(usage.storageBytes, usage.limits?.maxStorageBytes)],
        usage && ["In memory", limited(usage.memoryBytes, usage.limits?.maxMemoryBytes)],
        letters,
      ]}
    />
  );
}

function limited(used: bigint, most: bigint | undefined): string {
  return most !== undefined && most > 0n ? `${bytes(used)} of ${bytes(most)}` : bytes(used);
}
