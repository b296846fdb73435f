import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

export interface ConsoleFile {
  body: Buffer;
  /** Where that is smaller. */
  brotli: Buffer | undefined;
  type: string;
  etag: string;
}

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};
const COMPRESSIBLE = /^(text\/|application\/(json|manifest)|image\/svg)/;

/**
 * The built console, all of it in memory: path → file. What is not in this map is not served, whatever the path looks
 * like. Undefined where there is none at `dir`.
 */
export function readConsole(dir: string): ReadonlyMap<string, ConsoleFile> | undefined {
  const files = new Map<string, ConsoleFile>();
  for (const entry of entriesOf(dir)) {
    const type = TYPES[extname(entry)];
    if (type === undefined) continue;
    const body = readFileSync(entry);
    const brotli = COMPRESSIBLE.test(type)
      ? brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } })
      : undefined;
    files.set(`/${relative(dir, entry).split(sep).join('/')}`, {
      body,
      brotli: brotli && brotli.length < body.length ? brotli : undefined,
      type,
      etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    });
  }
  return files.has('/index.html') ? files : undefined;
}

function entriesOf(dir: string): string[] {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}
