import { rescind } from './main.js';

// `rescind tail | head` ends as it should.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 1));
process.exitCode = await rescind(process.argv.slice(2), process.env);
