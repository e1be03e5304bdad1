// How counters moved since the page was opened: for rates and small charts.

/** One look. */
interface Sample {
  readonly at: number;
  readonly value: number;
}

/** How many looks are kept of each. */
const KEPT = 120;

/** The looks at many counters, by their names. */
export class History {
  private readonly series = new Map<string, Sample[]>();

  /** Notes what a counter shows now. */
  note(name: string, value: bigint | number, at = performance.now()): void {
    const samples = this.series.get(name) ?? [];
    samples.push({ at, value: Number(value) });
    if (samples.length > KEPT) samples.shift();
    this.series.set(name, samples);
  }

  /** Forgets counters that are not there any more. */
  forget(isGone: (name: string) => boolean): void {
    for (const name of this.series.keys()) if (isGone(name)) this.series.delete(name);
  }

  /** The last values, the oldest first. */
  values(name: string): number[] {
    return (this.series.get(name) ?? []).map(({ value }) => value);
  }

  /** How much the counter grew in a second, between each two looks; it grows by nothing where it was reset. */
  rates(name: string): number[] {
    const samples = this.series.get(name) ?? [];
    return samples.slice(1).map(({ at, value }, before) => {
      const last = samples[before];
      return at > last.at ? (1000 * Math.max(0, value - last.value)) / (at - last.at) : 0;
    });
  }

  /** The latest of them. */
  rate(name: string): number | undefined {
    return this.rates(name).at(-1);
  }
}
