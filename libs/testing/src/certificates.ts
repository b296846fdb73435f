import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Signed {
  cert: string;
  key: string;
}

/** Whether certificates can be made here: Node reads them, and makes none. */
export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** An authority of a test's own, in a folder of its own. */
export class Authority {
  readonly cert: string;

  constructor(private readonly dir: string) {
    this.run('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=ca');
    this.cert = readFileSync(join(dir, 'ca.crt'), 'utf8');
  }

  /** A certificate for 127.0.0.1 that is good for so many days. */
  sign(name: string, days = 1): Signed {
    this.run('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(join(this.dir, 'san'), 'subjectAltName=IP:127.0.0.1\n');
    const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'san'];
    this.run('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, '-days', String(days), ...by);
    const read = (suffix: string): string => readFileSync(join(this.dir, `${name}.${suffix}`), 'utf8');
    return { cert: read('crt'), key: read('key') };
  }

  private run(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.dir, stdio: 'pipe' });
  }
}

/** Without a passphrase, in PKCS#8, as Kafka reads it. */
const NEW_KEY = ['-newkey', 'rsa:2048', '-nodes', '-sha256'];
