// Publishes a message by hand, and shows the answer.

import { useState } from "preact/hooks";
import { PublisherService } from "jetgate/proto/publisher";
import { client } from "../caller";
import { count } from "../format";
import { grpcurl } from "../grpcurl";
import { ask } from "../ui/action";
import { sent } from "../ui/form";
import { Facts } from "../ui/facts";
import type { PartProps } from "./page";

/** What the form says. */
interface Draft {
  readonly subject: string;
  readonly messageId: string;
  readonly headers: { name: string; value: string }[];
  readonly text: string;
}

type Answer = Awaited<ReturnType<typeof client.services.publisher.publish>>;

export function PublishForm({ stream: { config } }: PartProps) {
  const [answer, setAnswer] = useState<Answer>();
  const [problem, setProblem] = useState("");
  const submit = (event: Event) => {
    const draft = draftOf(sent(event));
    setProblem(typeof draft === "string" ? draft : "");
    if (typeof draft !== "string") confirm(draft, setAnswer);
  };
  return (
    <form class="publish" onSubmit={submit}>
      <label>
        Subject
        <input name="subject" required defaultValue={firstPlain(config!.subjects)} />
      </label>
      <label>
        Message id
        <input name="messageId" placeholder="one that the stream stores once; may be empty" />
      </label>
      <label>
        Headers
        <textarea name="headers" rows={2} placeholder="Name: value, one a line" />
      </label>
      <label>
        Payload
        <textarea name="text" rows={6} class="code" />
      </label>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="buttons">
        <button type="submit" class="primary">
          Publish…
        </button>
      </div>
      {answer && (
        <section aria-label="Answer">
          <h2>Stored</h2>
          <Facts
            of={[
              ["Stream", answer.stream],
              ["Sequence", count(answer.sequence)],
              ["Message id", <code>{answer.messageId}</code>],
              answer.duplicate && ["Duplicate", "It was stored before under this id", "warn"],
            ]}
          />
        </section>
      )}
    </form>
  );
}

function confirm({ subject, messageId, headers, text }: Draft, show: (answer: Answer) => void): void {
  const request = { subject, messageId, headers, payload: { case: "text" as const, value: text } };
  ask({
    title: `Publish to ${subject}?`,
    text: <p>Whoever consumes the subject gets the message. It cannot be taken back.</p>,
    button: "Publish",
    command: grpcurl(PublisherService.method.publish, request),
    call: async () => {
      const answer = await client.services.publisher.publish(request);
      show(answer);
      return answer.duplicate ? "The message was there already." : `Stored as ${count(answer.sequence)}.`;
    },
  });
}

/** The form's fields, or what is wrong with them. */
function draftOf(field: (name: string) => string): Draft | string {
  const headers: Draft["headers"] = [];
  for (const line of field("headers").split("\n").filter((line) => line.trim())) {
    const colon = line.indexOf(":");
    if (colon < 1) return `A header is written “Name: value”, not “${line}”.`;
    headers.push({ name: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim() });
  }
  return { subject: field("subject").trim(), messageId: field("messageId").trim(), headers, text: field("text") };
}

/** A subject to begin with. */
function firstPlain(subjects: readonly string[]): string {
  return subjects.find((subject) => !/[*>]/.test(subject)) ?? subjects[0]?.replace(/[*>].*$/, "") ?? "";
}
