// The book of a publisher, against a plain list, with random steps.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { Book, Pending, type Run, type RunLimits } from "#dist/publishing/book.js";
import { Encoder } from "#dist/publishing/encoder.js";

interface Model {
  number: number;
  size: number;
  inFlight: boolean;
  /** The step in which it was sent first; 0: never. */
  firstSentAt: number;
}

test("what is sent, answered, sent again and given up is what a list says", () => {
  for (let round = 0; round < 40; round++) walk(400 + round * 20);
});

function walk(steps: number): void {
  const book = new Book();
  const encoder = new Encoder();
  let model: Model[] = [];
  for (let step = 0; step < steps; step++) {
    const dice = Math.random();
    if (dice < 0.5) {
      const pending = new Pending("", () => undefined, () => undefined);
      encoder.encode("a", "x".repeat(Math.floor(Math.random() * 3_000)), undefined, pending);
      book.add(pending);
      model.push({ number: pending.number, size: pending.size, inFlight: false, firstSentAt: 0 });
    } else if (dice < 0.7) {
      const limits = { messages: 1 + Math.floor(Math.random() * 20), bytes: 1 + Math.floor(Math.random() * 9_000) };
      check(book.run(limits, step + 1), model, limits, step + 1);
    } else if (dice < 0.98) {
      const flying = model.filter(({ inFlight }) => inFlight);
      const one = flying[Math.floor(Math.random() * flying.length)] as Model | undefined;
      if (one) {
        assert.equal(book.take(one.number)?.number, one.number);
        assert.equal(book.take(one.number), undefined);
        model = model.filter((other) => other !== one);
      }
    } else {
      book.rewind();
      for (const one of model) one.inFlight = false;
      // What was sent is not sent again if it went out for too long; what never went out is not meant.
      const before = step - Math.floor(Math.random() * 200);
      const isForgotten = ({ firstSentAt }: Model) => firstSentAt > 0 && firstSentAt <= before;
      assert.deepEqual(book.forgotten(before).map(({ number }) => number), model.filter(isForgotten).map(({ number }) => number));
      model = model.filter((one) => !isForgotten(one));
    }
    const flying = model.filter(({ inFlight }) => inFlight);
    assert.equal(book.messages, model.length);
    assert.equal(book.bytes, sum(model));
    assert.equal(book.inFlightMessages, flying.length);
    assert.equal(book.inFlightBytes, sum(flying));
    assert.equal(book.settledThrough, (model.at(0)?.number ?? book.last + 1) - 1);
    assert.deepEqual([...book.all()].map(({ number }) => number), model.map(({ number }) => number));
  }
}

/** A run is the first unsent messages whose numbers follow one another, as far as the limits go. */
function check(run: Run | undefined, model: Model[], limits: RunLimits, now: number): void {
  const unsent = model.filter(({ inFlight }) => !inFlight);
  if (!run) return assert.equal(unsent.length, 0);
  let bytes = 0;
  const expected: Model[] = [];
  for (const one of unsent) {
    const gap = expected.length > 0 && one.number !== expected.at(-1)!.number + 1;
    if (gap || expected.length === limits.messages || (expected.length > 0 && bytes + one.size > limits.bytes)) break;
    expected.push(one);
    bytes += one.size;
  }
  assert.deepEqual([run.first, run.count, run.bytes], [expected[0].number, expected.length, bytes]);
  assert.equal(run.parts.reduce((all, part) => all + part.length, 0), bytes);
  for (const one of expected) {
    one.inFlight = true;
    one.firstSentAt ||= now;
  }
}

function sum(model: Model[]): number {
  return model.reduce((all, { size }) => all + size, 0);
}
