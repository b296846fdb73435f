import { Group, Paper, Text } from '@mantine/core';

interface Line {
  name: string;
  color: string;
  values: readonly (number | null)[];
}

const WIDTH = 560;
const HEIGHT = 130;
const LEFT = 44;
const BOTTOM = 18;

/** Lines over time, drawn once for each answer; said in words too, for those who do not see them. */
export function Chart({ title, at, lines }: { title: string; at: readonly number[]; lines: readonly Line[] }) {
  const known = lines.flatMap(({ values }) => values).filter((value) => value !== null);
  const top = niceTop(Math.max(0, ...known));
  const [from, to] = [at[0]!, Math.max(at.at(-1)!, at[0]! + 1)];
  const x = (time: number): number => LEFT + ((time - from) / (to - from)) * (WIDTH - LEFT - 8);
  const y = (value: number): number => 8 + (1 - value / top) * (HEIGHT - BOTTOM - 8);
  const last = lines.map(({ name, values }) => `${name} ${say(values.findLast((value) => value !== null) ?? 0)}`);
  return (
    <Paper p="md">
      <Group justify="space-between" mb={4}>
        <Text size="sm" fw={600}>
          {title}
        </Text>
        <Group gap="sm">
          {lines.map(({ name, color, values }) => (
            <Group key={name} gap={5}>
              <span className="light" style={{ background: `var(--mantine-color-${color}-6)` }} aria-hidden />
              <Text size="xs" c="dimmed">
                {name} {say(values.findLast((value) => value !== null) ?? 0)}
              </Text>
            </Group>
          ))}
        </Group>
      </Group>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        width="100%"
        role="img"
        aria-label={`${title}: now ${last.join(', ')}; at most ${say(top)}`}
      >
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line x1={LEFT} x2={WIDTH - 8} y1={y(top * part)} y2={y(top * part)} stroke="var(--rescind-line)" />
            <text x={LEFT - 6} y={y(top * part) + 4} textAnchor="end" fontSize="11" fill="var(--mantine-color-dimmed)">
              {say(top * part)}
            </text>
          </g>
        ))}
        {[from, (from + to) / 2, to].map((time, place) => (
          <text
            key={place}
            x={x(time)}
            y={HEIGHT - 3}
            textAnchor={(['start', 'middle', 'end'] as const)[place]}
            fontSize="11"
            fill="var(--mantine-color-dimmed)"
          >
            {new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false })}
          </text>
        ))}
        {lines.map(({ name, color, values }) => (
          <path
            key={name}
            d={pathOf(values, at, x, y)}
            fill="none"
            stroke={`var(--mantine-color-${color}-6)`}
            strokeWidth={1.8}
            strokeLinejoin="round"
          />
        ))}
      </svg>
    </Paper>
  );
}

/** A line stops where nothing is known, and goes on behind it. */
function pathOf(
  values: readonly (number | null)[],
  at: readonly number[],
  x: (time: number) => number,
  y: (value: number) => number,
): string {
  let path = '';
  let isDrawing = false;
  values.forEach((value, place) => {
    if (value === null) {
      isDrawing = false;
      return;
    }
    path += `${isDrawing ? 'L' : 'M'}${x(at[place]!).toFixed(1)} ${y(value).toFixed(1)}`;
    isDrawing = true;
  });
  return path;
}

/** The next of 1, 2, 5, 10, … */
export function niceTop(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= most)!;
}

const say = (value: number): string =>
  value >= 10_000 ? `${Math.round(value / 1_000)} k` : String(Math.round(value * 100) / 100);
