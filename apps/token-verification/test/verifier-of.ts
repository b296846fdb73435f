import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { TokenCache } from '#providers/token-cache.js';
import { RevocationView } from '../src/domain/revocation-view.js';
import { KeySet } from '../src/keys/key-set.js';
import { keySetUrl } from '../src/keys/provider-keys.js';
import { Verifier } from '../src/verifier.js';

export interface World {
  verifier: Verifier;
  view: RevocationView;
  fresh: boolean;
  now: number;
  providers: IdentityProviderData[];
  /** URL → keys, or what fetching them throws. */
  keys: Map<string, unknown[] | Error>;
  fetches: number;
  sets: Map<string, KeySet>;
}

/** The real verifier, with a clock, providers and a source of keys that a test holds in its hands. */
export function worldOf(
  now: number,
  providers: IdentityProviderData[],
  keys: Record<string, unknown[]>,
  cache = 100,
): World {
  const sets = new Map<string, KeySet>();
  const world: World = {
    view: new RevocationView(),
    fresh: true,
    now,
    providers,
    keys: new Map(Object.entries(keys)),
    fetches: 0,
    sets,
    verifier: undefined as unknown as Verifier,
  };
  const keysOf = (provider: IdentityProviderData): KeySet => {
    const url = keySetUrl(provider);
    let set = sets.get(url);
    if (!set) {
      set = new KeySet({
        url,
        settings: { refreshMs: 300_000, cooldownMs: 30_000, maxAgeMs: 86_400_000 },
        fetch: async () => {
          world.fetches += 1;
          const answer = world.keys.get(url) ?? new Error('404');
          if (answer instanceof Error) throw answer;
          return { keys: answer };
        },
        shared: { of: async () => undefined, share() {} },
        now: () => world.now,
        logger: { warn() {}, info() {} },
      });
      sets.set(url, set);
    }
    return set;
  };
  world.verifier = new Verifier({
    view: world.view,
    isFresh: () => world.fresh,
    providersOf: (issuer) => world.providers.filter(({ issuers }) => issuers.includes(issuer)),
    isCurrent: (provider) => world.providers.includes(provider),
    keysOf,
    cache: new TokenCache(cache),
    now: () => world.now,
  });
  return world;
}

/** `active`, the reason of the refusal, or why it is not known. */
export async function outcomeOf({ verifier }: World, token: string): Promise<string> {
  const verdict = await verifier.verify(token);
  if (verdict.kind === 'active') return 'active';
  return verdict.kind === 'refused' ? verdict.reason : verdict.code;
}
