import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';

/** What stays the same from one start to the next, so that the data of the first still fits the second. */
export interface Settings {
  adminApiKey: string;
  encryptionKey: string;
  introspectionSecret: string;
  sandboxApiKey: string;
  sandboxClientId: string;
  ports: Record<string, number>;
  provider?: { id: string; webhook: { url: string; secret: string } };
}

export async function readSettings(file: string): Promise<Settings> {
  const kept = JSON.parse(await readFile(file, 'utf8').catch(() => 'null')) as Settings | null;
  return (
    kept ?? {
      adminApiKey: `rsk_${randomBytes(24).toString('base64url')}`,
      encryptionKey: randomBytes(32).toString('base64'),
      introspectionSecret: randomBytes(24).toString('base64url'),
      sandboxApiKey: `sk_test_${randomBytes(18).toString('hex')}`,
      sandboxClientId: `client_01${randomBytes(12).toString('hex').toUpperCase()}`,
      ports: {},
    }
  );
}

export async function keepSettings(file: string, settings: Settings): Promise<void> {
  await writeAtomically(file, settings);
}

/** Nobody ever reads a half-written file. Only the owner may: there are secrets in it. */
export async function writeAtomically(file: string, content: object): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
