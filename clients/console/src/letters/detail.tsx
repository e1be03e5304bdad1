// One letter with its message, and how it was replayed so far.

import { type DeadLetter, DeadLetterCause, DeadLetterService } from "jetgate/proto/dead_letter";
import { client } from "../caller";
import { count, time, words } from "../format";
import { grpcurl } from "../grpcurl";
import { ONCE, usePolled } from "../polled";
import { Headers, Payload } from "../stream/detail";
import { Dialog } from "../ui/action";
import { CopyButton } from "../ui/copy";
import { Facts } from "../ui/facts";
import { Shown } from "../ui/problem";

export function LetterDetail({ letter, close, replay }: { letter: DeadLetter; close: () => void; replay: () => void }) {
  const { letterId } = letter;
  const found = usePolled(`letter ${letterId}`, ONCE, (signal) =>
    client.services.deadLetters.getDeadLetter({ letterId }, { signal }),
  );
  return (
    <Dialog title={`Message ${count(letter.sequence)} of ${letter.stream}`} close={close}>
      <Facts
        of={[
          ["Died", time(letter.time)],
          ["Cause", words(DeadLetterCause, letter.cause)],
          letter.reason !== "" && ["Reason", letter.reason],
          ["Consumer", letter.consumer],
          ["Deliveries", count(letter.deliveries)],
          ["Subject", <code>{letter.subject}</code>],
          ["Published", time(letter.publishTime)],
        ]}
      />
      <Shown of={found}>
        {({ headers, payload, replays }) => (
          <>
            {headers.length > 0 && <Headers of={headers.map(({ name, value, binaryValue }) => ({ name, value: binaryValue.length > 0 ? binaryValue : value }))} />}
            {letter.hasMessage ? (
              <Payload data={payload.case === "data" ? payload.value : new Uint8Array()} />
            ) : (
              <p>The message was gone before the letter was written: it cannot be replayed.</p>
            )}
            {replays.map(({ replayId, time: replayed, sequence }) => (
              <p key={replayId}>
                Replayed {time(replayed)} as message {count(sequence)}.
              </p>
            ))}
          </>
        )}
      </Shown>
      <div class="buttons">
        <CopyButton text={grpcurl(DeadLetterService.method.getDeadLetter, { letterId })} label="Copy as grpcurl" />
        <button type="button" disabled={!letter.hasMessage} onClick={replay}>
          Replay…
        </button>
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
