/** A moment in milliseconds since the epoch; {@link NEVER} where it has not happened, Infinity where it is for ever. */
export type Moment = number;

export const NEVER: Moment = -Infinity;
export const FOR_EVER: Moment = Infinity;

/** As it stands in JSON: RFC 3339 with milliseconds, `"infinity"` for ever, `null` never. */
export type WireMoment = string | null;

export function momentToWire(moment: Moment): WireMoment {
  if (moment === NEVER) return null;
  return moment === FOR_EVER ? 'infinity' : new Date(moment).toISOString();
}

/** The inverse of {@link momentToWire}; NaN for text that is no moment. */
export function momentFromWire(wire: WireMoment): Moment {
  if (wire === null) return NEVER;
  return wire === 'infinity' ? FOR_EVER : parseTime(wire);
}

/** As we write it ourselves: there is nothing to put right in it. */
const USUAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const RFC3339 = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

/** RFC 3339 has years of four digits; an offset may lead out of them, to what could be written and not be read again. */
const [EARLIEST, LATEST] = [Date.parse('0000-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')];

/** Milliseconds since the epoch; NaN if it is no time. Without a zone it is UTC, as in WorkOS's own samples. */
export function parseTime(text: string): Moment {
  if (USUAL.test(text)) return Date.parse(text);
  const match = RFC3339.exec(text);
  if (!match) return NaN;
  const iso = text.replace(' ', 'T');
  const moment = Date.parse(match[2] ? iso : `${iso}Z`);
  return moment >= EARLIEST && moment <= LATEST ? moment : NaN;
}
