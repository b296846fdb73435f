import { BlockList, isIP } from 'node:net';
import { commaList } from './config.js';

/** Comma-separated addresses (`192.0.2.1`, `2001:db8::1`) and ranges of them (`10.0.0.0/8`). */
export const addressList = commaList.superRefine((entries, context) => {
  for (const entry of entries) {
    if (!isAddressOrRange(entry)) {
      context.addIssue({ code: 'custom', message: `${entry} is neither an address nor a range such as 10.0.0.0/8` });
    }
  }
});

function isAddressOrRange(entry: string): boolean {
  const [address = '', prefix, ...more] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** Whether an address is one of `entries`, which {@link addressList} has read. What is no address is none of them. */
export function addressMatcher(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => {
    const family = isIP(address);
    // An IPv4 address that came in over IPv6 (::ffff:192.0.2.1) is found among the IPv4 ones too.
    return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/**
 * What is counted as one source: the address, and of IPv6 the /64 that a single connection commonly has all of, so that
 * nobody has 2^64 sources.
 */
export function sourceOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(gap).fill('0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
