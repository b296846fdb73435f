import { Select, TextInput } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { Icon } from './icons.js';
import { CANARY, useProviders } from './queries.js';

export type Filters = Record<string, string | undefined>;

/** For a route: keeps the named parameters of its URL, as text. */
export const textFilters =
  <Name extends string>(...names: Name[]) =>
  (search: Record<string, unknown>): { [Key in Name]?: string } =>
    Object.fromEntries(
      names.flatMap((name) => {
        const value = search[name];
        return value === undefined || value === null || value === '' ? [] : [[name, String(value)]];
      }),
    ) as { [Key in Name]?: string };

/** The filters that stand in the URL, so that what is seen can be sent to somebody else. */
export function useFilters(): [Filters, (change: Filters) => void] {
  const filters: Filters = useSearch({ strict: false });
  const navigate = useNavigate();
  return [
    filters,
    (change) =>
      void navigate({
        to: '.',
        replace: true,
        search: ((before: Filters) => ({ ...before, ...change })) as never,
      }),
  ];
}

const TYPED_MS = 180;

/** Text that is searched for as it is typed. */
export function SearchBox({
  name,
  label,
  placeholder,
  width = 280,
}: {
  name: string;
  label: string;
  placeholder?: string;
  width?: number;
}) {
  const [filters, change] = useFilters();
  const inUrl = filters[name] ?? '';
  const [typed, setTyped] = useState(inUrl);
  const sent = useRef(inUrl);
  // The URL changed from elsewhere: the back button, a link.
  useEffect(() => {
    if (inUrl !== sent.current) {
      sent.current = inUrl;
      setTyped(inUrl);
    }
  }, [inUrl]);
  useEffect(() => {
    const text = typed.trim();
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      change({ [name]: text || undefined });
    }, TYPED_MS);
    return () => clearTimeout(timer);
  });
  return (
    <TextInput
      aria-label={label}
      placeholder={placeholder ?? label}
      value={typed}
      onChange={({ currentTarget }) => setTyped(currentTarget.value)}
      leftSection={<Icon name="search" size={15} />}
      w={{ base: '100%', xs: width }}
    />
  );
}

export function Choice({
  name,
  label,
  options,
}: {
  name: string;
  label: string;
  options: { value: string; label: string }[];
}) {
  const [filters, change] = useFilters();
  return (
    <Select
      aria-label={label}
      placeholder={label}
      data={options}
      value={filters[name] ?? null}
      onChange={(value) => change({ [name]: value ?? undefined })}
      clearable
      clearButtonProps={{ 'aria-label': `All: ${label}`, tabIndex: 0 }}
      w={{ base: '100%', xs: 200 }}
    />
  );
}

/** Not there where there is nothing to choose. */
export function ProviderChoice() {
  const providers = useProviders().data?.data ?? [];
  const [{ provider_id }] = useFilters();
  const options = providers.map(({ id, name }) => ({ value: id, label: name }));
  if (provider_id === CANARY) options.push({ value: CANARY, label: 'the canary' });
  if (options.length < 2) return null;
  return <Choice name="provider_id" label="Identity provider" options={options} />;
}
