import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from '../src/lock.js';
import { placeOfStack } from '../src/place.js';
import { LocalStack } from '../src/stack.js';
import { Terminal } from '../src/terminal.js';

test.each(['stop', 'kill'] as const)(
  'a second stack that may not start leaves the file of the first: %s',
  async (how) => {
    const dir = await mkdtemp(join(tmpdir(), 'rescind-second-'));
    const place = { ...placeOfStack(), stackFile: join(dir, 'stack.json'), lockFile: join(dir, 'stack.lock') };
    const first = await takeLock(place.lockFile);
    await writeFile(place.stackFile, '{}');

    const second = new LocalStack(place, new Terminal());
    await expect(second.start()).rejects.toThrow('running here already');
    await second[how]();

    expect([existsSync(place.stackFile), existsSync(place.lockFile)]).toEqual([true, true]);
    await first.release();
    await rm(dir, { recursive: true });
  },
);
