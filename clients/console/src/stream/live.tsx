// What is published to a stream, as it comes.

import { useState } from "preact/hooks";
import { SubscriberService } from "jetgate/proto/subscriber";
import { DeliverPolicy } from "jetgate/web";
import { count } from "../format";
import { grpcurl } from "../grpcurl";
import { CopyButton } from "../ui/copy";
import { Problem } from "../ui/problem";
import { useFollowing } from "./following";
import type { PartProps } from "./page";
import { Rows } from "./rows";

export function LiveTail({ stream: { config } }: PartProps) {
  const stream = config!.name;
  const [filter, setFilter] = useState("");
  const [running, run] = useState(true);
  const { messages, come, wasHidden, error, clear } = useFollowing(stream, filter, running, () => run(false));
  const command = () =>
    grpcurl(SubscriberService.method.subscribe, {
      stream,
      source: { case: "ordered", value: { deliverPolicy: DeliverPolicy.NEW, filterSubjects: filter ? [filter] : [] } },
    });
  return (
    <>
      <form class="tools" onSubmit={(event) => event.preventDefault()}>
        <label>
          Subject
          <input name="subject" placeholder=">" value={filter} onChange={(event) => setFilter(event.currentTarget.value.trim())} />
        </label>
        <button type="button" aria-pressed={!running} onClick={() => run(!running)}>
          {running ? "Pause" : "Go on"}
        </button>
        <button type="button" onClick={clear}>
          Clear
        </button>
        <CopyButton text={command} label="Copy as grpcurl" />
        <span class="quiet" role="status">
          {running ? "Listening" : "Paused"}, {count(come)} so far
          {messages.length < come && `, the last ${count(messages.length)} are kept`}
          {wasHidden && ". It paused while the page was hidden: what came then is not here."}
        </span>
      </form>
      {error && <Problem error={error} />}
      <Rows messages={messages} label="Live messages" empty={running ? "Nothing has come yet." : "Nothing came."} />
    </>
  );
}
