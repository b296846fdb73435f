import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '#platform/config.js';
import type { Logger } from '#platform/logging.js';
import { untilDone } from '#platform/until-done.js';
import { declareProviders, type DeclarationParts } from './declare-providers.js';
import { complete, settingsProblems } from './provider-settings.js';
import { type DeclaredProvider, readProvidersFile } from './providers-file.js';

/**
 * Follows the providers file. What it says first has been checked before the service starts; what it says later is taken
 * over where it can be read, and is otherwise only complained of, while the last good state stays.
 */
export class ProvidersFileWatch {
  private text: string;
  private declared: DeclaredProvider[];

  /** Throws {@link ConfigError} with every problem of the file. */
  constructor(
    private readonly file: string,
    private readonly settings: { pollMs: number; allowLocalHosts: boolean },
    private readonly parts: DeclarationParts,
  ) {
    try {
      this.text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new ConfigError([`RESCIND_PROVIDERS_FILE: ${(error as NodeJS.ErrnoException).code ?? 'cannot be read'}`]);
    }
    this.declared = this.read(this.text);
  }

  /** Declares what the file says, and goes on until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.parts;
    for (;;) {
      const done = await untilDone('declare the providers of the file', logger, signal, () =>
        declareProviders(this.declared, this.parts),
      );
      if (!done) return;
      logger.info({ providers: this.declared.map(({ id }) => id) }, 'providers are as the file says');
      if (!(await this.nextChange(signal, logger))) return;
    }
  }

  private async nextChange(signal: AbortSignal, logger: Logger): Promise<boolean> {
    while (!signal.aborted) {
      await delay(this.settings.pollMs, undefined, { signal }).catch(() => undefined);
      // In a ConfigMap the file is a link that is moved, so its content is what can be relied on.
      const text = await readFile(this.file, 'utf8').catch(() => undefined);
      if (text === undefined || text === this.text) continue;
      this.text = text;
      try {
        this.declared = this.read(text);
        return !signal.aborted;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        logger.error({ problems: error.problems }, 'the providers file has changed and cannot be used');
      }
    }
    return false;
  }

  private read(text: string): DeclaredProvider[] {
    const declared = readProvidersFile(text, process.env);
    const problems = declared.flatMap(({ given }, place) => {
      // Whichever way its keys are found later, the settings must hold.
      const jwks_uri = given.jwks_uri ?? null;
      const settings = complete(given, { jwks_uri, jwks_uri_source: jwks_uri === null ? 'discovered' : 'given' });
      return settingsProblems(settings, this.settings.allowLocalHosts).map(
        ({ field, message }) => `providers[${place}].${field}: ${message}`,
      );
    });
    if (problems.length > 0) throw new ConfigError(problems);
    return declared;
  }
}
