import { argumentsOf } from '#platform/arguments.js';
import { play } from './journey.js';
import { placeOfStack } from './place.js';
import { LocalStack } from './stack.js';
import { sentenceFor, Terminal } from './terminal.js';

// `npm start`: brings everything up, plays the journey, stays up until Ctrl-C.
const terminal = new Terminal();
const USAGE = `npm start [-- --no-demo] [--brokers 3]

Everything on this machine, then the journey; --no-demo leaves that out. --brokers 3: Kafka of three brokers. Ctrl-C ends it all.`;
const asked = argumentsOf({ 'no-demo': { type: 'boolean' }, brokers: { type: 'string', default: '1' } }, USAGE);
const stack = new LocalStack(placeOfStack(), terminal, asked.brokers === '3' ? 3 : 1);

/** One Ctrl-C may arrive twice, by the terminal and by npm. */
const SAME_CTRL_C_MS = 500;
let askedAt: number | undefined;

const end = (code: number): void => {
  askedAt = performance.now();
  stack.stop().then(
    () => process.exit(code),
    () => process.exit(1),
  );
};
const onSignal = (): void => {
  if (askedAt === undefined) {
    terminal.say('stopping (again to end everything at once)');
    end(0);
  } else if (performance.now() - askedAt > SAME_CTRL_C_MS) {
    stack.kill();
    process.exit(1);
  }
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
const fail = (error: unknown): void => {
  if (askedAt !== undefined) return; // it is stopping, which ends what is under way
  console.error(`\n${sentenceFor(error)}`);
  end(1);
};
process.on('uncaughtException', fail);

try {
  const { pids: _, ...urls } = await stack.start();
  if (!asked['no-demo']) {
    terminal.plain('\nThe journey that Rescind exists for:\n');
    await play(urls, (what, ms) => terminal.step(what, ms));
    terminal.plain('');
    terminal.say('the journey has ended');
  }
  terminal.plain(`
  portal              ${urls.portal}
  webhook-ingress     ${urls.webhookIngress}
  grants              ${urls.grants}
  token-verification  ${urls.tokenVerification}
  signals             ${urls.signals}
  WorkOS sandbox      ${urls.sandbox}
  Kafka               ${urls.kafkaBrokers}

Ctrl-C stops everything.`);
} catch (error) {
  fail(error);
}
