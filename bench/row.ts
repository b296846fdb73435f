/** One measured figure, beside what it is compared with in the same run. */
export interface Row {
  name: string;
  value: number;
  unit: string;
  /** The bare operation, without any of our promises. */
  floor?: number;
  /** What others offer for the same. */
  peer?: { name: string; value: number } | undefined;
  /** value / floor, or as `target` says. */
  ratio?: number;
  /** What it must reach, in words; where nothing is asked of it, empty and `met` undefined. */
  target: string;
  met: boolean | undefined;
}

export function printTable(rows: readonly Row[]): void {
  const cells = rows.map((row) => [
    row.name,
    `${number(row.value)} ${row.unit}`,
    row.floor === undefined ? '' : number(row.floor),
    row.peer === undefined ? '' : `${number(row.peer.value)} (${row.peer.name})`,
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    row.target,
    row.met === undefined ? '' : row.met ? 'met' : 'not met',
  ]);
  const head = ['figure', 'value', 'floor', 'peer', 'ratio', 'target', ''];
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((line) => line[column]!.length)));
  for (const line of [head, widths.map((width) => '-'.repeat(width)), ...cells]) {
    console.log(
      line
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
  }
}

const number = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 2 : 0 });

/** The value below which `share` of the samples lie. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/**
 * Operations a second of several contenders, measured in turns so that a machine that slows down slows all of them: the
 * median of `rounds` turns of `turnMs` each.
 */
export function compare<Name extends string>(
  contenders: Record<Name, () => unknown>,
  { rounds = 9, turnMs = 200 } = {},
): Record<Name, number> {
  const names = Object.keys(contenders) as Name[];
  const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -2; round < rounds; round++) {
    for (const name of names) {
      const run = contenders[name];
      const started = performance.now();
      let count = 0;
      while (performance.now() - started < turnMs) {
        for (let i = 0; i < 50; i++) run();
        count += 50;
      }
      if (round >= 0) rates[name].push((count * 1_000) / (performance.now() - started)); // two rounds to warm up
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(rates[name])])) as Record<Name, number>;
}
