import { Alert, Button, Paper, PasswordInput, SegmentedControl, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { ApiProblem, call, SIGNALS } from '../api.js';
import { Ask, Done, OfProvider } from '../ask.js';
import { doing, PROVIDER } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { Icon } from '../icons.js';
import { CANARY, useGet, useProviders, useSend, useSession } from '../queries.js';
import type { Source } from '../types.js';
import { Answered, type Column, CopyLine, count, Empty, many, Section, Status, Table, When } from '../ui.js';

const SOURCES = `${SIGNALS}/sources`;

/** Other transmitters of Shared Signals: whom we believe that access has ended. */
export function Sources() {
  const sources = useGet('GET /api/signals/v1/sources', {}, { every: useLiveInterval() });
  const mayChange = useSession().data?.role === 'administrator';
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Source>();
  const columns = [
    ...COLUMNS,
    ...doing(mayChange, (source: Source) => (
      <Button size="xs" variant="default" onClick={() => setRemoving(source)} aria-label={`Remove ${source.name}`}>
        Remove…
      </Button>
    )),
  ];
  return (
    <Section
      title="Who else may end access"
      actions={
        mayChange && (
          <Button size="xs" leftSection={<Icon name="plus" size={14} />} onClick={() => setAdding(true)}>
            Add a source
          </Button>
        )
      }
    >
      <Paper>
        <Answered query={sources}>
          {({ data }) =>
            data.length === 0 ? (
              <Empty icon="inbox" title="Nobody else">
                Another transmitter of Shared Signals may push what it knows, or be polled.
              </Empty>
            ) : (
              <Table label="Who else may end access" rows={data} columns={columns} keyOf={({ id }) => id} />
            )
          }
        </Answered>
      </Paper>
      {adding && <NewSource close={() => setAdding(false)} />}
      {removing && <Remove source={removing} close={() => setRemoving(undefined)} />}
    </Section>
  );
}

const COLUMNS: Column<Source>[] = [
  {
    title: 'Source',
    cell: ({ name, issuer }) => (
      <div>
        <Text size="sm" fw={600}>
          {name}
        </Text>
        <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {issuer}
        </Text>
      </div>
    ),
  },
  PROVIDER,
  { title: 'By', cell: ({ poll }) => (poll ? 'polled' : 'pushes'), narrow: true },
  {
    title: 'Its stream',
    cell: ({ stream_status, stream_reason, verified_at }) => (
      <div>
        {stream_status === null ? '—' : <Status of={stream_status} />}
        <Text size="xs" c="dimmed" component="div">
          {stream_reason}
          {verified_at && (
            <>
              {' '}
              verified <When at={verified_at} />
            </>
          )}
        </Text>
      </div>
    ),
  },
  { title: 'Answered', cell: ({ poll }) => (poll ? <When at={poll.polled_at} never="never" /> : '—'), narrow: true },
  {
    title: 'Refused',
    cell: ({ refused, last_refusal }) => <span title={last_refusal ?? ''}>{count(refused)}</span>,
    narrow: true,
  },
  {
    title: 'Trouble',
    cell: ({ poll, unknown_subject_at, unknown_subject }) =>
      poll && poll.failures > 0 ? (
        `${poll.last_error ?? 'failed'}; ${many(poll.failures, 'time', 'times')} in a row`
      ) : unknown_subject_at ? (
        <>
          of somebody whom we cannot tell ({unknown_subject}) <When at={unknown_subject_at} />
        </>
      ) : (
        '—'
      ),
  },
];

const EMPTY = {
  name: '',
  issuer: '',
  audience: '',
  endpoint_url: '',
  authorization_header: '',
  token_url: '',
  client_id: '',
  client_secret: '',
};
type Given = typeof EMPTY;

function NewSource({ close }: { close: () => void }) {
  const providers = (useProviders().data?.data ?? []).filter(({ id }) => id !== CANARY);
  const [provider, setProvider] = useState<string | null>(null);
  const [by, setBy] = useState<'push' | 'poll'>('push');
  const [shows, setShows] = useState<'header' | 'client'>('header');
  const [given, setGiven] = useState<Given>(EMPTY);
  const provider_id = provider ?? providers[0]?.id;
  const needed: (keyof Given)[] = [
    'name',
    'issuer',
    ...(by === 'push'
      ? []
      : ([
          'audience',
          'endpoint_url',
          ...(shows === 'header' ? ['authorization_header'] : ['token_url', 'client_id', 'client_secret']),
        ] as (keyof Given)[])),
  ];
  const { name, issuer, audience, endpoint_url, authorization_header, token_url, client_id, client_secret } = given;
  const add = useSend(
    () =>
      call('POST /api/signals/v1/sources', {
        body: {
          name: name.trim(),
          issuer: issuer.trim(),
          provider_id: provider_id!,
          ...(by === 'push'
            ? {}
            : {
                audience: audience.trim(),
                poll: {
                  endpoint_url: endpoint_url.trim(),
                  ...(shows === 'header'
                    ? { authorization_header }
                    : { token_url: token_url.trim(), client_id, client_secret }),
                },
              }),
        },
      }),
    [SOURCES],
  );
  const problem = add.error instanceof ApiProblem ? add.error : undefined;
  const isSaid = needed.some((field) => problem?.field(field) ?? problem?.field(`poll.${field}`));
  const fieldOf = (field: keyof Given, label: string, description?: string) => ({
    label,
    description,
    value: given[field],
    onChange: ({ currentTarget: { value } }: { currentTarget: { value: string } }) =>
      setGiven((former) => ({ ...former, [field]: value })),
    error: problem?.field(field) ?? problem?.field(`poll.${field}`),
    required: true,
  });
  if (add.data) return <Added source={add.data} close={close} />;
  return (
    <Ask
      title="Add a source"
      button="Add it"
      send={add}
      whenDone={() => undefined}
      isFinal={false}
      size="lg"
      isIncomplete={provider_id === undefined || needed.some((field) => given[field].trim() === '')}
      error={isSaid ? null : add.error}
      close={close}
    >
      <TextInput {...fieldOf('name', 'Name')} data-autofocus />
      <TextInput {...fieldOf('issuer', 'Issuer', 'iss of what it says; its keys are found by it.')} />
      <OfProvider providers={providers} id={provider_id} setId={setProvider} />
      <SegmentedControl
        aria-label="How it is heard"
        data={[
          { value: 'push', label: 'It pushes to us' },
          { value: 'poll', label: 'We poll it' },
        ]}
        value={by}
        onChange={(chosen) => setBy(chosen as typeof by)}
      />
      {by === 'poll' && (
        <>
          <Text size="sm" c="dimmed">
            Make a stream there that is polled (RFC 8936), and give here what it answers.
          </Text>
          <TextInput {...fieldOf('audience', 'Audience', 'aud of the stream.')} />
          <TextInput {...fieldOf('endpoint_url', 'Endpoint', 'endpoint_url of its delivery.')} />
          <SegmentedControl
            aria-label="What it is shown"
            data={[
              { value: 'header', label: 'A header as it is' },
              { value: 'client', label: 'A token for a client' },
            ]}
            value={shows}
            onChange={(chosen) => setShows(chosen as typeof shows)}
          />
          {shows === 'header' ? (
            <PasswordInput {...fieldOf('authorization_header', 'Authorization', 'The whole header: Bearer …')} />
          ) : (
            <>
              <TextInput {...fieldOf('token_url', 'Token endpoint')} />
              <TextInput {...fieldOf('client_id', 'Client')} />
              <PasswordInput {...fieldOf('client_secret', 'Its secret')} />
            </>
          )}
        </>
      )}
    </Ask>
  );
}

function Added({ source, close }: { source: Source & { push_token?: string }; close: () => void }) {
  return source.push_url === null ? (
    <Done title={`${source.name} is polled`} close={close}>
      <Text size="sm">Whether it answers stands in the list within some seconds.</Text>
    </Done>
  ) : (
    <Done title={`What ${source.name} has to know`} button="I have it" isSaidOnce close={close}>
      <Alert color="orange" icon={<Icon name="alert" />}>
        The token is shown this once. Only its digest is kept.
      </Alert>
      <Text size="sm">Where it pushes to</Text>
      <CopyLine text={source.push_url} what="the URL" />
      <Text size="sm">Its authorization_header</Text>
      <CopyLine text={`Bearer ${source.push_token}`} what="the header" />
      <Text size="sm">What it says as aud</Text>
      <CopyLine text={source.audience} what="the audience" />
    </Done>
  );
}

function Remove({ source, close }: { source: Source; close: () => void }) {
  const remove = useSend(() => call('DELETE /api/signals/v1/sources/{id}', { path: { id: source.id } }), [SOURCES]);
  return (
    <Ask title={`Take nothing more from ${source.name}`} button="Remove" send={remove} close={close}>
      <Text size="sm">What it has ended stays ended. What it says from now on is not heard.</Text>
    </Ask>
  );
}
