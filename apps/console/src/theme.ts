import { createTheme, type CSSVariablesResolver, type MantineThemeOverride } from '@mantine/core';

export const theme: MantineThemeOverride = createTheme({
  primaryColor: 'indigo',
  colors: {
    dark: [
      '#d8dce3',
      '#b6bcc6',
      '#8b919c',
      '#5c6370',
      '#3b4049',
      '#30343d',
      '#23262d',
      '#1b1d23',
      '#16181d',
      '#0f1114',
    ],
  },
  primaryShade: 8,
  defaultRadius: 'md',
  autoContrast: true,
  fontFamily: 'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: '650' },
  cursorType: 'pointer',
  components: {
    Badge: {
      defaultProps: { variant: 'light', radius: 'sm', size: 'md' },
      styles: { root: { fontWeight: 600 }, label: { textTransform: 'none' } },
    },
    Button: { defaultProps: { size: 'sm' } },
    Paper: { defaultProps: { withBorder: true, radius: 'md' } },
    Modal: {
      defaultProps: {
        centered: true,
        radius: 'md',
        overlayProps: { backgroundOpacity: 0.45, blur: 2 },
        closeButtonProps: { 'aria-label': 'Close' },
        styles: { title: { fontWeight: 650, overflowWrap: 'anywhere' } },
      },
    },
    Alert: { defaultProps: { radius: 'md' } },
  },
});

const COLORS = ['indigo', 'teal', 'red', 'orange', 'yellow', 'gray', 'blue'];

/** Text on tinted ground that everybody can read: at least 4.5 to 1 (WCAG 2.2, 1.4.3). */
export const cssVariables: CSSVariablesResolver = (base) => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': base.colors.gray![7]!,
    '--mantine-color-placeholder': base.colors.gray![6]!,
    '--mantine-color-error': base.colors.red![9]!,
    '--mantine-color-body': '#ffffff',
    '--rescind-ground': '#f7f8fb',
    '--rescind-line': base.colors.gray![3]!,
    ...tinted(base.colors, 9, (color) => darkOf(base.colors, color)),
  },
  dark: {
    '--mantine-color-dimmed': '#a9afb9',
    '--mantine-color-placeholder': '#8b919c',
    '--mantine-color-error': base.colors.red![4]!,
    '--mantine-color-body': '#1b1d23',
    '--rescind-ground': '#131519',
    '--rescind-line': '#30343d',
    '--mantine-color-default-border': '#3b4049',
    '--mantine-color-default': '#23262d',
    '--mantine-color-anchor': base.colors.indigo![3]!,
    ...tinted(base.colors, 14, (color) => base.colors[color]![2]!),
  },
});

type Colors = Record<string, readonly string[] | undefined>;

/** @param percent how much of the color is in the ground */
function tinted(colors: Colors, percent: number, textOf: (color: string) => string): Record<string, string> {
  return Object.fromEntries(
    COLORS.flatMap((color) => [
      [`--mantine-color-${color}-light`, `color-mix(in srgb, ${colors[color]![6]!} ${percent}%, transparent)`],
      [`--mantine-color-${color}-light-color`, textOf(color)],
    ]),
  );
}

function darkOf(colors: Colors, color: string): string {
  // The darkest yellow and orange of the palette are still too light on their own tint.
  const own: Record<string, string> = { yellow: '#7a4a00', orange: '#a63c06', teal: '#086b4b', gray: '#495057' };
  return own[color] ?? colors[color]![9]!;
}
