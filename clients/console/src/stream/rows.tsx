// A table of messages, each of which opens.

import { useState } from "preact/hooks";
import type { Message } from "jetgate/web";
import { bytes, count, time } from "../format";
import { type Column, Table } from "../ui/table";
import { Detail, type Looked } from "./detail";
import { preview } from "./payload";

/** A message of a read as it is looked at; its bytes are its own. */
export function looked(message: Message): Looked {
  const { stream, subject, sequence, publishTime, messageId, headers } = message;
  return { stream, subject, sequence, published: publishTime, messageId, headers, data: message.data.slice() };
}

export function Rows({ messages, label, empty }: { messages: readonly Looked[]; label: string; empty: string }) {
  const [open, setOpen] = useState<Looked>();
  const columns: readonly Column<Looked>[] = [
    {
      title: "Sequence",
      kind: "number",
      cell: (message) => (
        <button type="button" class="link" onClick={() => setOpen(message)}>
          <span class="visually-hidden">Look at message </span>
          {count(message.sequence)}
        </button>
      ),
    },
    { title: "Stored", extra: true, cell: ({ published }) => time(published) },
    { title: "Subject", cell: ({ subject }) => <code>{subject}</code> },
    { title: "Size", kind: "number", extra: true, cell: ({ data }) => bytes(data.length) },
    { title: "Payload", cell: ({ data }) => <span class="preview">{preview(data)}</span> },
  ];
  return (
    <>
      <Table
        label={label}
        columns={columns}
        rows={messages}
        keyOf={({ sequence }) => String(sequence)}
        empty={empty}
      />
      {open && <Detail message={open} close={() => setOpen(undefined)} />}
    </>
  );
}
