import type { IdentityProviderData } from '#contracts/identity-provider.js';
import type { Logger } from '#platform/logging.js';
import type { ProviderRegistry } from '#providers/registry.js';
import { type EncryptionKeys, unseal, webhookSecretOwner } from '#providers/sealing.js';
import type { SigningSecret } from '#workos/signature.js';

/** A webhook endpoint: whose events come in there, and who may sign them. */
export interface Endpoint {
  provider: Pick<IdentityProviderData, 'id' | 'mode'>;
  secrets: readonly SigningSecret[];
  /** Secrets that exist and that we cannot open: whether a signature is genuine may then be unknown. */
  unreadable: number;
}

/** Finds the endpoint that a delivery was sent to. Secrets are opened once for each version of a provider. */
export class EndpointDirectory {
  private readonly opened = new Map<string, { version: number; endpoint: Endpoint }>();

  constructor(
    private readonly registry: ProviderRegistry,
    private readonly keys: EncryptionKeys,
    private readonly logger: Logger,
  ) {}

  /** Whether every endpoint that there is can be found; before that, an unknown one means nothing. */
  isReady(): boolean {
    return this.registry.isReady();
  }

  find(token: string): Endpoint | undefined {
    const provider = this.registry.byEndpointToken(token);
    if (!provider?.webhook) return undefined;
    const known = this.opened.get(provider.id);
    if (known?.version === provider.version) return known.endpoint;
    const endpoint = this.open(provider, provider.webhook);
    this.opened.set(provider.id, { version: provider.version, endpoint });
    return endpoint;
  }

  private open(provider: IdentityProviderData, webhook: NonNullable<IdentityProviderData['webhook']>): Endpoint {
    const secrets: SigningSecret[] = [];
    for (const { id, sealed } of webhook.secrets) {
      try {
        secrets.push({ id, secret: unseal(sealed, webhookSecretOwner(provider.id, id), this.keys) });
      } catch (error) {
        this.logger.error({ err: error, provider_id: provider.id, secret_id: id }, 'a signing secret cannot be opened');
      }
    }
    return {
      provider: { id: provider.id, mode: provider.mode },
      secrets,
      unreadable: webhook.secrets.length - secrets.length,
    };
  }
}
