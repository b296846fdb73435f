import fc from 'fast-check';
import { Rejected } from '#contracts/rejected.js';
import { fuzz, FUZZ_MS, mutations } from '#testing/fuzz.js';
import { sign, verifySignature } from '#workos/signature.js';

const NOW = new Date('2026-11-24T10:00:00.000Z');
const SECRET = { id: 'current', secret: 'whsec_test' };
const BODY = Buffer.from('{"id":"event_1"}');
const T = String(NOW.getTime());
const genuine = `t=${T}, v1=${sign(T, BODY, SECRET.secret)}`;

test(
  'a header is genuine only if it says the time that was signed and its digest',
  () =>
    fuzz(
      fc.property(mutations([Buffer.from(genuine)]), (bytes) => {
        const header = bytes.toString('latin1');
        try {
          verifySignature(BODY, header, [SECRET], NOW);
        } catch (error) {
          expect(error).toBeInstanceOf(Rejected);
          return;
        }
        const parts = header.split(',').map((part) => part.trim().replace(/\s*=\s*/, '='));
        expect(parts).toContain(`t=${T}`);
        expect(parts).toContain(`v1=${sign(T, BODY, SECRET.secret)}`);
      }),
    ),
  FUZZ_MS + 60_000,
);
