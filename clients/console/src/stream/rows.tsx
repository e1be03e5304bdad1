// A table of messages, each of which opens.

import { useState } from "preact/hooks";
import { bytes, count, time } from "../format";
import { type Column, Table } from "../ui/table";
import { Detail } from "./detail";
import type { Looked } from "./looked";
import { preview } from "./payload";

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
    { title: "Size", kind: "number", extra: true, cell: ({ size }) => bytes(size) },
    { title: "Payload", cell: ({ beginning }) => <span class="preview">{preview(beginning)}</span> },
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
