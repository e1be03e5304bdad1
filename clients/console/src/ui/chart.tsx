// Small charts and bars.

const WIDTH = 96;
const HEIGHT = 24;

/** A line of the last values; its highest and its last are said to those who do not see it. */
export function Chart({ values, what, text }: { values: readonly number[]; what: string; text: (value: number) => string }) {
  if (values.length < 2) return null;
  const most = Math.max(...values);
  const step = WIDTH / (values.length - 1);
  const height = (value: number) => (most > 0 ? HEIGHT - 2 - (value / most) * (HEIGHT - 4) : HEIGHT - 2);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${height(value).toFixed(1)}`).join(" ");
  const label = `${what}: now ${text(values[values.length - 1])}, at most ${text(most)}`;
  return (
    <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <title>{label}</title>
      <polyline points={points} />
    </svg>
  );
}

/** How full something is. */
export function Meter({ part, what }: { part: number; what: string }) {
  const percent = Math.min(100, Math.round(part * 100));
  const tone = part >= FULL ? "meter full" : "meter";
  return (
    <span class={tone} role="img" aria-label={`${what}: ${percent} %`} title={`${percent} %`}>
      <span style={{ width: `${percent}%` }} />
    </span>
  );
}

/** From here on something is nearly full. */
export const FULL = 0.9;
