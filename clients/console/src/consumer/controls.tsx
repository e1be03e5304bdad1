// What can be done to a consumer.

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { type Consumer, ConsumerService } from "jetgate/proto/consumer";
import { client } from "../caller";
import { count, lasting } from "../format";
import { grpcurl } from "../grpcurl";
import { NO_SEQUENCE, sequenceOf } from "../sequence";
import { ask } from "../ui/action";
import { Field } from "../ui/field";

const { pauseConsumer, resumeConsumer, resetConsumer, unpinConsumer } = ConsumerService.method;

const MINUTE = 60_000;
const PAUSES = [MINUTE, 10 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE];

export function Controls({ consumer, done }: { consumer: Consumer; done: () => void }) {
  const [pause, setPause] = useState(PAUSES[0]);
  const [place, setPlace] = useState("");
  const [problem, setProblem] = useState("");
  const { state } = consumer;
  const reset = () => {
    const sequence = sequenceOf(place);
    const isWrong = sequence === undefined && place.trim() !== "";
    setProblem(isWrong ? NO_SEQUENCE : "");
    if (!isWrong) askToReset(consumer, sequence, done);
  };
  const pinned = (state?.priorityGroups ?? []).filter(({ pinnedClientId }) => pinnedClientId);
  return (
    <div class="tools" role="group" aria-label="What can be done">
      <label>
        Pause for
        <select value={pause} onChange={(event) => setPause(Number(event.currentTarget.value))}>
          {PAUSES.map((each) => (
            <option key={each} value={each}>
              {lasting(each)}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => askToPause(consumer, pause, done)}>
        Pause…
      </button>
      {state?.paused && (
        <button type="button" onClick={() => askToResume(consumer, done)}>
          Resume…
        </button>
      )}
      <Field
        label="Reset to sequence"
        inputMode="numeric"
        placeholder="not acknowledged"
        value={place}
        onInput={(event) => setPlace(event.currentTarget.value)}
        problem={problem}
      />
      <button type="button" onClick={reset}>
        Reset…
      </button>
      {pinned.map(({ group }) => (
        <button key={group} type="button" onClick={() => askToUnpin(consumer, group, done)}>
          Unpin {group}…
        </button>
      ))}
    </div>
  );
}

function askToPause({ stream, name }: Consumer, ms: number, done: () => void): void {
  const request = { stream, consumer: name, end: { case: "pauseFor" as const, value: durationFromMs(ms) } };
  ask({
    title: `Pause ${name}?`,
    text: <p>Nobody gets its messages for {lasting(ms)}. What was delivered can still be acknowledged.</p>,
    button: "Pause",
    command: grpcurl(pauseConsumer, request),
    call: async () => {
      await client.services.consumers.pauseConsumer(request);
      done();
      return `${name} is paused.`;
    },
  });
}

function askToResume({ stream, name }: Consumer, done: () => void): void {
  const request = { stream, consumer: name };
  ask({
    title: `Resume ${name}?`,
    text: <p>Its messages are delivered again from now on.</p>,
    button: "Resume",
    command: grpcurl(resumeConsumer, request),
    call: async () => {
      await client.services.consumers.resumeConsumer(request);
      done();
      return `${name} goes on.`;
    },
  });
}

function askToReset({ stream, name, state }: Consumer, sequence: bigint | undefined, done: () => void): void {
  const request = { stream, consumer: name, sequence };
  const place = sequence ? `sequence ${count(sequence)}` : "its first message that is not acknowledged";
  ask({
    title: `Reset ${name}?`,
    text: (
      <p>
        It goes on at {place}. {count(state!.numAckPending)} deliveries that are not acknowledged are forgotten; what was
        processed behind that place comes again.
      </p>
    ),
    button: "Reset",
    danger: true,
    command: grpcurl(resetConsumer, request),
    call: async () => {
      const { resetSequence } = await client.services.consumers.resetConsumer(request);
      done();
      return `${name} goes on at ${count(resetSequence)}.`;
    },
  });
}

function askToUnpin({ stream, name }: Consumer, group: string, done: () => void): void {
  const request = { stream, consumer: name, group };
  ask({
    title: `Unpin ${group}?`,
    text: <p>The next client of the group that pulls gets the messages.</p>,
    button: "Unpin",
    command: grpcurl(unpinConsumer, request),
    call: async () => {
      await client.services.consumers.unpinConsumer(request);
      done();
      return `${group} is pinned to nobody.`;
    },
  });
}
