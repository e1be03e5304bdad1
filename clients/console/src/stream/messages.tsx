// The browser of stored messages: by place, time and subject.

import { useLayoutEffect, useState } from "preact/hooks";
import { useTask } from "../task";
import { CopyButton } from "../ui/copy";
import { Problem } from "../ui/problem";
import { command } from "./command";
import { Further } from "./further";
import { open, step } from "./looking";
import type { PartProps } from "./page";
import { Place } from "./place";
import { HowFar } from "./progress";
import { Rows } from "./rows";
import { type From, type Search, isBackward, isComplete } from "./search";

export function Messages({ stream: { config, state } }: PartProps) {
  const stream = config!.name;
  const [wanted, want] = useState<{ from: From; filter: string }>({ from: { kind: "newest" }, filter: "" });
  const [search, setSearch] = useState<Search>();
  const { busy, error, run, stop } = useTask();
  const look = (begun?: Search) =>
    run(async (signal) => {
      await step(stream, begun ?? (await open(stream, wanted.from, wanted.filter, signal)), signal, setSearch);
    });
  useLayoutEffect(() => {
    setSearch(undefined);
    look();
  }, [stream, wanted]);

  const { from, filter } = wanted;
  const found = search && (isBackward(search.from) ? search.found.toReversed() : search.found);
  const extent = { first: state!.firstSequence, last: state!.lastSequence };
  return (
    <>
      <Place search={(from, filter) => want({ from, filter })}>
        <CopyButton text={() => command(stream, extent, from, filter)} label="Copy as grpcurl" />
      </Place>
      {error && <Problem error={error} />}
      <HowFar search={search} busy={busy} stop={stop} goOn={() => look(search)} />
      {search && found && (
        <>
          <Rows messages={found} label="Messages" empty={isComplete(search) ? "No message is there." : "None so far."} />
          <Further messages={found} of={search} go={(from) => want({ from, filter })} />
        </>
      )}
    </>
  );
}
