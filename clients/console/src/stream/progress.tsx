// How far a search is, what has ended it, and the way to go on.

import { count } from "../format";
import { SILENCE } from "./looking";
import { type Search, isComplete, length, seen } from "./search";

interface Props {
  search: Search | undefined;
  busy: boolean;
  stop: () => void;
  goOn: () => void;
}

export function HowFar({ search, busy, stop, goOn }: Props) {
  const over = search !== undefined && isComplete(search) && !busy;
  return (
    <div class="tools">
      <p class={over ? "visually-hidden" : "quiet"} role="status">
        {busy ? `Looking… ${soFar(search)}` : over ? `${search.found.length} messages` : ending(search)}
      </p>
      {busy && (
        <button type="button" onClick={stop}>
          Stop
        </button>
      )}
      {!busy && !over && (
        <button type="button" class="primary" onClick={goOn}>
          Go on
        </button>
      )}
    </div>
  );
}

function ending(search: Search | undefined): string {
  if (!search) return "Nothing was looked through.";
  if (search.silent) return `${SILENCE} What is shown may not be all. ${soFar(search)}`;
  return `That is not all. ${soFar(search)}`;
}

function soFar(search: Search | undefined): string {
  if (!search || search.from.kind === "last per subject") return "";
  const range = seen(search);
  if (length(range) === 0n) return "";
  return `${count(search.found.length)} found in the sequences ${count(range.first)} to ${count(range.last)}.`;
}
