import { readFile } from 'node:fs/promises';
import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose';
import { z } from 'zod';
import { checkReceipt } from '#proof/check-receipt.js';
import { RECEIPT_TYPE, receiptClaims } from '#proof/receipt.js';
import { Ended } from './installation.js';

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) });
const file = z.object({ jws: z.string(), jwks: keySet.optional() });
type Key = z.infer<typeof keySet>['keys'][number];

/** What came of a receipt. `code` is the exit code. */
export interface Verdict {
  /** 0: genuine, access is void. 1: refused. 3: nobody vouches for the key. 4: genuine, and there still is access. */
  code: 0 | 1 | 3 | 4;
  about: { user_id: string; provider_id: string; organization_id: string | null; as_of: string } | undefined;
  refused: string[];
  proved: string[];
  not_proved: string[];
}

/**
 * Checks a receipt with nothing but itself and keys: nothing is asked over the network.
 * @param text of the file: what the portal answered, or the JWS alone
 * @param trust a JWK Set, or the thumbprint (RFC 7638) of a key that the file brings; undefined: nobody is trusted
 */
export async function verifyReceipt(text: string, trust: string | undefined): Promise<Verdict> {
  const { jws, jwks } = readFileText(text);
  const refuse = (...refused: string[]): Verdict => ({
    code: 1,
    about: undefined,
    refused,
    proved: [],
    not_proved: [],
  });

  const header = headerOf(jws);
  if (header === undefined) return refuse('This is no signed receipt: no JWS in compact form.');
  if (header.typ !== RECEIPT_TYPE || header.alg !== 'EdDSA') {
    return refuse(`This is no receipt: it says typ ${header.typ} and alg ${header.alg}.`);
  }
  const { key, isTrusted } = await keyFor(header.kid, jwks?.keys ?? [], trust);
  if (key === undefined) {
    return refuse(`It is signed with a key that is not among yours: ${header.kid}.`);
  }
  const thumbprint = await calculateJwkThumbprint(key as JWK);
  let payload: Uint8Array;
  try {
    ({ payload } = await compactVerify(jws, await importJWK(key as JWK, 'EdDSA'), { algorithms: ['EdDSA'] }));
  } catch {
    return refuse('The signature does not fit: the receipt was changed, or another key signed it.');
  }
  const claims = receiptClaims.safeParse(JSON.parse(Buffer.from(payload).toString('utf8')));
  if (!claims.success) return refuse('It is signed, and its form is not one that this version knows.');

  const { receipt, iss, iat } = claims.data;
  const { problems, proved, notProved } = checkReceipt(receipt);
  if (problems.length > 0) return refuse(...problems.map((problem) => `It contradicts itself: ${problem}.`));
  const { user_id, provider_id, organization_id, as_of } = receipt;
  const signed = `it was signed by ${iss} on ${new Date(iat * 1000).toISOString()}, with the key ${thumbprint}`;
  return {
    code: !isTrusted ? 3 : receipt.standing === 'open' ? 4 : 0,
    about: { user_id, provider_id, organization_id, as_of },
    refused: [],
    proved: [isTrusted ? signed : 'it has not changed since it was signed', ...proved],
    not_proved: [
      ...(isTrusted
        ? []
        : [`who signed it: the key ${thumbprint} came with the receipt, and --keys did not vouch for it`]),
      ...notProved,
      'that what the installation wrote down is what happened: it vouches for that with its signature',
    ],
  };
}

function readFileText(text: string): z.infer<typeof file> {
  if (!text.trimStart().startsWith('{')) return { jws: text.trim() };
  try {
    return file.parse(JSON.parse(text));
  } catch {
    throw new Ended(2, 'The file is neither a receipt as the portal answers it, nor a JWS.');
  }
}

function headerOf(jws: string): { kid?: string; typ?: string; alg?: string } | undefined {
  try {
    return decodeProtectedHeader(jws) as { kid?: string; typ?: string; alg?: string };
  } catch {
    return undefined;
  }
}

/** The key that the receipt names, out of what is trusted; else out of what came with it. */
async function keyFor(
  kid: string | undefined,
  embedded: readonly Key[],
  trust: string | undefined,
): Promise<{ key: Key | undefined; isTrusted: boolean }> {
  if (kid === undefined) return { key: undefined, isTrusted: false };
  const byThumbprint = await Promise.all(
    embedded.map(async (key) => ({ key, print: await calculateJwkThumbprint(key as JWK).catch(() => undefined) })),
  );
  const brought = byThumbprint.find(({ print, key }) => print === kid || key['kid'] === kid);
  if (trust === undefined) return { key: brought?.key, isTrusted: false };
  const own = await trustedKeys(trust);
  if (own === undefined) {
    return { key: brought?.print === trust ? brought.key : undefined, isTrusted: true };
  }
  return { key: own.find((key) => key['kid'] === kid), isTrusted: true };
}

/** Undefined: it is a thumbprint. */
async function trustedKeys(trust: string): Promise<Key[] | undefined> {
  if (/^[\w-]{43}$/.test(trust)) return undefined;
  let text: string;
  try {
    text = await readFile(trust, 'utf8');
  } catch {
    throw new Ended(2, `--keys is a file with a JWK Set, or a thumbprint of 43 characters; ${trust} cannot be read.`);
  }
  try {
    return keySet.parse(JSON.parse(text)).keys;
  } catch {
    throw new Ended(2, `${trust} holds no JWK Set; fetch it from /.well-known/jwks.json of the portal.`);
  }
}

/** What a person reads. */
export function sayVerdict({ code, about, refused, proved, not_proved }: Verdict): string[] {
  const whose = about && `${about.user_id}${about.organization_id === null ? '' : ` in ${about.organization_id}`}`;
  const said = {
    0: `Genuine: the access of ${whose} is void, as of ${about?.as_of}.`,
    1: 'REFUSED: this receipt proves nothing.',
    3: 'Unchanged, but nobody vouches for the key: give --keys.',
    4: `Genuine: ${whose} STILL HAS ACCESS, as of ${about?.as_of}. Nothing else is proved.`,
  }[code];
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  - ${line}`)];
  return [said, ...list('Why:', refused), ...list('Proved:', proved), ...list('Not proved:', not_proved)];
}
