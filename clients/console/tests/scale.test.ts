// Long tables: a thousand streams and five thousand consumers stay fast to draw, scroll and filter.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { StorageType } from "jetgate";
import { Console, World, eventually, findBrowser, launch } from "./support.js";

const STREAMS = 1_000;
const CONSUMERS = 5_000;
/** The longest time to draw after a key: what people take for at once. */
const AT_ONCE_MS = 500;
/** How often that is measured: a machine that does other things, too, may be busy with them once. */
const MOST_MEASUREMENTS = 5;

/** The longest time to list the consumers of all streams, with a call for each. */
const LISTED_MS = 120_000;

const executable = findBrowser();

test("a thousand streams and five thousand consumers", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, async () => {
  await using world = await World.start({ console: true });
  await using client = world.connect();
  await inParallel(STREAMS, (number) =>
    client.streams.create({ name: `S${number}`, subjects: [`s.${number}`], storage: StorageType.MEMORY }, { timeoutMs: 60_000 }),
  );
  await inParallel(CONSUMERS, (number) =>
    client.consumers.create(`S${number % STREAMS}`, { durableName: `c${number}` }, { timeoutMs: 60_000 }),
  );

  await using browser = await launch(executable!);
  for (const [place, rows, prefix] of [["", STREAMS, "S"], ["consumers", CONSUMERS, "c"]] as const) {
    await using page = await Console.open(browser, world, place);
    const table = page.page.getByRole("table");
    await table.waitFor({ timeout: LISTED_MS });
    await eventually(async () => (await table.getAttribute("aria-rowcount")) === String(rows + 1), `${rows} rows`);
    assert.ok((await page.page.getByRole("row").count()) < 100, "only rows that are seen are drawn");

    // The end of the table comes into sight by the keyboard.
    await page.page.getByRole("region").focus();
    await page.page.keyboard.press("End");
    await page.page.locator(`[aria-rowindex="${rows + 1}"]`).waitFor();
    assert.ok((await page.page.getByRole("row").count()) < 100);

    const took: number[] = [];
    do took.push(await filtered(page, `${prefix}${rows - 200 - took.length}`));
    while (took.length < MOST_MEASUREMENTS && Math.min(...took) >= AT_ONCE_MS);
    console.log(`${rows} rows were filtered and drawn in ${took.map(Math.round).join(", ")} ms`);
    assert.ok(Math.min(...took) < AT_ONCE_MS, `${took.join(", ")} ms`);
  }
});

/** How long a table of all rows takes to be that of one, in milliseconds. */
async function filtered(page: Console, wanted: string): Promise<number> {
  const search = (text: string) =>
    page.page.evaluate(async (text) => {
      const input = document.querySelector<HTMLInputElement>("input[type=search]")!;
      const begun = performance.now();
      input.value = text;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return performance.now() - begun;
    }, text);
  // All rows again, where another was looked for before.
  await search("");
  const took = await search(wanted);
  await page.row(wanted).waitFor();
  return took;
}

/** Does something so many times, a few at a time. */
async function inParallel(count: number, act: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}
