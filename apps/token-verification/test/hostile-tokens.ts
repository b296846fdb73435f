import { base64url, claimsOf, makeIssuer, rawToken, signHs256, signRs256, token } from './issuer.js';

export const ours = makeIssuer('client_01OURS', 'key_ours');
export const other = makeIssuer('client_01OTHER', 'key_other');
const stranger = makeIssuer('client_01STRANGER', 'key_ours');

export type Vector = [name: string, token: string, reason: string];

/**
 * Tokens that must not be accepted, each with its reason (RFC 8725 and its successor), as of `NOW` (ms); and good ones. `ours`
 * and `other` are providers; nobody knows the stranger.
 */
export function hostileTokens(NOW: number) {
  const claims = (over: Record<string, unknown> = {}) => claimsOf(ours, NOW, over);
  const signed = (over: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    token(ours, claims(over), header);
  const text = (over: Record<string, unknown> = {}) => JSON.stringify(claims(over));
  const HEADER = JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: ours.kid });
  const good = signed();
  const [head, payload, signature] = good.split('.') as [string, string, string];
  const rawPayload = (body: string) => rawToken(HEADER, body, ours.privateKey);
  const rawHeader = (header: string) => rawToken(header, text(), ours.privateKey);
  const unsigned = (alg: unknown, tail = '') =>
    `${base64url(JSON.stringify({ alg, typ: 'JWT', kid: ours.kid }))}.${payload}.${tail}`;
  const hmac = (secret: string | Buffer, alg = 'HS256') => {
    const input = `${base64url(JSON.stringify({ alg, typ: 'JWT', kid: ours.kid }))}.${payload}`;
    return `${input}.${signHs256(input, secret)}`;
  };
  const pem = ours.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const der = ours.publicKey.export({ type: 'spki', format: 'der' });
  /** A token that brings its own key along. */
  const withOwnKey = (header: Record<string, unknown>) => token({ ...stranger, kid: ours.kid }, claims(), header);
  const seconds = Math.floor(NOW / 1_000);
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  /** Sets the unused low bits of the last character: the same bytes, another text. */
  const uncanonical = (segment: string): string => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(segment.at(-1)!);
    return segment.slice(0, -1) + alphabet[last + 1];
  };
  const pad = (body: string, remainder: number): string => {
    let padded = body;
    while (Buffer.byteLength(padded) % 3 !== remainder) padded = padded.replace(/\}$/, ' }');
    return padded;
  };

  const VECTORS: Vector[] = [
    // Not three segments of canonical base64url
    ['nothing', '', 'malformed'],
    ['a word', 'token', 'malformed'],
    ['dots alone', '..', 'malformed'],
    ['one segment', head, 'malformed'],
    ['two segments', `${head}.${payload}`, 'malformed'],
    ['a detached payload', `${head}..${signature}`, 'malformed'],
    ['no header', `.${payload}.${signature}`, 'malformed'],
    ['no signature', `${head}.${payload}.`, 'malformed'],
    ['four segments', `${good}.${signature}`, 'malformed'],
    ['a JWE in five segments', `${head}.${head}.${head}.${payload}.${signature}`, 'malformed'],
    ['a trailing dot', `${good}.`, 'malformed'],
    ['a leading space', ` ${good}`, 'malformed'],
    ['a trailing newline', `${good}\n`, 'malformed'],
    ['a NUL', `${good}\0`, 'malformed'],
    ['padding', `${head}=.${payload}.${signature}`, 'malformed'],
    ['padding in the signature', `${head}.${payload}.${signature}==`, 'malformed'],
    ['base64 in place of base64url', `${head}.${payload}.${signature.slice(0, -2)}+/`, 'malformed'],
    ['white space in a segment', `${head}.${payload.slice(0, 5)} ${payload.slice(5)}.${signature}`, 'malformed'],
    ['a signature whose text is not canonical', `${head}.${payload}.${uncanonical(signature)}`, 'malformed'],
    [
      'a payload whose text is not canonical',
      (() => {
        const [h, p, s] = rawPayload(pad(text(), 1)).split('.');
        return `${h}.${uncanonical(p!)}.${s}`;
      })(),
      'malformed',
    ],
    ['a segment of one character', `${head}.${payload}.A`, 'malformed'],
    ['other scripts', 'ｅｙＪ.ｅｙＪ.ｅｙＪ', 'malformed'],
    [
      'the JSON serialization of a JWS',
      JSON.stringify({ payload, signatures: [{ protected: head, signature }] }),
      'malformed',
    ],
    ['a token in a Bearer scheme', `Bearer ${good}`, 'malformed'],
    ['more than 16 kB', rawPayload(text({ pad: 'x'.repeat(16_384) })), 'malformed'],
    ['a megabyte', 'e'.repeat(1_048_576), 'malformed'],
    ['ten thousand dots', '.'.repeat(10_000), 'malformed'],
    // Not JSON objects as they should be
    ['a payload that is no JSON', rawPayload('not json'), 'malformed'],
    ['a list for a payload', rawPayload('[]'), 'malformed'],
    ['a text for a payload', rawPayload('"user"'), 'malformed'],
    ['null for a payload', rawPayload('null'), 'malformed'],
    ['a number for a payload', rawPayload('1'), 'malformed'],
    ['a header that is no JSON', rawHeader('{'), 'malformed'],
    ['a list for a header', rawHeader('["RS256"]'), 'malformed'],
    [
      'bytes that are no UTF-8',
      (() => {
        const input = `${head}.${base64url(Buffer.from([0x7b, 0xff, 0x7d]))}`;
        return `${input}.${signRs256(input, ours.privateKey)}`;
      })(),
      'malformed',
    ],
    ['a byte order mark', rawPayload(`\ufeff${text()}`), 'malformed'],
    ['something behind the object', rawPayload(`${text()}{}`), 'malformed'],
    ['a comment', rawPayload(text().replace('{', '{/**/')), 'malformed'],
    ['single quotes', rawPayload(text().replaceAll('"', "'")), 'malformed'],
    ['a trailing comma', rawPayload(text().replace(/\}$/, ',}')), 'malformed'],
    [
      'very deep JSON',
      rawPayload(
        text()
          .replace(/\}$/, `,"x":${deep(3_000)}}`)
          .slice(0, 12_000),
      ),
      'malformed',
    ],
    ['JSON deeper than is needed', rawPayload(text().replace(/\}$/, `,"x":${deep(20)}}`)), 'malformed'],
    ['lists in lists', rawPayload(text().replace(/\}$/, `,"x":${'['.repeat(40)}${']'.repeat(40)}}`)), 'malformed'],
    // Repeated members: which one counts depends on the reader
    ['sub twice', rawPayload(text().replace('"sub"', '"sub":"user_01ROOT","sub"')), 'malformed'],
    ['sub twice, once escaped', rawPayload(text().replace('"sub"', '"s\\u0075b":"user_01ROOT","sub"')), 'malformed'],
    ['exp twice', rawPayload(text().replace('"exp"', '"exp":9999999999,"exp"')), 'malformed'],
    ['iss twice', rawPayload(text().replace('"iss"', '"iss":"https://evil.test","iss"')), 'malformed'],
    ['a repeated member further in', rawPayload(text().replace(/\}$/, ',"act":{"sub":"a","sub":"b"}}')), 'malformed'],
    ['alg twice', rawHeader(HEADER.replace('"alg"', '"alg":"none","alg"')), 'malformed'],
    ['kid twice', rawHeader(HEADER.replace('"kid"', '"kid":"x","kid"')), 'malformed'],
    // Algorithms
    ['none', unsigned('none', 'AA'), 'algorithm_not_allowed'],
    ['none without a signature', unsigned('none'), 'algorithm_not_allowed'],
    ...['None', 'NONE', 'nOnE', 'none ', ' none', 'none\u0000'].map((alg): Vector => [
      `alg ${JSON.stringify(alg)}`,
      unsigned(alg, signature),
      'algorithm_not_allowed',
    ]),
    ...['HS256', 'HS384', 'HS512', 'RS1', 'rs256', 'RS256 ', 'RSA', 'dir', 'RSA-OAEP', 'A256GCM', 'ES256K', ''].map(
      (alg): Vector => [
        `alg ${JSON.stringify(alg)} with a right RS256 signature`,
        unsigned(alg, signature),
        'algorithm_not_allowed',
      ],
    ),
    ...['RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'].map((alg): Vector => [
      `${alg}, which this provider does not allow`,
      signed({}, { alg }),
      'algorithm_not_allowed',
    ]),
    ['no alg', rawHeader(JSON.stringify({ typ: 'JWT', kid: ours.kid })), 'malformed'],
    ...[null, 256, true, [], {}, ['RS256']].map((alg): Vector => [
      `alg ${JSON.stringify(alg)}`,
      signed({}, { alg }),
      'malformed',
    ]),
    ['HS256 with the public key in PEM as the secret', hmac(pem), 'algorithm_not_allowed'],
    ['HS256 with the trimmed PEM', hmac(pem.trim()), 'algorithm_not_allowed'],
    ['HS256 with the public key in DER', hmac(der), 'algorithm_not_allowed'],
    ['HS256 with the JWK', hmac(JSON.stringify(ours.jwk)), 'algorithm_not_allowed'],
    ['HS256 with the modulus', hmac(Buffer.from(String(ours.jwk['n']), 'base64url')), 'algorithm_not_allowed'],
    ['HS256 with an empty secret', hmac(''), 'algorithm_not_allowed'],
    ['an HMAC under the name of RS256', hmac(pem, 'RS256'), 'signature_invalid'],
    // Header members that must not be believed, or not be there
    ['a key of its own in jwk', withOwnKey({ jwk: stranger.jwk }), 'signature_invalid'],
    ['a key of its own at jku', withOwnKey({ jku: 'https://evil.test/jwks.json' }), 'signature_invalid'],
    ['a certificate at x5u', withOwnKey({ x5u: 'https://evil.test/cert.pem' }), 'signature_invalid'],
    ['a certificate in x5c', withOwnKey({ x5c: ['MIIB'] }), 'signature_invalid'],
    ['crit', signed({}, { crit: ['exp'] }), 'malformed'],
    ['an empty crit', signed({}, { crit: [] }), 'malformed'],
    ['b64 false', signed({}, { b64: false, crit: ['b64'] }), 'malformed'],
    ['b64 false without crit', signed({}, { b64: false }), 'malformed'],
    ['zip', signed({}, { zip: 'DEF' }), 'malformed'],
    ['enc', signed({}, { enc: 'A256GCM' }), 'malformed'],
    ...['JWE', 'dpop+jwt', 'logout+jwt', 'secevent+jwt', 'id_token', ''].map((typ): Vector => [
      `typ ${JSON.stringify(typ)}`,
      signed({}, { typ }),
      'malformed',
    ]),
    ['a number for typ', signed({}, { typ: 1 }), 'malformed'],
    // Keys and algorithms of other serializations (RFC 8725, and its successor)
    [
      'a password as a key, to be stretched for ever',
      signed({}, { alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31, p2s: 'c2FsdA' }),
      'algorithm_not_allowed',
    ],
    ['an ephemeral key', signed({}, { alg: 'ECDH-ES', epk: stranger.jwk }), 'algorithm_not_allowed'],
    ['a flattened JWS', JSON.stringify({ payload, protected: head, signature }), 'malformed'],
    ['two signatures in one token', `${good}~${good}`, 'malformed'],
    ['an SD-JWT', `${good}~WyJzYWx0Iiwic3ViIiwiYSJd~`, 'malformed'],
    ['a token in quotes', `"${good}"`, 'malformed'],
    ['a token with its scheme percent-encoded', `Bearer%20${good}`, 'malformed'],
    [
      'alg in the payload alone',
      rawToken(JSON.stringify({ typ: 'JWT', kid: ours.kid }), text({ alg: 'RS256' }), ours.privateKey),
      'malformed',
    ],
    [
      'claims in the header alone',
      rawToken(JSON.stringify({ alg: 'RS256', kid: ours.kid, ...claims() }), '{}', ours.privateKey),
      'claim_missing',
    ],
    // kid
    ...[
      '../../etc/passwd',
      "' or 1=1 --",
      '',
      'KEY_OURS',
      'key_ours\u0000',
      '__proto__',
      'constructor',
      'x'.repeat(8_000),
      'https://evil.test/key',
      key('other'),
    ].map((kid): Vector => [`kid ${JSON.stringify(kid).slice(0, 40)}`, signed({}, { kid }), 'signature_invalid']),
    ...[null, 7, true, [], ['key_ours'], {}, { toString: 'key_ours' }].map((kid): Vector => [
      `kid ${JSON.stringify(kid)}`,
      signed({}, { kid }),
      'malformed',
    ]),
    // Signatures
    ['another signature', `${head}.${payload}.${base64url(Buffer.alloc(256, 7))}`, 'signature_invalid'],
    ['a short signature', `${head}.${payload}.AAAA`, 'signature_invalid'],
    ['a signature of nothing but zeros', `${head}.${payload}.${base64url(Buffer.alloc(256))}`, 'signature_invalid'],
    [
      'a signature with a byte before it',
      `${head}.${payload}.${base64url(Buffer.concat([Buffer.of(0), Buffer.from(signature, 'base64url')]))}`,
      'signature_invalid',
    ],
    [
      'a truncated signature',
      `${head}.${payload}.${base64url(Buffer.from(signature, 'base64url').subarray(0, 255))}`,
      'signature_invalid',
    ],
    [
      'another payload under the same signature',
      `${head}.${base64url(text({ sub: 'user_01ROOT' }))}.${signature}`,
      'signature_invalid',
    ],
    [
      'another header under the same signature',
      `${base64url(JSON.stringify({ alg: 'RS256', kid: ours.kid }))}.${payload}.${signature}`,
      'signature_invalid',
    ],
    ["another client's key under our kid", token({ ...other, kid: ours.kid }, claims()), 'signature_invalid'],
    ["another client's key under its own kid", token(other, claims()), 'signature_invalid'],
    ["a stranger's key under our kid", token(stranger, claims()), 'signature_invalid'],
    ["our key in another provider's name", token(ours, claims({ iss: other.issuer })), 'signature_invalid'],
    [
      'a nested JWT',
      rawToken(JSON.stringify({ alg: 'RS256', kid: ours.kid, cty: 'JWT' }), good, ours.privateKey),
      'malformed',
    ],
    // iss
    ['no iss', signed({ iss: undefined }), 'claim_missing'],
    ['null for iss', signed({ iss: null }), 'claim_missing'],
    ...[7, [], [ours.issuer], {}, true].map((iss): Vector => [
      `iss ${JSON.stringify(iss)}`,
      signed({ iss }),
      'malformed',
    ]),
    ...[
      `${ours.issuer}/`,
      ours.issuer.toUpperCase(),
      ours.issuer.replace('https', 'http'),
      'https://api.workos.com',
      'https://api.workos.com/',
      ` ${ours.issuer}`,
      `${ours.issuer}#`,
      `${ours.issuer}\u0000`,
      `https://evil.test/${ours.issuer}`,
      'https://api.workos.com.evil.test/user_management/client_01OURS',
      '',
    ].map((iss): Vector => [`iss ${JSON.stringify(iss)}`, signed({ iss }), 'issuer_unknown']),
    // Times
    ['no exp', signed({ exp: undefined }), 'claim_missing'],
    ['null for exp', signed({ exp: null }), 'claim_missing'],
    ...[String(seconds + 300), true, [seconds + 300], {}, -1].map((exp): Vector => [
      `exp ${JSON.stringify(exp)}`,
      signed({ exp }),
      'malformed',
    ]),
    ['exp 1e400', rawPayload(text().replace(/"exp":\d+/, '"exp":1e400')), 'malformed'],
    ['exp -1e400', rawPayload(text().replace(/"exp":\d+/, '"exp":-1e400')), 'malformed'],
    ['exp NaN', rawPayload(text().replace(/"exp":\d+/, '"exp":NaN')), 'malformed'],
    ['exp in milliseconds of the year 300,000', signed({ exp: 1e13 }), 'malformed'],
    ['expired', signed({ iat: seconds - 600, exp: seconds - 300 }), 'expired'],
    ['expired at the very end of the tolerance', signed({ iat: seconds - 600, exp: seconds - 5 }), 'expired'],
    ['exp of zero', signed({ exp: 0 }), 'expired'],
    ['no iat', signed({ iat: undefined }), 'claim_missing'],
    ...[String(seconds), true, [seconds], {}, -1].map((iat): Vector => [
      `iat ${JSON.stringify(iat)}`,
      signed({ iat }),
      'malformed',
    ]),
    ['an iat that has not come', signed({ iat: seconds + 60 }), 'not_yet_valid'],
    ['an iat in milliseconds', signed({ iat: NOW }), 'not_yet_valid'],
    ['an nbf that has not come', signed({ nbf: seconds + 60 }), 'not_yet_valid'],
    ...[String(seconds), null, [], {}].map((nbf): Vector => [
      `nbf ${JSON.stringify(nbf)}`,
      signed({ nbf }),
      'malformed',
    ]),
    // Whose it is
    ['no sub', signed({ sub: undefined }), 'claim_missing'],
    ['null for sub', signed({ sub: null }), 'claim_missing'],
    ...[7, '', true, [], ['user_01ALICE'], {}, 'u'.repeat(256), 'user_\0', 'user_\ud800'].map((sub): Vector => [
      `sub ${JSON.stringify(sub).slice(0, 30)}`,
      signed({ sub }),
      'malformed',
    ]),
    ['no sid', signed({ sid: undefined }), 'claim_missing'],
    ...[7, '', [], {}].map((sid): Vector => [`sid ${JSON.stringify(sid)}`, signed({ sid }), 'malformed']),
    ...[7, '', [], ['org_01ACME'], {}, true].map((org_id): Vector => [
      `org_id ${JSON.stringify(org_id)}`,
      signed({ org_id }),
      'malformed',
    ]),
    // For whom it is
    ['another audience', signed({ aud: other.clientId }), 'audience_mismatch'],
    ['other audiences', signed({ aud: [other.clientId, 'https://api.test'] }), 'audience_mismatch'],
    ['an audience that begins like ours', signed({ aud: `${ours.clientId}x` }), 'audience_mismatch'],
    ...[7, null, {}, [], [7], [null]].map((aud): Vector => [
      `aud ${JSON.stringify(aud)}`,
      signed({ aud }),
      'malformed',
    ]),
    ["another client's client_id", signed({ client_id: other.clientId }), 'audience_mismatch'],
    ['a number for client_id', signed({ client_id: 7 }), 'malformed'],
    ['somebody who acts as the person', signed({ act: { sub: 'admin@evil.test' } }), 'claim_not_allowed'],
  ];

  return { VECTORS, good, claims, signed, seconds };
}

function key(name: string): string {
  return `key_${name}`;
}
