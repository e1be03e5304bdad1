// A table that can be sorted and filtered, and that draws only the rows that are seen.

import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";

/** One column. */
export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ComponentChildren;
  /** What rows are sorted by; without it the column cannot be sorted. */
  readonly by?: (row: T) => string | number | bigint;
  readonly kind?: "number" | "chart" | "text";
  /** Left out where the screen is narrow. */
  readonly extra?: boolean;
}

interface Props<T> {
  /** What the table is about, for those who do not see it. */
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  /** What a filter looks at; without it there is none. */
  text?: (row: T) => string;
  /** The column that sorts at first, and whether from the largest on. */
  sort?: readonly [title: string, descending: boolean];
  /** Rows that stand out. */
  tone?: (row: T) => string | undefined;
  /** Said where there are no rows. */
  empty: ComponentChildren;
  children?: ComponentChildren;
}

/** The height of a row, which the style sheet has as well. */
const ROW = 36;
/** Rows that are drawn above and below those that are seen. */
const MARGIN = 12;
/** At first, before the browser has told the height. */
const SEEN = 900;

export function Table<T>(props: Props<T>) {
  const { label, columns, keyOf, tone, empty, text } = props;
  const [sort, setSort] = useState<Sort>(props.sort ?? ["", false]);
  const [filter, setFilter] = useState("");
  const [window, scrolled] = useState({ top: 0, height: SEEN });
  const box = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => arrange(props, sort, filter), [props.rows, props.columns, sort, filter]);

  const first = Math.min(Math.max(0, Math.floor(window.top / ROW) - MARGIN), Math.max(0, rows.length - MARGIN));
  const last = Math.min(rows.length, Math.ceil((window.top + window.height) / ROW) + MARGIN);
  const scroll = () => {
    const { scrollTop, clientHeight } = box.current!;
    // A redraw for each pixel would be too many.
    if (Math.abs(scrollTop - window.top) >= (ROW * MARGIN) / 2 || clientHeight !== window.height) {
      scrolled({ top: scrollTop, height: clientHeight });
    }
  };
  return (
    <section class="table">
      {(text ?? props.children) && (
        <div class="tools">
          {text && (
            <input
              type="search"
              placeholder="Filter"
              aria-label={`Filter ${label}`}
              value={filter}
              onInput={(event) => setFilter(event.currentTarget.value)}
            />
          )}
          <span class="quiet" role="status">
            {rows.length === props.rows.length ? rows.length : `${rows.length} of ${props.rows.length}`}
          </span>
          {props.children}
        </div>
      )}
      <div class="scroll" ref={box} onScroll={scroll} tabIndex={0} role="region" aria-label={label}>
        <table aria-label={label} aria-rowcount={rows.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              {columns.map((column) => (
                <Heading key={column.title} column={column} sort={sort} choose={setSort} />
              ))}
            </tr>
          </thead>
          <tbody>
            <Space rows={first} />
            {rows.slice(first, last).map((row, at) => (
              <tr key={keyOf(row)} aria-rowindex={first + at + 2} class={tone?.(row)}>
                {columns.map(({ title, cell, kind, extra }) => (
                  <td key={title} class={classes(kind, extra)}>{cell(row)}</td>
                ))}
              </tr>
            ))}
            <Space rows={rows.length - last} />
          </tbody>
        </table>
        {rows.length === 0 && <p class="empty">{props.rows.length > 0 ? "Nothing matches the filter." : empty}</p>}
      </div>
    </section>
  );
}

type Sort = readonly [title: string, descending: boolean];

function Heading<T>({ column, sort, choose }: { column: Column<T>; sort: Sort; choose: (sort: Sort) => void }) {
  const { title, by, kind, extra } = column;
  const [chosen, descending] = sort;
  if (!by) return <th scope="col" class={classes(kind, extra)}>{title}</th>;
  const state = chosen !== title ? "none" : descending ? "descending" : "ascending";
  // Numbers are looked at from the largest on.
  const next = chosen === title ? !descending : kind === "number";
  return (
    <th scope="col" class={classes(kind, extra)} aria-sort={state}>
      <button type="button" class="plain" onClick={() => choose([title, next])}>
        {title}
        <span aria-hidden="true">{state === "none" ? "" : descending ? " ▾" : " ▴"}</span>
      </button>
    </th>
  );
}

/** Rows that are not drawn, and keep their place. */
function Space({ rows }: { rows: number }) {
  return rows > 0 ? <tr aria-hidden="true" class="space" style={{ height: `${rows * ROW}px` }} /> : null;
}

function classes(kind = "text", extra = false): string {
  return extra ? `${kind} extra` : kind;
}

function arrange<T>({ rows, columns, text }: Props<T>, [title, descending]: Sort, filter: string): readonly T[] {
  const wanted = filter.trim().toLowerCase();
  const found = wanted && text ? rows.filter((row) => text(row).toLowerCase().includes(wanted)) : rows;
  const by = columns.find((column) => column.title === title)?.by;
  if (!by) return found;
  const direction = descending ? -1 : 1;
  const keyed = found.map((row) => [by(row), row] as const);
  keyed.sort(([one], [other]) => (one < other ? -direction : one > other ? direction : 0));
  return keyed.map(([, row]) => row);
}
