import { OPTIONS, type OptionName } from './options.js';

/** Of a command, what a shell completes: its options, and what may follow its name. */
export interface Completed {
  says: string;
  options: readonly OptionName[];
  operand?: 'file' | 'shell';
}
type Table = Readonly<Record<string, Completed>>;

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };
export type Shell = keyof typeof SCRIPTS;
export const SHELLS = Object.keys(SCRIPTS) as readonly Shell[];

/**
 * What a shell reads to complete `rescind`: its commands, and of each command its own options and operands. Made from the
 * table by which the commands are run, so that none can be missing.
 */
export const completionFor = (shell: Shell, commands: Table): string => SCRIPTS[shell](commands);

const valueOf = (option: OptionName): string | undefined =>
  (OPTIONS as Record<string, { value?: string }>)[option]!.value;
const withValue = (is: (value: string) => boolean): string[] =>
  (Object.keys(OPTIONS) as OptionName[]).filter((option) => is(valueOf(option) ?? '')).map((option) => `--${option}`);
/** Nothing is offered after these, since only the installation knows it. */
const WITH_WORD = withValue((value) => value === 'id' || value === 'text');
const WITH_FILE = withValue((value) => value === 'file');

const dashed = (options: readonly OptionName[]): string => options.map((option) => `--${option}`).join(' ');
/** In single quotes, as all three shells take it. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const wordsOf = (operand: Completed['operand']): string => (operand === 'shell' ? SHELLS.join(' ') : '');

function bashScript(commands: Table): string {
  const cases = Object.entries(commands).map(
    ([name, { options, operand }]) =>
      `    ${name}) options=${quoted(dashed(options))} operands=${quoted(wordsOf(operand))} files=${operand === 'file' ? 1 : ''} ;;`,
  );
  return `_rescind() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} options operands files IFS=$' \\t\\n' lines=$'\\n'
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ${quoted(`${Object.keys(commands).join(' ')} --help`)} -- "$word"))
    return
  fi
  case $before in
    ${WITH_WORD.join('|')}) return ;;
    ${WITH_FILE.join('|')}) IFS=$lines; COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ $files ]]; then IFS=$lines; COMPREPLY=($(compgen -f -- "$word"))
  else COMPREPLY=($(compgen -W "$operands" -- "$word"))
  fi
}
complete -o filenames -F _rescind rescind`;
}

function zshScript(commands: Table): string {
  const described = (words: readonly (readonly [string, string])[]): string =>
    words.map(([word, says]) => quoted(`${word.replaceAll(':', '\\:')}:${says}`)).join(' ');
  const cases = Object.entries(commands).map(
    ([name, { options, operand }]) =>
      `    ${name}) options=(${described(options.map((option) => [`--${option}`, OPTIONS[option].says]))}) operands=(${wordsOf(operand)}) files=${operand === 'file' ? 1 : ''} ;;`,
  );
  return `#compdef rescind
_rescind() {
  local -a all options operands
  local files
  if (( CURRENT == 2 )); then
    all=(${described([...Object.entries(commands).map(([name, { says }]) => [name, says] as const), ['--help', OPTIONS.help.says]])})
    _describe command all
    return
  fi
  case $words[CURRENT-1] in
    ${WITH_WORD.join('|')}) return 1 ;;
    ${WITH_FILE.join('|')}) _files; return ;;
  esac
  case $words[2] in
${cases.join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then _describe option options
  elif [[ -n $files ]]; then _files
  elif (( $#operands )); then compadd -a operands
  else return 1
  fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _rescind "$@"; else compdef _rescind rescind; fi`;
}

function fishScript(commands: Table): string {
  const names = Object.keys(commands).join(' ');
  const lines = ['complete -c rescind -e', 'complete -c rescind -f'];
  const first = `-n ${quoted(`not __fish_seen_subcommand_from ${names}`)}`;
  for (const [name, { says, options, operand }] of Object.entries(commands)) {
    lines.push(`complete -c rescind ${first} -a ${name} -d ${quoted(says)}`);
    const after = `-n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
    for (const option of options) {
      const value = valueOf(option);
      const takes = value === undefined ? '' : value === 'file' ? ' -r -F' : ' -x';
      lines.push(`complete -c rescind ${after} -l ${option}${takes} -d ${quoted(OPTIONS[option].says)}`);
    }
    if (operand === 'file') lines.push(`complete -c rescind ${after} -F`);
    if (operand === 'shell') lines.push(`complete -c rescind ${after} -a ${quoted(SHELLS.join(' '))}`);
  }
  return [...lines, `complete -c rescind ${first} -l help -d ${quoted(OPTIONS.help.says)}`].join('\n');
}
