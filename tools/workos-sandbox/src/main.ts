import { optionsFromEnvironment } from './options.js';
import { startSandbox } from './sandbox.js';

const sandbox = await startSandbox(optionsFromEnvironment(process.env));
console.log(JSON.stringify({ listening: sandbox.url }));
const stop = (): void => void sandbox.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
