// The page of one consumer: how far it is, who consumes it, and what holds its messages up.

import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConsumerConfigSchema } from "jetgate/proto/consumer_config";
import { type Consumer, ConsumerService, type SequencePair } from "jetgate/proto/consumer";
import { CONSUMER_DEFAULTS, settings } from "../config";
import { consumerKey, delivered, lag } from "../counters";
import { age, count, lasting, rate, time } from "../format";
import { grpcurl } from "../grpcurl";
import { type Sessions, getConsumer, listSessions } from "../lists";
import { type Polled, usePolled } from "../polled";
import { to } from "../route";
import { SessionsTable } from "../sessions/table";
import { findingsOfConsumer } from "../state";
import { Chart } from "../ui/chart";
import { CopyButton } from "../ui/copy";
import { Facts, Settings } from "../ui/facts";
import { Findings } from "../ui/findings";
import { Shown } from "../ui/problem";
import { Controls } from "./controls";
import { reasons } from "./reasons";

/** Time between two looks. */
const EVERY_MS = 2_000;

export function ConsumerPage({ about: [stream = "", name = ""] }: { about: readonly string[] }) {
  const key = `${stream}/${name}`;
  const consumer = usePolled(`consumer ${key}`, EVERY_MS, (signal) => getConsumer(stream, name, signal));
  const sessions = usePolled(`sessions of ${key}`, EVERY_MS, (signal) => listSessions({ stream, consumer: name }, signal));
  return (
    <>
      <p class="crumb">
        <a href={to("stream", stream, "consumers")}>{stream}</a> /
      </p>
      <h1>{name}</h1>
      <Shown of={consumer}>
        {(found) => (
          <>
            <Standing consumer={found} sessions={sessions} />
            <Controls consumer={found} done={consumer.refresh} />
            <h2>Who consumes</h2>
            <Shown of={sessions}>{(sessions) => <SessionsTable of={sessions} withStream={false} />}</Shown>
            <h2>Configuration</h2>
            <Settings of={settings(ConsumerConfigSchema, found.config!, CONSUMER_DEFAULTS)} />
            <div class="tools">
              <CopyButton text={grpcurl(ConsumerService.method.getConsumer, { stream, consumer: name })} label="Copy as grpcurl" />
            </div>
          </>
        )}
      </Shown>
    </>
  );
}

function Standing({ consumer, sessions }: { consumer: Consumer; sessions: Polled<Sessions> }) {
  const { state, config, cluster } = consumer;
  const key = consumerKey(consumer);
  const findings = findingsOfConsumer(consumer);
  const why = sessions.data ? reasons(consumer, sessions.data.sessions) : [];
  return (
    <>
      {config!.description && <p>{config!.description}</p>}
      <Facts
        of={[
          ["Lag", <>{count(state!.numPending)} <Chart values={lag().values(key)} what="Lag" text={count} /></>, state!.numPending > 0n ? "warn" : undefined],
          ["Ack pending", count(state!.numAckPending)],
          ["Redelivered", count(state!.numRedelivered)],
          ["Delivered", <>{rate(delivered().rate(key)) || "…"} <Chart values={delivered().rates(key)} what="Deliveries a second" text={rate} /></>],
          ["Last delivery", at(state!.delivered)],
          ["Acknowledged up to", at(state!.ackFloor)],
          ["Waiting pulls", count(state!.numWaiting)],
          state!.paused && ["Paused for", state!.pauseRemaining ? lasting(durationMs(state!.pauseRemaining)) : "a while", "warn"],
          cluster && ["Leader", cluster.leader || "none"],
          findings.length > 0 && ["State", <Findings of={findings} />],
        ]}
      />
      {(state!.priorityGroups ?? []).map(({ group, pinnedClientId, pinnedTime }) => (
        <p key={group}>
          Group <code>{group}</code>: {pinnedClientId ? <>pinned to <code>{pinnedClientId}</code> for {age(pinnedTime)}</> : "nobody is pinned"}
        </p>
      ))}
      {why.length > 0 && (
        <section class="why" aria-label="What holds messages up">
          <h2>What holds messages up</h2>
          <ul>
            {why.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

/** A place: its sequence in the stream, and when it was moved there. */
function at(place: SequencePair | undefined) {
  if (!place) return "";
  return <span title={time(place.lastActive)}>{count(place.streamSequence)}</span>;
}
