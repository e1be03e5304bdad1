// Names with their values: figures at the top of a page, and the settings of a configuration.

import type { ComponentChildren } from "preact";
import type { Setting } from "../config";

/** A figure. */
export type Fact = readonly [name: string, value: ComponentChildren, tone?: "good" | "warn" | "bad"];

/** Figures side by side; those without a value are left out. */
export function Facts({ of }: { of: readonly (Fact | false | undefined)[] }) {
  return (
    <dl class="facts">
      {of.map(
        (fact) =>
          fact && (
            <div key={fact[0]} class={fact[2]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

/** A configuration; what differs from the defaults stands out and says how. */
export function Settings({ of }: { of: readonly Setting[] }) {
  return (
    <table class="settings" aria-label="Configuration">
      <thead>
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Value</th>
          <th scope="col">Default, where it differs</th>
        </tr>
      </thead>
      <tbody>
        {of.map(({ name, value, instead }) => (
          <tr key={name} class={instead === undefined ? undefined : "differs"}>
            <th scope="row">
              <code>{name}</code>
            </th>
            <td>{value}</td>
            <td>{instead}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A word about the state of something. */
export function Mark({ tone, children }: { tone: "good" | "warn" | "bad" | "calm"; children: ComponentChildren }) {
  return <span class={`mark ${tone}`}>{children}</span>;
}
