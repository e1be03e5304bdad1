// One message in full: where it is, its headers, and its payload in the form that tells most.

import { useState } from "preact/hooks";
import { StreamService } from "jetgate/proto/stream";
import { bytes, count, time } from "../format";
import { grpcurl } from "../grpcurl";
import { Dialog } from "../ui/action";
import { CopyButton } from "../ui/copy";
import { Facts } from "../ui/facts";
import { type Form, SHOWN_BYTES, bestForm, shown } from "./payload";

/** A message, whichever call it came by. */
export interface Looked {
  readonly stream: string;
  readonly subject: string;
  readonly sequence: bigint;
  readonly published: Date | undefined;
  readonly messageId: string;
  readonly headers: readonly { readonly name: string; readonly value: string | Uint8Array }[];
  readonly data: Uint8Array;
}

export function Detail({ message, close }: { message: Looked; close: () => void }) {
  const { stream, subject, sequence, published, messageId, headers, data } = message;
  const command = () => grpcurl(StreamService.method.getMessage, { stream, target: { case: "sequence", value: sequence } });
  return (
    <Dialog title={`Message ${count(sequence)} of ${stream}`} close={close}>
      <Facts
        of={[
          ["Subject", <code>{subject}</code>],
          published && ["Stored", time(published)],
          messageId !== "" && ["Message id", <code>{messageId}</code>],
          ["Payload", bytes(data.length)],
        ]}
      />
      {headers.length > 0 && <Headers of={headers} />}
      <Payload data={data} />
      <div class="buttons">
        <CopyButton text={command} label="Copy as grpcurl" />
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
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
