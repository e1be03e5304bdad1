// Everything that changes something: it asks first, says what it will do, and then what became of it.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { JetgateError } from "jetgate/web";
import { client, ofCaller } from "../caller";
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

const asked = ofCaller(() => signal<Action | undefined>(undefined));
const said = ofCaller(() => signal(""));

/** Asks whether to do it. */
export function ask(action: Action): void {
  asked().value = action;
}

/** Says what has happened, also to those who do not see it. */
export function say(text: string): void {
  said().value = text;
}

/** The dialog and the word afterwards: once in the page. */
export function Actions() {
  const [action, text] = [asked().value, said().value];
  useEffect(() => {
    const timer = setTimeout(() => say(""), 6_000);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <>
      {action && <Question key={action.title} action={action} />}
      <p class={text ? "said" : "said silent"} role="status">
        {text}
      </p>
    </>
  );
}

function Question({ action }: { action: Action }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<JetgateError>();
  const isOpen = () => asked().value === action;
  const close = () => {
    if (isOpen()) asked().value = undefined;
  };
  const go = async () => {
    const mine = client;
    setBusy(true);
    setError(undefined);
    const outcome = await action.call().catch(asError);
    if (mine !== client) return;
    setBusy(false);
    if (typeof outcome === "string") {
      say(outcome);
      return close();
    }
    heard(outcome);
    if (isOpen()) setError(outcome);
    else say(outcome.message);
  };
  return (
    <Dialog title={action.title} close={close}>
      <div>{action.text}</div>
      {error && <Problem error={error} />}
      <div class="buttons">
        {action.command && <CopyButton text={action.command} label="Copy as grpcurl" />}
        <button type="button" disabled={busy} onClick={close}>
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
