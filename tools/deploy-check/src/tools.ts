import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that are not of npm: looked for on the PATH and in `.local/tools`, where `npm run deploy:tools` builds them with Go. */
export const TOOLS = {
  helm: 'helm.sh/helm/v3/cmd/helm@v3.19.4',
  'kubectl-validate': 'sigs.k8s.io/kubectl-validate@v0.0.4',
  promtool: undefined, // Debian and others: the package prometheus
} as const;
export type ToolName = keyof typeof TOOLS;

export class Tools {
  constructor(private readonly dir: string) {}

  find(name: ToolName): string | undefined {
    return [this.dir, ...(process.env['PATH'] ?? '').split(delimiter)]
      .map((dir) => join(dir, name))
      .find((path) => existsSync(path));
  }

  /** Builds what is missing and can be built; says what could not be. */
  install(): void {
    for (const [name, module] of Object.entries(TOOLS) as [ToolName, string | undefined][]) {
      if (module === undefined || this.find(name)) continue;
      console.log(`building ${name} (${module})`);
      const { status } = spawnSync('go', ['install', module], {
        env: { ...process.env, GOBIN: this.dir },
        stdio: 'inherit',
      });
      if (status !== 0) console.log(`${name} could not be built`);
    }
  }
}

export interface Run {
  ok: boolean;
  out: string;
  /** What it complained of. */
  err: string;
}

export function run(program: string, args: readonly string[], input?: string): Run {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...(input === undefined ? {} : { input }),
  });
  return { ok: status === 0, out: stdout ?? '', err: `${stderr ?? ''}${error ? error.message : ''}` };
}
