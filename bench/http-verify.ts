import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { httpRequest, load } from './load.js';
import { median, type Row } from './row.js';
import { type Stack, withStack } from './running-stack.js';
import { signedInPeople } from './sandbox-people.js';

const ROUNDS = 3;

/** `POST /v1/tokens/verify` over HTTP; floor: an empty Fastify route that takes the same body, in a process of its own. */
export async function httpVerify(): Promise<Row[]> {
  return withStack(async (stack) => {
    const people = await signedInPeople(stack, 50);
    const floorServer = spawn(process.execPath, [join(import.meta.dirname, 'http-floor.js')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(floorServer.stdout, 'data')) as [Buffer];
      const floorUrl = `${line.toString().trim()}/v1/tokens/verify`;
      const url = `${stack.tokenVerification}/v1/tokens/verify`;
      const tokens = people.map(({ token }) => token);
      const floor: number[] = [];
      const ours: number[] = [];
      for (let round = -1; round < ROUNDS; round++) {
        const a = await rateOf(floorUrl, stack, tokens);
        const b = await rateOf(url, stack, tokens);
        if (round < 0) continue;
        floor.push(a);
        ours.push(b);
      }
      const ratio = median(ours) / median(floor);
      return [
        {
          name: 'verify over HTTP, 64 connections',
          value: median(ours),
          unit: '/s',
          floor: median(floor),
          ratio,
          target: '≥ 0.6 of an empty Fastify route',
          met: ratio >= 0.6,
        },
      ];
    } finally {
      floorServer.kill();
    }
  });
}

async function rateOf(url: string, stack: Stack, tokens: readonly string[]): Promise<number> {
  const headers = { authorization: `Bearer ${stack.adminApiKey}`, 'content-type': 'application/json' };
  const requests = tokens.map((token) => httpRequest('POST', url, headers, JSON.stringify({ token })));
  const { rate, statuses } = await load(url, (index) => requests[index % requests.length]!, { durationMs: 4_000 });
  const refused = Object.keys(statuses).filter((status) => status !== '200');
  if (refused.length > 0) throw new Error(`${url} answered ${refused.join(', ')}`);
  return rate;
}
