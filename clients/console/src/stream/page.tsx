// The page of one stream: how it stands, and its parts.

import type { ComponentType } from "preact";
import type { Stream } from "jetgate/proto/stream";
import { published } from "../counters";
import { age, bytes, count, rate, time } from "../format";
import { getStream, listConsumers } from "../lists";
import { ConsumersTable } from "../overview/consumers";
import { usePolled } from "../polled";
import { to } from "../route";
import { findingsOfStream, fullness } from "../state";
import { Chart, Meter } from "../ui/chart";
import { Facts } from "../ui/facts";
import { Findings } from "../ui/findings";
import { Shown } from "../ui/problem";
import { Tabs } from "../ui/tabs";
import { Configuration } from "./configuration";
import { LiveTail } from "./live";
import { Messages } from "./messages";
import { PublishForm } from "./publish";
import { Subjects } from "./subjects";

/** Time between two looks. */
const EVERY_MS = 2_000;

/** What every part is given. */
export interface PartProps {
  readonly stream: Stream;
}

const PARTS: Record<string, readonly [title: string, part: ComponentType<PartProps>]> = {
  messages: ["Messages", Messages],
  live: ["Live", LiveTail],
  publish: ["Publish", PublishForm],
  subjects: ["Subjects", Subjects],
  consumers: ["Consumers", Consumers],
  configuration: ["Configuration", Configuration],
};

export function StreamPage({ about: [name = "", part = "messages"] }: { about: readonly string[] }) {
  const stream = usePolled(`stream ${name}`, EVERY_MS, (signal) => getStream(name, signal));
  const [, Part] = PARTS[part] ?? PARTS.messages;
  const tabs = Object.entries(PARTS).map(([key, [title]]) => [title, to("stream", name, key), key === part] as const);
  return (
    <>
      <h1>{name}</h1>
      <Shown of={stream}>
        {(stream) => (
          <>
            <StreamFacts stream={stream} />
            <Tabs label={`Parts of ${name}`} of={tabs} />
            <Part stream={stream} />
          </>
        )}
      </Shown>
    </>
  );
}

function StreamFacts({ stream }: { stream: Stream }) {
  const { config, state, cluster } = stream;
  const full = fullness(stream);
  const findings = findingsOfStream(stream);
  return (
    <>
      {config!.description && <p>{config!.description}</p>}
      <Facts
        of={[
          ["Messages", count(state!.messages)],
          ["Size", <>{bytes(state!.bytes)} {full && <Meter part={full.part} what={`of ${full.limit}`} />}</>],
          ["Sequences", `${count(state!.firstSequence)} to ${count(state!.lastSequence)}`],
          state!.deletedCount > 0n && ["Deleted between", count(state!.deletedCount)],
          ["Subjects", count(state!.subjectCount)],
          ["Published", <>{rate(published().rate(config!.name)) || "…"} <Chart values={published().rates(config!.name)} what="Messages a second" text={rate} /></>],
          state!.lastTime && ["Last message", <span title={time(state!.lastTime)}>{age(state!.lastTime)} ago</span>],
          cluster && ["Leader", cluster.leader || "none"],
          findings.length > 0 && ["State", <Findings of={findings} />],
        ]}
      />
    </>
  );
}

function Consumers({ stream: { config } }: PartProps) {
  const { name } = config!;
  const consumers = usePolled(`consumers of ${name}`, EVERY_MS, (signal) => listConsumers(name, signal));
  return <Shown of={consumers}>{(consumers) => <ConsumersTable consumers={consumers} of={name} />}</Shown>;
}
