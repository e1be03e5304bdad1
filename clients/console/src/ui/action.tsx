// Everything that changes something: it asks first, says what it will do, and then what became of it.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { JetgateError } from "jetgate/web";
import { asError, heard } from "../gateway";
import { CopyButton } from "./copy";
import { Problem } from "./problem";

/** Something that is about to be done. */
export interface Action {
  readonly title: string;
  /** What it brings about. */
  readonly text: ComponentChildren;
  /** The word on the button. */
  readonly button: string;
  /** It cannot be undone. */
  readonly danger?: boolean;
  /** The same as a command. */
  readonly command?: string;
  /** Does it; what to say afterwards. */
  readonly call: () => Promise<string>;
}

const asked = signal<Action | undefined>(undefined);
const said = signal("");

/** Asks whether to do it. */
export function ask(action: Action): void {
  asked.value = action;
}

/** Says what has happened, also to those who do not see it. */
export function say(text: string): void {
  said.value = text;
}

/** The dialog and the word afterwards: once in the page. */
export function Actions() {
  useEffect(() => {
    const timer = setTimeout(() => say(""), 6_000);
    return () => clearTimeout(timer);
  }, [said.value]);
  return (
    <>
      {asked.value && <Question key={asked.value.title} action={asked.value} />}
      <p class={said.value ? "said" : "said silent"} role="status">
        {said.value}
      </p>
    </>
  );
}

function Question({ action }: { action: Action }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<JetgateError>();
  const close = () => (asked.value = undefined);
  const go = async () => {
    setBusy(true);
    setError(undefined);
    try {
      say(await action.call());
      close();
    } catch (cause) {
      const error = asError(cause);
      heard(error);
      setError(error);
    }
    setBusy(false);
  };
  return (
    <Dialog title={action.title} close={close}>
      <div>{action.text}</div>
      {error && <Problem error={error} />}
      <div class="buttons">
        {action.command && <CopyButton text={action.command} label="Copy as grpcurl" />}
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" class={action.danger ? "danger" : "primary"} disabled={busy} onClick={() => void go()}>
          {action.button}
        </button>
      </div>
    </Dialog>
  );
}

/** A dialog above the page: the browser keeps the focus in it and closes it by Escape. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opened = dialog.current!;
    const before = document.activeElement;
    opened.showModal();
    return () => {
      opened.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={close}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}
