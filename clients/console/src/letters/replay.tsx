// Publishing letters again: first what it would do, then, if it is wanted, the same for good.

import { useEffect, useState } from "preact/hooks";
import { DeadLetterService, type ReplaySummary } from "jetgate/proto/dead_letter";
import { ErrorReason } from "jetgate/proto/error";
import { count } from "../format";
import { grpcurl } from "../grpcurl";
import { randomId } from "../random";
import { useTask } from "../task";
import { Dialog, say } from "../ui/action";
import { CopyButton } from "../ui/copy";
import { Problem } from "../ui/problem";
import { NOTHING, type Outcome, replay } from "./replaying";

/** Which letters. */
export interface Selection {
  readonly filter: { stream?: string; consumer?: string; subject?: string; cause?: number; letterIds?: string[] };
  /** In a word. */
  readonly what: string;
}

export function Replay({ selection, close, done }: { selection: Selection; close: () => void; done: () => void }) {
  const [forGood, setForGood] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>(NOTHING);
  // One replay, however often it is taken up again: nothing is published twice.
  const [replayId] = useState(randomId);
  const { busy, error, run, stop } = useTask();
  const which = narrowed(selection.filter);
  const go = (forGood: boolean) => {
    setForGood(forGood);
    setOutcome(NOTHING);
    run(async (signal) => {
      try {
        await replay(forGood ? { ...which, replayId } : { ...which, dryRun: true }, signal, setOutcome);
      } finally {
        if (forGood) done();
      }
    });
  };
  useEffect(() => go(false), []);

  const { summary, failed } = outcome;
  const leave = () => {
    if (busy && forGood) say("The replay was stopped before its end.");
    close();
  };
  return (
    <Dialog title={`Replay ${selection.what}`} close={leave}>
      <div role="status">
        {summary ? <Summary of={summary} forGood={forGood} /> : <SoFar busy={busy} looked={outcome.looked} />}
      </div>
      {!forGood && summary && (
        <p>Every consumer of the stream that takes the subject gets a replayed message, not only the one that it failed for.</p>
      )}
      <ul>
        {failed.map(({ letterId, status }) => (
          <li key={letterId}>
            <code>{letterId}</code>: {ErrorReason[status!.reason]} {status!.message}
          </li>
        ))}
      </ul>
      {error && <Problem error={error} />}
      <div class="buttons">
        <CopyButton text={() => grpcurl(DeadLetterService.method.replayDeadLetters, { ...which, replayId })} label="Copy as grpcurl" />
        <button type="button" onClick={leave}>
          {forGood ? "Close" : "Cancel"}
        </button>
        {busy && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
        {!busy && !summary?.complete && (
          <button type="button" class={forGood ? "danger" : "primary"} onClick={() => go(forGood)}>
            {forGood ? "Go on" : "Try again"}
          </button>
        )}
        {!forGood && (
          <button type="button" class="danger" disabled={!summary || summary.published === 0n} onClick={() => go(true)}>
            Replay {summary ? count(summary.published) : ""}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function SoFar({ busy, looked }: { busy: boolean; looked: number }) {
  return (
    <p>
      {busy ? "Looking…" : "It has not come to its end."} {looked > 0 && `${count(looked)} so far.`}
    </p>
  );
}

function Summary({ of, forGood }: { of: ReplaySummary; forGood: boolean }) {
  return (
    <p>
      {count(of.published)} {forGood ? "were published" : "would be published"}
      {of.duplicates > 0n && <>, {count(of.duplicates)} had been before</>}
      {of.failed > 0n && <>, {count(of.failed)} cannot be</>}.
      {!of.complete && " It ended before all were looked at."}
    </p>
  );
}

/** A filter that narrows nothing is said in another way. */
function narrowed(filter: Selection["filter"]) {
  const isEmpty = !Object.values(filter).some((value) => (Array.isArray(value) ? value.length > 0 : value));
  return isEmpty ? { all: true } : { filter };
}
