import { leafHash, rootFrom, rootOf, splitOf } from '../src/merkle.js';

/** The leaves and the root that the tests of Certificate Transparency (google/certificate-transparency) agree on. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const hashes = LEAVES.map((hex) => leafHash(Buffer.from(hex, 'hex')));

test('roots are those of RFC 6962, by vectors that others computed', () => {
  expect(rootOf([]).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(rootOf(hashes).toString('hex')).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
});

/** As the RFC says it, recursively. */
function pathOf(index: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const half = splitOf(leaves.length);
  return index < half
    ? [...pathOf(index, leaves.slice(0, half)), rootOf(leaves.slice(half))]
    : [...pathOf(index - half, leaves.slice(half)), rootOf(leaves.slice(0, half))];
}

test('each leaf of each tree leads to its root by its own path, and by no other', () => {
  const wrong: string[] = [];
  for (let size = 1; size <= 33; size++) {
    const leaves = Array.from({ length: size }, (_, i) => leafHash(Buffer.from([i])));
    const root = rootOf(leaves);
    const other = leafHash(Buffer.from('another'));
    const leads = (...way: Parameters<typeof rootFrom>): boolean => rootFrom(...way)?.equals(root) === true;
    for (let index = 0; index < size; index++) {
      const leaf = leaves[index]!;
      const path = pathOf(index, leaves);
      if (!leads(leaf, index, size, path)) wrong.push(`${index} of ${size} does not lead to the root`);
      const others = [
        leads(other, index, size, path),
        leads(leaf, index, size, [...path, other]),
        path.length > 0 && leads(leaf, index, size, path.slice(1)),
        size > 1 && leads(leaf, (index + 1) % size, size, path),
        leads(root, size, size, []),
        leads(root, -1, size, []),
      ];
      if (others.includes(true)) wrong.push(`${index} of ${size}: ${others.join()}`);
    }
  }
  expect(wrong).toEqual([]);
});
