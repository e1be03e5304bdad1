// Follows what is published to a stream, while somebody sees the page.

import { useEffect, useRef, useState } from "preact/hooks";
import type { JetgateError } from "jetgate/web";
import { client } from "../caller";
import { asError, heard } from "../gateway";
import { visible } from "../visible";
import { type Looked, looked } from "./looked";
import { CLIENT_NAME } from "./reading";
import { Tail } from "./tail";

/** The longest time until what has come is drawn. */
const DRAW_MS = 200;

export interface Following {
  /** What has come, the newest first. */
  readonly messages: readonly Looked[];
  /** How many those were, with the ones that are not kept any more. */
  readonly come: number;
  /** It paused while the page was hidden: what came then is missing. */
  readonly wasHidden: boolean;
  /** Why the gateway has ended it. */
  readonly error: JetgateError | undefined;
  /** Forgets what has come. */
  readonly clear: () => void;
}

/** Follows as long as it is wanted; `ended` is told when the gateway does not go on. */
export function useFollowing(stream: string, filter: string, wanted: boolean, ended: () => void): Following {
  const tail = useRef(new Tail());
  const [drawn, draw] = useState<{ messages: readonly Looked[]; come: number }>({ messages: [], come: 0 });
  const [wasHidden, setWasHidden] = useState(false);
  const [error, setError] = useState<JetgateError>();
  const clear = () => {
    tail.current = new Tail();
    draw({ messages: [], come: 0 });
    setWasHidden(false);
  };
  useEffect(clear, [stream, filter]);
  useEffect(() => {
    if (wanted && !visible.value) setWasHidden(true);
  }, [wanted, visible.value]);

  const following = wanted && visible.value;
  useEffect(() => {
    if (!following) return;
    setError(undefined);
    const stop = follow(stream, filter, (message) => tail.current.add(message), (error) => {
      setError(error);
      ended();
    });
    const redraw = () => {
      const { come } = tail.current;
      draw((last) => (last.come === come ? last : { messages: tail.current.newest(), come }));
    };
    const timer = setInterval(redraw, DRAW_MS);
    return () => {
      clearInterval(timer);
      stop();
      redraw();
    };
  }, [stream, filter, following]);
  return { ...drawn, wasHidden, error, clear };
}

/** Reads from now on until it is stopped, or the gateway ends it. */
function follow(stream: string, filter: string, take: (message: Looked) => void, ended: (error?: JetgateError) => void): () => void {
  let stopped = false;
  const subscription = client.subscribe(stream, {
    from: "new",
    filterSubjects: filter ? [filter] : undefined,
    clientName: CLIENT_NAME,
    onDisconnected: heard,
  });
  const over = (error?: JetgateError) => {
    if (stopped) return;
    heard(error);
    ended(error);
  };
  const run = async () => {
    for await (const message of subscription) take(looked(message));
  };
  run().then(
    () => over(),
    (cause: unknown) => over(asError(cause)),
  );
  return () => {
    stopped = true;
    subscription.close();
  };
}
