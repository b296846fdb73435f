import { spawn } from 'node:child_process';

/**
 * The system's keyring, by the system's own command: `secret-tool` of libsecret (GNOME Keyring, KWallet) on Linux, where there is
 * a session bus. The secret goes through pipes, never through argv, which everybody on a machine can read.
 *
 * Not on macOS: `security` takes a secret as an argument, or typed at a terminal, and there no more than 128 characters; so
 * a file that only its owner can read is used there, as on Windows.
 */
const COMMAND = 'secret-tool';
const SERVICE = 'rescind';
/** Somebody may be asked to unlock it; longer nobody waits. */
const ANSWER_WITHIN_MS = 30_000;

const hasKeyring = (): boolean =>
  process.platform === 'linux' && (process.env['DBUS_SESSION_BUS_ADDRESS'] ?? '') !== '';

/** What is kept under this name; undefined where nothing is, or where there is no keyring. */
export async function readKeyring(name: string): Promise<string | undefined> {
  if (!hasKeyring()) return undefined;
  const { code, stdout } = await run(['lookup', 'service', SERVICE, 'account', name]);
  return code === 0 && stdout !== '' ? stdout : undefined;
}

/** Answers whether it is kept now, in place of what was. @param label for the person who looks into their keyring */
export async function keepInKeyring(name: string, label: string, secret: string): Promise<boolean> {
  if (!hasKeyring()) return false;
  const { code } = await run(['store', `--label=${label}`, 'service', SERVICE, 'account', name], secret);
  return code === 0;
}

export async function forgetInKeyring(name: string): Promise<void> {
  if (hasKeyring()) await run(['clear', 'service', SERVICE, 'account', name]);
}

/** Never rejects: a command that is not there, or does not end in time, has failed. */
function run(args: readonly string[], input = ''): Promise<{ code: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn(COMMAND, args, {
      env: process.env,
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: ANSWER_WITHIN_MS,
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stdin.on('error', () => undefined); // it has ended without reading
    child.on('error', () => resolve({ code: null, stdout: '' }));
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(chunks).toString('utf8') }));
    child.stdin.end(input);
  });
}
