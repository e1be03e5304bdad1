// What is published to a stream, as it comes.

import { useEffect, useRef, useState } from "preact/hooks";
import type { JetgateError } from "jetgate/web";
import { SubscriberService } from "jetgate/proto/subscriber";
import { DeliverPolicy } from "jetgate/web";
import { client } from "../caller";
import { asError, heard } from "../gateway";
import { grpcurl } from "../grpcurl";
import { CopyButton } from "../ui/copy";
import { Problem } from "../ui/problem";
import type { Looked } from "./detail";
import type { PartProps } from "./page";
import { Rows, looked } from "./rows";

/** How many messages stay; the oldest go. */
const KEPT = 500;
/** The longest time until what has come is drawn. */
const DRAW_MS = 200;

export function LiveTail({ stream: { config } }: PartProps) {
  const stream = config!.name;
  const [filter, setFilter] = useState("");
  const [running, run] = useState(true);
  const [messages, setMessages] = useState<readonly Looked[]>([]);
  const [error, setError] = useState<JetgateError>();
  const come = useRef(0);

  useEffect(() => {
    if (!running) return;
    let fresh: Looked[] = [];
    setError(undefined);
    const subscription = client.subscribe(stream, {
      from: "new",
      filterSubjects: filter ? [filter] : undefined,
      clientName: "console",
      onDisconnected: (error) => heard(error),
    });
    const timer = setInterval(() => {
      if (fresh.length === 0) return;
      const newest = fresh.reverse();
      fresh = [];
      setMessages((before) => [...newest, ...before].slice(0, KEPT));
    }, DRAW_MS);
    const follow = async () => {
      for await (const message of subscription) {
        come.current++;
        fresh.push(looked(message));
        if (fresh.length > KEPT) fresh.shift();
      }
    };
    follow().catch((cause: unknown) => setError(asError(cause)));
    return () => {
      clearInterval(timer);
      subscription.close();
    };
  }, [stream, filter, running]);

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
        <button type="button" onClick={() => setMessages([])}>
          Clear
        </button>
        <CopyButton text={command} label="Copy as grpcurl" />
        <span class="quiet" role="status">
          {running ? "Listening" : "Paused"}, {come.current} so far
        </span>
      </form>
      {error && <Problem error={error} />}
      <Rows messages={messages} label="Live messages" empty={running ? "Nothing has come yet." : "Nothing came."} />
    </>
  );
}
