import { rm } from 'node:fs/promises';
import { argumentsOf } from '#platform/arguments.js';
import { clearServers } from '#testing/servers.js';
import { takeLock } from './lock.js';
import { placeOfStack } from './place.js';
import { sentenceFor } from './terminal.js';

argumentsOf({}, 'npm run reset');
// `npm run reset`: clears what the stack has kept, but not what was fetched. Refuses while a stack is running.
try {
  const place = placeOfStack();
  const lock = await takeLock(place.lockFile);
  await clearServers(place.data);
  for (const path of [place.logs, place.settingsFile, place.stackFile]) {
    await rm(path, { recursive: true, force: true });
  }
  await lock.release();
  console.log('Everything that was kept is cleared; the next npm start begins anew.');
} catch (error) {
  console.error(sentenceFor(error));
  process.exit(1);
}
