import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { COMMANDS, REPLAY } from '../src/commands.js';
import { type Completed, completionFor, SHELLS, type Shell } from '../src/completion.js';
import { HELP, rescind } from '../src/main.js';
import { OPTIONS, type OptionName } from '../src/options.js';

const TABLE: Record<string, Completed> = { ...COMMANDS, replay: REPLAY };
const dashed = (name: string): string[] => TABLE[name]!.options.map((option) => `--${option}`);

/** What the shell itself offers for the last of these words. Each reads the script as a person has it read. */
const OFFERED: Record<Shell, (script: string, words: readonly string[], dir: string) => string[]> = {
  bash: (script, words, dir) =>
    run(
      'bash',
      [
        '--norc',
        '-c',
        `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rescind; printf '%s\\n' "\${COMPREPLY[@]}"`,
        'bash',
        script,
        ...words,
      ],
      dir,
    ),
  fish: (script, words, dir) =>
    run('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', script, words.join(' ')], dir).map(
      (line) => line.split('\t')[0]!,
    ),
  zsh: (script, words, dir) => {
    // A shell that somebody types into: all that it offers is put into the line, and the line into a file.
    writeFileSync(join(dir, '.typed'), words.join(' '));
    writeFileSync(join(dir, '.zshrc'), ZSHRC.replace('SCRIPT', script));
    writeFileSync(join(dir, '.drive'), ZSH_DRIVER);
    const [line = ''] = run('zsh', ['-f', join(dir, '.drive')], dir);
    return line
      .split(' ')
      .slice(words.length - 1)
      .filter((word) => word !== '');
  },
};

const ZSHRC = `
PROMPT=; autoload -Uz compinit; compinit -u -D; source SCRIPT
zle -C all-matches complete-word _generic
zstyle ':completion:all-matches:*' insert yes
zstyle ':completion:all-matches::::' completer _all_matches _complete
tell() { print -r -- "$BUFFER" > .line.new; mv .line.new .line; exit }
zle -N tell
bindkey '^T' all-matches
bindkey '^X' tell
: > .ready`;
const ZSH_DRIVER = `
zmodload zsh/zpty zsh/zselect
export TERM=dumb ZDOTDIR=$PWD
zpty shell zsh -i
until [[ -e .ready ]]; do zpty -rt shell ignored; zselect -t 2; done
zpty -wn shell "$(<.typed)"$'\\C-T\\C-X'
until [[ -e .line ]]; do zpty -rt shell ignored; zselect -t 2; done
cat .line; rm -f .line .ready
zpty -d shell`;

function run(program: string, args: readonly string[], cwd: string): string[] {
  const { stdout, stderr, status } = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'rescind-completion-'))));
afterEach(() => rmSync(dir, { recursive: true }));

describe.each(SHELLS)('%s', (shell) => {
  const isHere = spawnSync(shell, ['--version']).error === undefined;
  const offered = (...words: string[]): string[] => {
    const script = join(dir, '.script');
    writeFileSync(script, completionFor(shell, TABLE));
    return OFFERED[shell](script, ['rescind', ...words], dir).sort();
  };

  if (!isHere) return void test.skip(`skipped: ${shell} is not here`, () => undefined);

  test('every command by its first letters', () => {
    const names = Object.keys(TABLE).filter((name) => name.startsWith('re'));
    expect(names.length).toBeGreaterThan(1);
    expect(offered('re')).toEqual(names.sort());
    expect(offered('')).toEqual(expect.arrayContaining(Object.keys(TABLE)));
  });

  test('of a command its own options, all of them', () => {
    for (const name of ['revoke', 'users', 'replay']) expect(offered(name, '--')).toEqual(dashed(name).sort());
    expect(offered('revoke', '--user', 'user_1', '--or')).toEqual(['--organization']);
  });

  test('shells where one is asked for, files where one is', () => {
    expect(offered('completion', '')).toEqual([...SHELLS].sort());
    writeFileSync(join(dir, 'receipt.json'), '');
    expect(offered('verify-receipt', 'rec')).toEqual(['receipt.json']);
    expect(offered('verify-receipt', 'receipt.json', '--keys', 'rec')).toEqual(['receipt.json']);
  });

  test('nothing where only the installation knows', () => {
    writeFileSync(join(dir, 'user_1'), '');
    expect(offered('revoke', '--user', 'us').filter((word) => word !== 'us')).toEqual([]);
  });
});

test('the help has every command and option', () => {
  const lacks = [
    ...Object.keys(TABLE).map((name) => `rescind ${name}`),
    ...Object.keys(OPTIONS).map((name) => `--${name}`),
  ];
  expect(lacks.filter((word) => !HELP.includes(word))).toEqual([]);
});

test('an option that a command does not have is refused, each of them', async () => {
  const said = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  for (const [name, { options }] of Object.entries(COMMANDS)) {
    for (const option of Object.keys(OPTIONS) as OptionName[]) {
      if (options.includes(option)) continue;
      const value = 'value' in OPTIONS[option] ? ['x'] : [];
      expect(await rescind([name, `--${option}`, ...value], {})).toBe(2);
      expect(said).toHaveBeenLastCalledWith(`${name} takes no --${option}: see rescind --help.`);
    }
  }
  said.mockRestore();
});
