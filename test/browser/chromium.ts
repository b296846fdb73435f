import { spawnSync } from 'node:child_process';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

/** For whatever is waited for; a busy machine is no failure. */
export const PATIENCE_MS = 60_000;

/** Debian's, or where `CHROMIUM_PATH` says. */
const PATH = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** Where there is none the tests in a browser are skipped, and that is said. */
export const hasChromium = (): boolean => spawnSync(PATH, ['--version'], { timeout: PATIENCE_MS }).status === 0;
export const WITHOUT_CHROMIUM = `There is no Chromium at ${PATH} (Debian: apt-get install chromium; elsewhere: CHROMIUM_PATH): the page is not tested in a browser.`;

/** It asks nobody for anything but what a page asks for. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: PATH,
    timeout: 120_000,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** What went wrong in a page that nobody looked at. */
export interface Watched {
  page: Page;
  context: BrowserContext;
  /** Exceptions, refusals by the content security policy, and requests to anybody but `origin`. */
  faults: string[];
}

/** A page with nothing of the others' in it. */
export async function openPage(
  browser: Browser,
  origin: string,
  options: { dark?: boolean; narrow?: boolean } = {},
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: options.narrow ? { width: 390, height: 844 } : { width: 1360, height: 900 },
    colorScheme: options.dark ? 'dark' : 'light',
    locale: 'en-GB',
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^https?:$/.test(url.protocol) && url.origin !== origin) faults.push(`asked ${url.origin}`);
  });
  return { page, context, faults };
}
