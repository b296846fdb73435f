import { play } from './journey.js';
import { placeOfStack } from './place.js';
import { LocalStack } from './stack.js';
import { sentenceFor, Terminal } from './terminal.js';

// `npm start`: brings everything up, plays the journey, stays up until Ctrl-C.
const terminal = new Terminal();
const stack = new LocalStack(placeOfStack(), terminal);

let asked = false;
const end = (code: number): void => {
  if (asked) process.exit(code || 1); // asked twice: at once; what is left is ended by the next start
  asked = true;
  stack.stop().then(
    () => process.exit(code),
    () => process.exit(1),
  );
};
process.on('SIGINT', () => {
  terminal.say('stopping');
  end(0);
});
process.on('SIGTERM', () => end(0));
process.on('SIGHUP', () => end(0));

try {
  const { pids: _, ...urls } = await stack.start();
  if (!process.argv.includes('--no-demo')) {
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
  WorkOS sandbox      ${urls.sandbox}
  Kafka               ${urls.kafkaBrokers}

Ctrl-C stops everything.`);
} catch (error) {
  if (!asked) {
    console.error(`\n${sentenceFor(error)}`);
    end(1);
  }
}
