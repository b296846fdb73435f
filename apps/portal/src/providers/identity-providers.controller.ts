import { isDeepStrictEqual } from 'node:util';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post } from '@nestjs/common';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { changeProvider, createProvider, deleteProvider, lockEditable, providerUnknown } from './change-provider.js';
import { CONFIG, type PortalConfig } from '../config.js';
import { remaps } from './claim-mappings.js';
import { type ProviderRow, readProvider, readProviders } from './identity-providers.sql.js';
import { type AskForKeySet, findKeySet } from './key-sets.js';
import {
  changed,
  complete,
  type KeySet,
  newProvider,
  type NewProvider,
  type ProviderChange,
  providerChange,
  type ProviderSettings,
  settingsProblems,
} from './provider-settings.js';
import { type ProviderView, viewOf } from './provider-view.js';
import { newId } from './webhook-secret.js';

export const ASK_FOR_KEY_SET = Symbol('ask an issuer for its key set');

@Controller('v1/identity-providers')
export class IdentityProvidersController {
  constructor(
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: PortalConfig,
    @Inject(ASK_FOR_KEY_SET) private readonly ask: AskForKeySet,
  ) {}

  /**
   * Whoever writes the mappings down has looked at them, and WorkOS's own claims are no guess; for another issuer those that we
   * prefilled are still to be confirmed.
   */
  @Post()
  async create(
    @Body(valid(newProvider)) { api_key, confirm_claim_mappings, ...given }: NewProvider,
    @Caller() actor: string,
  ): Promise<ProviderView> {
    const settings = this.checked(complete(given, await findKeySet(given, this.ask)));
    const id = newId('idp');
    await this.database.transaction((tx) =>
      createProvider(
        tx,
        {
          id,
          settings,
          apiKey: api_key,
          claimsConfirmed: confirm_claim_mappings ?? (given.claim_mappings !== undefined || given.kind === 'workos'),
          declared: false,
        },
        { actor, keys: this.config.encryptionKeys },
      ),
    );
    return this.get(id);
  }

  @Get()
  list(): Promise<{ data: ProviderView[]; next_cursor: null }> {
    return this.database.read(async (tx) => {
      const rows = await readProviders(tx);
      return { data: rows.map((row) => viewOf(row, rows)), next_cursor: null };
    });
  }

  @Get(':id')
  get(@Param('id') id: string): Promise<ProviderView> {
    return this.database.read(async (tx) => {
      const row = await readProvider(tx, id);
      if (!row) throw providerUnknown();
      return viewOf(row, await readProviders(tx));
    });
  }

  /** What is left out stays; null sets back to the default. Where nothing is different, there is no new version. */
  @Patch(':id')
  async change(
    @Param('id') id: string,
    @Body(valid(providerChange)) change: ProviderChange,
    @Caller() actor: string,
  ): Promise<ProviderView> {
    // An issuer may have to be asked for its keys, which is nothing to do while a row is locked.
    for (let done = false; !done;) {
      const seen = await this.database.read((tx) => readProvider(tx, id));
      if (!seen) throw providerUnknown();
      const keySet = await this.keySetAfter(seen, change);
      done = await this.database.transaction(async (tx) => {
        const row = await lockEditable(tx, id);
        if (row.version !== seen.version) return false;
        const settings = this.checked(complete(changed(row.settings, change), keySet));
        refuseRemap(row, settings, change);
        const wanted = {
          id,
          settings,
          apiKey: change.api_key,
          claimsConfirmed: change.confirm_claim_mappings ?? change.claim_mappings !== undefined,
          declared: false,
        };
        await changeProvider(tx, row, wanted, { actor, keys: this.config.encryptionKeys });
        return true;
      });
    }
    return this.get(id);
  }

  /** Its tokens are of an unknown issuer from now on, its webhooks go to an unknown endpoint, its secrets are gone. */
  @Delete(':id')
  @HttpCode(204)
  async delete(@Param('id') id: string, @Caller() actor: string): Promise<void> {
    await this.database.transaction(async (tx) => {
      await deleteProvider(tx, await lockEditable(tx, id), { actor, keys: this.config.encryptionKeys });
    });
  }

  private checked(settings: ProviderSettings): ProviderSettings {
    const errors = settingsProblems(settings, this.config.allowLocalHosts);
    if (errors.length === 0) return settings;
    throw new Problem(400, 'request_invalid', 'Some fields are missing or not as they should be; see errors.', {
      extra: { errors },
    });
  }

  private async keySetAfter({ settings }: ProviderRow, change: ProviderChange): Promise<KeySet> {
    const before = changed(settings, {});
    const after = changed(settings, change);
    const same = (['issuers', 'client_id', 'jwks_uri', 'api_base_url'] as const).every((field) =>
      isDeepStrictEqual(before[field] ?? null, after[field] ?? null),
    );
    if (same) return { jwks_uri: settings.jwks_uri, jwks_uri_source: settings.jwks_uri_source };
    return findKeySet(after, this.ask);
  }
}

/** Another claim makes everybody's tokens somebody else's, or another organization's, so it is never changed in passing. */
function refuseRemap(row: ProviderRow, settings: ProviderSettings, change: ProviderChange): void {
  const changes = remaps(row.settings.claim_mappings, settings.claim_mappings);
  if (row.claims_confirmed_at === null || changes.length === 0 || change.confirm_remap === true) return;
  const text = changes.map(({ claim, from, to }) => `${claim} is confirmed as ${from} and would be ${to}`).join('; ');
  throw new Problem(
    409,
    'claim_mapping_locked',
    `${text}. Every token of this provider would be read anew: see whom it affects ` +
      '(POST …/claim-mappings/preview), and send confirm_remap: true where this is what you want.',
    { extra: { changes, confirmed_at: row.claims_confirmed_at.toISOString() } },
  );
}
