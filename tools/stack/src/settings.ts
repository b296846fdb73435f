import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { CannotRun } from '#testing/cannot-run.js';

/** What stays the same from one start to the next, so that the data of the first still fits the second. */
export interface Settings {
  adminApiKey: string;
  /** Of the portal at the other services. */
  portalApiKey: string;
  encryptionKey: string;
  introspectionSecret: string;
  sandboxApiKey: string;
  sandboxClientId: string;
}

/** New ones where there are none. Throws {@link CannotRun} where they cannot be read. */
export async function readSettings(file: string): Promise<Settings> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return newSettings();
  try {
    // What came with a later version is not in an older file.
    return { ...newSettings(), ...(JSON.parse(text) as Partial<Settings>) };
  } catch {
    throw new CannotRun(`${file} is damaged: npm run reset begins anew.`);
  }
}

const newSettings = (): Settings => ({
  adminApiKey: `rsk_${randomBytes(24).toString('base64url')}`,
  portalApiKey: `rsk_${randomBytes(24).toString('base64url')}`,
  encryptionKey: randomBytes(32).toString('base64'),
  introspectionSecret: randomBytes(24).toString('base64url'),
  sandboxApiKey: `sk_test_${randomBytes(18).toString('hex')}`,
  sandboxClientId: `client_01${randomBytes(12).toString('hex').toUpperCase()}`,
});

/** Nobody ever reads a half-written file. Only the owner may: there are secrets in it. */
export async function writeAtomically(file: string, content: object): Promise<void> {
  const whole = `${file}.${randomBytes(4).toString('hex')}`;
  await writeFile(whole, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(whole, file);
}
