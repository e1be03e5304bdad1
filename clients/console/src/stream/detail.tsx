// One message in full: where it is, its headers, and its payload in the form that tells most.

import { useState } from "preact/hooks";
import { StreamService } from "jetgate/proto/stream";
import { client } from "../caller";
import { bytes, count, time } from "../format";
import { grpcurl } from "../grpcurl";
import { ONCE, usePolled } from "../polled";
import { Dialog } from "../ui/action";
import { CopyButton } from "../ui/copy";
import { Facts } from "../ui/facts";
import { Shown } from "../ui/problem";
import type { Looked } from "./looked";
import { type Form, SHOWN_BYTES, bestForm, shown } from "./payload";

export function Detail({ message, close }: { message: Looked; close: () => void }) {
  const { stream, subject, sequence, published, messageId, headers, size, beginning } = message;
  const command = () => grpcurl(StreamService.method.getMessage, { stream, target: { case: "sequence", value: sequence } });
  return (
    <Dialog title={`Message ${count(sequence)} of ${stream}`} close={close}>
      <Facts
        of={[
          ["Subject", <code>{subject}</code>],
          published && ["Stored", time(published)],
          messageId !== "" && ["Message id", <code>{messageId}</code>],
          ["Payload", bytes(size)],
        ]}
      />
      {headers.length > 0 && <Headers of={headers} />}
      {beginning.length === size ? <Payload data={beginning} /> : <WholePayload of={message} />}
      <div class="buttons">
        <CopyButton text={command} label="Copy as grpcurl" />
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

/** Of a message that is kept with its beginning alone; it may be gone by now. */
function WholePayload({ of: { stream, sequence, beginning } }: { of: Looked }) {
  const whole = usePolled(`message ${stream}/${sequence}`, ONCE, (signal) => client.streams.message(stream, { sequence }, { signal }));
  return (
    <>
      <Shown of={whole}>
        {({ payload }) => <Payload data={payload.case === "data" ? payload.value : new Uint8Array()} />}
      </Shown>
      {whole.error && !whole.data && (
        <>
          <p class="quiet">This is its beginning, as it came:</p>
          <Payload data={beginning} />
        </>
      )}
    </>
  );
}

export function Headers({ of }: { of: Looked["headers"] }) {
  return (
    <table class="settings" aria-label="Headers">
      <tbody>
        {of.map(({ name, value }, at) => (
          <tr key={at}>
            <th scope="row">
              <code>{name}</code>
            </th>
            <td>{typeof value === "string" ? value : shown(value, "hex")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const FORMS: readonly Form[] = ["text", "json", "hex"];

export function Payload({ data }: { data: Uint8Array }) {
  const [form, setForm] = useState<Form>(() => bestForm(data));
  const text = shown(data, form);
  return (
    <>
      <div class="tools" role="group" aria-label="Form of the payload">
        {FORMS.map((each) => (
          <button key={each} type="button" aria-pressed={each === form} onClick={() => setForm(each)}>
            {each === "json" ? "JSON" : each}
          </button>
        ))}
        <CopyButton text={text ?? ""} label="Copy payload" />
      </div>
      <pre class="payload" tabIndex={0} role="region" aria-label="Payload">
        {text ?? "The payload is no JSON."}
      </pre>
      {data.length > SHOWN_BYTES && <p class="quiet">Only its beginning is shown.</p>}
    </>
  );
}
