// A field of a form with its name, and what is wrong with what was typed.

import type { InputHTMLAttributes } from "preact";
import { useId } from "preact/hooks";

type Props = InputHTMLAttributes<HTMLInputElement> & {
  label: string;
  /** What is wrong; empty where nothing is. */
  problem: string;
};

export function Field({ label, problem, ...input }: Props) {
  const id = useId();
  return (
    <span class="field">
      <label>
        {label}
        <input {...input} aria-invalid={problem !== ""} aria-describedby={problem ? id : undefined} />
      </label>
      <span id={id} class="wrong" role="alert">
        {problem}
      </span>
    </span>
  );
}
