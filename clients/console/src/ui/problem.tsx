// What is shown where data is not there yet, or cannot be had.

import type { ComponentChildren } from "preact";
import type { JetgateError } from "jetgate/web";
import { isAway } from "../gateway";
import { type Polled, isDenied } from "../polled";

/** An error of the gateway: why, and what is missing. */
export function Problem({ error }: { error: JetgateError }) {
  const permission = error.metadata.permission;
  return (
    <div class="problem" role="alert">
      <strong>{isDenied(error) ? "You may not see or do this" : error.reason || error.codeName}</strong>
      <span>{error.message}</span>
      {permission && <span>Permission that is missing: <code>{permission}</code></span>}
      {error.violations.map(({ field, description }) => (
        <span key={field}>
          <code>{field}</code> {description}
        </span>
      ))}
    </div>
  );
}

/** What was polled, as soon as it is there; what goes wrong stands above it. */
export function Shown<T>({ of, children }: { of: Polled<T>; children: (data: T) => ComponentChildren }) {
  const { data, error } = of;
  return (
    <>
      {error && !isSaid(error) && <Problem error={error} />}
      {data !== undefined ? children(data) : (!error || isSaid(error)) && <Loading />}
    </>
  );
}

/** The frame around the page says it of everything at once. */
function isSaid(error: JetgateError): boolean {
  return isAway(error) || error.codeName === "UNAUTHENTICATED";
}

export function Loading() {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}
