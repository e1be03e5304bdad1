// Dead letters: what JetStream gave up, to be looked at and published again.

import { useState } from "preact/hooks";
import { info } from "../gateway";
import { Found } from "./found";
import type { Selection } from "./replay";
import { Search } from "./search";

export function LettersPage() {
  const [{ filter, looks }, look] = useState<{ filter: Selection["filter"]; looks: number }>({ filter: {}, looks: 0 });
  return (
    <>
      <h1>Dead letters</h1>
      {info.value && !info.value.deadLetters ? (
        <p class="empty">
          This gateway keeps none: <code>dead_letters.letters</code> is not configured.
        </p>
      ) : (
        <>
          <Search search={(filter) => look({ filter, looks: looks + 1 })} />
          <Found key={looks} filter={filter} />
        </>
      )}
    </>
  );
}
