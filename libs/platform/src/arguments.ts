import { parseArgs, type ParseArgsConfig } from 'node:util';

type OptionsOf = NonNullable<ParseArgsConfig['options']>;
type Values<Options extends OptionsOf> = ReturnType<typeof parseArgs<{ options: Options }>>['values'];

/**
 * The options that a command was given. `--help` prints its usage, and so does what it does not know, before anything is done:
 * the process then ends with 0, and with 2.
 */
export function argumentsOf<const Options extends OptionsOf>(
  options: Options,
  usage: string,
  args = process.argv.slice(2),
): Values<Options> {
  try {
    const { values } = parseArgs({ args, options: { ...options, help: { type: 'boolean', short: 'h' } } });
    if (!(values as { help?: boolean }).help) return values as Values<Options>;
  } catch (error) {
    console.error(`${(error as Error).message.split('. To specify')[0]}\n\n${usage}`);
    process.exit(2);
  }
  console.log(usage);
  process.exit(0);
}
