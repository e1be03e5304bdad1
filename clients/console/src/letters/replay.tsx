// Publishing letters again: first what it would do, then, if it is wanted, the same for good.

import { useEffect, useState } from "preact/hooks";
import { DeadLetterService, type ReplaySummary, type ReplayedLetter } from "jetgate/proto/dead_letter";
import { ErrorReason } from "jetgate/proto/error";
import type { JetgateError } from "jetgate/web";
import { count } from "../format";
import { client } from "../caller";
import { asError, heard } from "../gateway";
import { grpcurl } from "../grpcurl";
import { Dialog } from "../ui/action";
import { CopyButton } from "../ui/copy";
import { Loading, Problem } from "../ui/problem";

/** Which letters. */
export interface Selection {
  readonly filter: { stream?: string; consumer?: string; subject?: string; cause?: number; letterIds?: string[] };
  /** In a word. */
  readonly what: string;
}

/** How many failures are shown. */
const SHOWN = 20;

interface Outcome {
  readonly summary?: ReplaySummary;
  readonly failed: readonly ReplayedLetter[];
}

export function Replay({ selection, close, done }: { selection: Selection; close: () => void; done: () => void }) {
  const [forGood, setForGood] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  const [error, setError] = useState<JetgateError>();
  const [replayId] = useState(() => crypto.randomUUID());
  const which = narrowed(selection.filter);
  const request = forGood ? { ...which, replayId } : { ...which, dryRun: true };
  useEffect(() => {
    const abort = new AbortController();
    setOutcome(undefined);
    setError(undefined);
    replay(request, abort.signal, setOutcome).then(
      () => forGood && done(),
      (cause: unknown) => {
        if (abort.signal.aborted) return;
        heard(asError(cause));
        setError(asError(cause));
      },
    );
    return () => abort.abort();
  }, [forGood]);
  const summary = outcome?.summary;
  return (
    <Dialog title={`Replay ${selection.what}`} close={close}>
      <div role="status">
        {!summary && !error && <Loading />}
        {summary && <Summary of={summary} forGood={forGood} />}
      </div>
      {!forGood && summary && (
        <p>Every consumer of the stream that takes the subject gets a replayed message, not only the one that it failed for.</p>
      )}
      <ul>
        {outcome?.failed.slice(0, SHOWN).map(({ letterId, status }) => (
          <li key={letterId}>
            <code>{letterId}</code>: {ErrorReason[status!.reason]} {status!.message}
          </li>
        ))}
      </ul>
      {error && <Problem error={error} />}
      <div class="buttons">
        <CopyButton text={() => grpcurl(DeadLetterService.method.replayDeadLetters, { ...which, replayId })} label="Copy as grpcurl" />
        <button type="button" onClick={close}>
          {forGood ? "Close" : "Cancel"}
        </button>
        {!forGood && (
          <button type="button" class="danger" disabled={!summary || summary.published === 0n} onClick={() => setForGood(true)}>
            Replay {summary ? count(summary.published) : ""}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function Summary({ of, forGood }: { of: ReplaySummary; forGood: boolean }) {
  return (
    <p>
      {count(of.published)} {forGood ? "were published" : "would be published"}
      {of.duplicates > 0n && <>, {count(of.duplicates)} had been before</>}
      {of.failed > 0n && <>, {count(of.failed)} cannot be</>}.
      {!of.complete && " The time was up before all were looked at."}
    </p>
  );
}

type Request = Parameters<typeof client.services.deadLetters.replayDeadLetters>[0];

async function replay(request: Request, signal: AbortSignal, show: (outcome: Outcome) => void): Promise<void> {
  const failed: ReplayedLetter[] = [];
  for await (const { event } of client.services.deadLetters.replayDeadLetters(request, { signal })) {
    if (event.case === "letter" && event.value.status?.code) failed.push(event.value);
    if (event.case === "summary") show({ summary: event.value, failed });
  }
  heard();
}

/** A filter that narrows nothing is said in another way. */
function narrowed(filter: Selection["filter"]) {
  const isEmpty = !Object.values(filter).some((value) => (Array.isArray(value) ? value.length > 0 : value));
  return isEmpty ? { all: true } : { filter };
}
