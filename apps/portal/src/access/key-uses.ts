import { type ApiKeyUseData, decodeApiKeyUse } from '#contracts/api-key.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import type { Logger } from '#platform/logging.js';

/** When the other services last saw each API key; each of them says so itself. */
export class ApiKeyUses {
  private readonly view: CompactedView<ApiKeyUseData>;
  private readonly last = new Map<string, string>();

  constructor(client: KafkaClient, logger: Logger) {
    this.view = new CompactedView(client, { topic: TOPICS.apiKeyUses, decode: decodeApiKeyUse, logger });
    this.view.onChange((_, use) => {
      if (use && use.at > (this.last.get(use.api_key_id) ?? '')) this.last.set(use.api_key_id, use.at);
    });
  }

  /** RFC 3339. */
  lastUseOf(apiKeyId: string): string | undefined {
    return this.last.get(apiKeyId);
  }

  start(): Promise<void> {
    return this.view.start();
  }

  close(): Promise<void> {
    return this.view.close();
  }
}
