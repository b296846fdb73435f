import { rm } from 'node:fs/promises';
import { isAlive, readLock } from './lock.js';
import { placeOfStack } from './place.js';

// `npm run reset`: clears what the stack has kept, but not what was fetched.
const place = placeOfStack();
const holder = await readLock(place.lockFile);
if (holder && isAlive(holder.pid)) {
  console.error(`A stack is running here (process ${holder.pid}): stop it with Ctrl-C first.`);
  process.exit(1);
}
for (const path of [place.data, place.logs, place.settingsFile, place.stackFile, place.lockFile]) {
  await rm(path, { recursive: true, force: true });
}
console.log('Everything that was kept is cleared; the next npm start begins anew.');
