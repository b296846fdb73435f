export function filesUnder(folder: string): AsyncGenerator<string>;
