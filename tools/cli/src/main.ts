import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Command, COMMANDS } from './commands.js';
import { Ended, installationFrom } from './installation.js';
import { OPTIONS, type OptionName, type Options } from './options.js';

export const HELP = `rescind: ask and steer an installation of Rescind

  rescind status                       is everything ready? canary, signals
  rescind doctor                       what is wrong, and what to do about it
  rescind users [<beginning>]          people by id, address or name
  rescind user <user id>               one person: sessions, memberships, grants
  rescind revoke --user|--organization|--session <id> --reason <why> [--yes]
                                       says what would end; with --yes it ends
  rescind verify-token [<token>]       is it good? Without one, reads stdin
  rescind verify-receipt <file> [--keys <file or thumbprint>]
                                       offline: does this receipt prove it?
  rescind tail                         follow revocations until Ctrl-C
  rescind replay [--help]              the state computed anew and compared
  rescind completion bash|zsh|fish     for: source <(rescind completion bash)

  --provider <id>  where several have it    --json  for programs    --help

Exit: 0 yes or done; 1 no; 2 used wrongly; 3 it cannot be known (let nobody in);
4 a genuine receipt of somebody who still has access.
Where: RESCIND_PORTAL_URL, RESCIND_GRANTS_URL, RESCIND_TOKEN_VERIFICATION_URL,
RESCIND_WEBHOOK_INGRESS_URL, RESCIND_SIGNALS_URL, RESCIND_API_KEY; else what
npm start runs here.`;

/** As `npm run replay`, which has settings and options of its own. */
async function replay(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const program = join(import.meta.dirname, '../../../apps/grants/src/replay/main.js');
  const child = spawn(process.execPath, ['--enable-source-maps', program, ...args], { env, stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 3;
}

/** Answers the exit code; never throws for what a person did. */
export async function rescind(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    if (args[0] === 'replay') return await replay(args.slice(1), env);
    const { values, positionals } = read(args);
    const [name, ...operands] = positionals;
    if (values.help || name === undefined) {
      console.log(HELP);
      return name === undefined && !values.help ? 2 : 0;
    }
    const command: Command | undefined = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!command) throw new Ended(2, `There is no command ${JSON.stringify(name)}: see rescind --help.`);
    const strange = Object.keys(OPTIONS).find(
      (one) => values[one as OptionName] && !command.options.includes(one as OptionName),
    );
    if (strange) throw new Ended(2, `${name} takes no --${strange}: see rescind --help.`);
    // Not repeated: it may be a part of a token.
    if (operands.length > (command.most ?? 0)) {
      throw new Ended(2, `${name} takes ${command.most ? 'one word' : 'options alone'}: see rescind --help.`);
    }
    return await command.run(installationFrom(env), operands, values);
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    console.error(error.message);
    return error.code;
  }
}

function read(args: readonly string[]): { values: Options; positionals: string[] } {
  const known = Object.entries(OPTIONS).map(([name, option]) => [
    name,
    'value' in option
      ? ({ type: 'string' } as const)
      : ({ type: 'boolean', default: false, ...(name === 'help' && { short: 'h' }) } as const),
  ]);
  try {
    const read = parseArgs({ args: [...args], allowPositionals: true, options: Object.fromEntries(known) });
    return { values: read.values as unknown as Options, positionals: read.positionals };
  } catch (error) {
    throw new Ended(2, `${(error as Error).message.split('. To specify')[0]} See rescind --help.`);
  }
}
