import { Alert, Button, Group, Paper, PasswordInput, SegmentedControl, Select, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { ApiProblem, call, SIGNALS } from '../api.js';
import { Ask, Done, OfProvider } from '../ask.js';
import { doing, PROVIDER } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { Icon } from '../icons.js';
import { CANARY, useGet, useProviders, useSend, useSession } from '../queries.js';
import type { FoundTransmitter, Source } from '../types.js';
import { Answered, type Column, CopyLine, count, Empty, many, Refusal, Section, Status, Table, When } from '../ui.js';

const SOURCES = `${SIGNALS}/sources`;

/** Other transmitters of Shared Signals: whom we believe that access has ended. */
export function Sources() {
  const sources = useGet('GET /api/signals/v1/sources', {}, { every: useLiveInterval() });
  const mayChange = useSession().data?.role === 'administrator';
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Source>();
  const [verifying, setVerifying] = useState<string>();
  const looked = sources.data?.data.find(({ id }) => id === verifying);
  const columns = [
    ...COLUMNS,
    ...doing(mayChange, (source: Source) => (
      <Group gap="xs" wrap="nowrap">
        {source.stream && (
          <Button
            size="xs"
            variant="default"
            onClick={() => setVerifying(source.id)}
            aria-label={`The stream of ${source.name}`}
          >
            Stream…
          </Button>
        )}
        <Button size="xs" variant="default" onClick={() => setRemoving(source)} aria-label={`Remove ${source.name}`}>
          Remove…
        </Button>
      </Group>
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
                Another transmitter of Shared Signals may push what it knows, or be polled: paste its issuer.
              </Empty>
            ) : (
              <Table label="Who else may end access" rows={data} columns={columns} keyOf={({ id }) => id} />
            )
          }
        </Answered>
      </Paper>
      {adding && <NewSource close={() => setAdding(false)} />}
      {looked && <Verify source={looked} close={() => setVerifying(undefined)} />}
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
    cell: ({ poll, stream, unknown_subject_at, unknown_subject }) =>
      stream && stream.stream_id === null ? (
        'its stream was never finished: remove it, and add it again'
      ) : stream?.ask_error ? (
        stream.ask_error
      ) : poll && poll.failures > 0 ? (
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
  scope: '',
};
type Given = typeof EMPTY;
type Field = keyof Given;

const HOW = [
  { value: 'connect', label: 'We make the stream' },
  { value: 'push', label: 'It pushes to us' },
  { value: 'poll', label: 'We poll it' },
];
const EVENT_NAMES = /[^/]+$/;

function NewSource({ close }: { close: () => void }) {
  const providers = (useProviders().data?.data ?? []).filter(({ id }) => id !== CANARY);
  const [provider, setProvider] = useState<string | null>(null);
  const [by, setBy] = useState<'connect' | 'push' | 'poll'>('connect');
  const [shows, setShows] = useState<'header' | 'client'>('header');
  const [method, setMethod] = useState<string>();
  const [adopt, setAdopt] = useState<string | null>(null);
  const [given, setGiven] = useState<Given>(EMPTY);
  const set = (field: Field, value: string): void => setGiven((former) => ({ ...former, [field]: value }));
  const provider_id = provider ?? providers[0]?.id;
  const shown: Field[] = shows === 'header' ? ['authorization_header'] : ['token_url', 'client_id', 'client_secret'];
  const needed: Field[] = [
    'name',
    'issuer',
    ...(by === 'push' ? [] : shown),
    ...(by === 'poll' ? (['audience', 'endpoint_url'] as const) : []),
  ];
  const discover = useSend(() =>
    call('POST /api/signals/v1/sources/discover', { body: { issuer: given.issuer.trim() } }),
  );
  const found = discover.data?.issuer === given.issuer.trim() ? discover.data : undefined;
  const chosen = method ?? found?.delivery_methods[0];
  const { authorization_header, token_url, client_id, client_secret, scope } = given;
  const credentials =
    shows === 'header'
      ? { authorization_header }
      : { token_url: token_url.trim(), client_id, client_secret, ...(scope.trim() && { scope: scope.trim() }) };
  const add = useSend(
    () =>
      call('POST /api/signals/v1/sources', {
        body: {
          name: given.name.trim(),
          issuer: given.issuer.trim(),
          provider_id: provider_id!,
          ...(by === 'connect' && {
            stream: { method: chosen as 'push' | 'poll', ...credentials, ...(adopt !== null && { adopt }) },
          }),
          ...(by === 'poll' && {
            audience: given.audience.trim(),
            poll: { endpoint_url: given.endpoint_url.trim(), ...credentials },
          }),
        },
      }),
    [SOURCES],
  );
  const problem = add.error instanceof ApiProblem ? add.error : undefined;
  const saidOf = (field: Field): string | undefined =>
    problem?.field(field) ?? problem?.field(`poll.${field}`) ?? problem?.field(`stream.${field}`);
  const fieldOf = (field: Field, label: string, description?: string) => ({
    label,
    description,
    value: given[field],
    onChange: ({ currentTarget: { value } }: { currentTarget: { value: string } }) => set(field, value),
    error: saidOf(field),
    required: needed.includes(field),
  });
  const there =
    problem?.code === 'stream_exists'
      ? (problem.problem['streams'] as { stream_id: string; description: string | null }[])
      : [];
  if (add.data) return <Added source={add.data} close={close} />;
  return (
    <Ask
      title="Add a source"
      button={by === 'connect' ? (adopt === null ? 'Connect' : 'Adopt it') : 'Add it'}
      send={add}
      whenDone={() => undefined}
      isFinal={false}
      size="lg"
      isIncomplete={
        provider_id === undefined ||
        needed.some((field) => given[field].trim() === '') ||
        (by === 'connect' && (!found || chosen === undefined))
      }
      error={needed.some(saidOf) ? null : add.error}
      close={close}
    >
      <SegmentedControl
        aria-label="How it is heard"
        data={HOW}
        value={by}
        onChange={(value) => setBy(value as typeof by)}
      />
      <TextInput {...fieldOf('name', 'Name')} data-autofocus />
      <TextInput {...fieldOf('issuer', 'Issuer', 'iss of what it says; its keys are found by it.')} />
      <OfProvider providers={providers} id={provider_id} setId={setProvider} />
      {by === 'connect' && (
        <>
          <Group>
            <Button
              variant="default"
              loading={discover.isPending}
              disabled={given.issuer.trim() === ''}
              onClick={() =>
                discover.mutate(undefined, {
                  onSuccess: (answer) => {
                    if (answer.token_url === null) return;
                    setShows('client');
                    set('token_url', answer.token_url);
                    set('scope', answer.scope ?? '');
                  },
                })
              }
            >
              Discover
            </Button>
          </Group>
          <Refusal error={discover.error} />
          {found && <Found found={found} chosen={chosen} choose={setMethod} />}
        </>
      )}
      {by === 'poll' && (
        <>
          <Text size="sm" c="dimmed">
            Make a stream there that is polled (RFC 8936), and give here what it answers.
          </Text>
          <TextInput {...fieldOf('audience', 'Audience', 'aud of the stream.')} />
          <TextInput {...fieldOf('endpoint_url', 'Endpoint', 'endpoint_url of its delivery.')} />
        </>
      )}
      {(by === 'poll' || (by === 'connect' && found)) && (
        <>
          <SegmentedControl
            aria-label="What it is shown"
            data={[
              { value: 'header', label: 'A header as it is' },
              { value: 'client', label: 'A token for a client' },
            ]}
            value={shows}
            onChange={(value) => setShows(value as typeof shows)}
          />
          {shows === 'header' ? (
            <PasswordInput {...fieldOf('authorization_header', 'Authorization', 'The whole header: Bearer …')} />
          ) : (
            <>
              <TextInput {...fieldOf('token_url', 'Token endpoint')} />
              <TextInput {...fieldOf('client_id', 'Client')} />
              <PasswordInput {...fieldOf('client_secret', 'Its secret')} />
              <TextInput {...fieldOf('scope', 'Scope', 'Left empty: as its token endpoint has it.')} />
            </>
          )}
        </>
      )}
      {there.length > 0 && (
        <Select
          label="The stream that is there"
          description="It is changed to what is wanted here; whoever heard it until now hears no more."
          data={there.map(({ stream_id, description }) => ({ value: stream_id, label: description ?? stream_id }))}
          value={adopt}
          onChange={setAdopt}
          clearable
        />
      )}
    </Ask>
  );
}

/** What a transmitter says of itself, and which way is chosen. */
function Found({
  found,
  chosen,
  choose,
}: {
  found: FoundTransmitter;
  chosen: string | undefined;
  choose: (method: string) => void;
}) {
  const { delivery_methods, verification_endpoint, default_subjects, events_requested } = found;
  return (
    <>
      {delivery_methods.length === 0 ? (
        <Alert color="orange">It can neither push nor be polled.</Alert>
      ) : (
        <SegmentedControl
          aria-label="Delivery"
          data={delivery_methods.map((value) => ({ value, label: value === 'push' ? 'Pushed' : 'Polled' }))}
          value={chosen ?? ''}
          onChange={choose}
        />
      )}
      <Text size="sm" c="dimmed">
        It is asked for {events_requested.map((type) => EVENT_NAMES.exec(type)?.[0]).join(', ')}.
        {verification_endpoint === null && ' It cannot be asked for a verification.'}
      </Text>
      {default_subjects === 'NONE' && (
        <Alert color="orange" icon={<Icon name="alert" />}>
          It tells of nobody until subjects are added to the stream there.
        </Alert>
      )}
    </>
  );
}

function Added({ source, close }: { source: Source & { push_token?: string }; close: () => void }) {
  return source.stream ? (
    <Done title={`${source.name} is connected`} close={close}>
      <Text size="sm">
        A verification has been asked for; whether it came stands in the list. What it delivers:{' '}
        {source.stream.events_delivered?.map((type) => EVENT_NAMES.exec(type)?.[0]).join(', ') ?? 'it does not say'}.
      </Text>
    </Done>
  ) : source.push_url === null ? (
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
  if (remove.data) {
    return (
      <Done title={`${source.name} is removed, its stream may not be`} close={close}>
        <Text size="sm">{remove.data.stream_left}</Text>
        <Text size="sm">
          Delete it there{remove.data.stream_id !== null && <> (stream_id {remove.data.stream_id})</>}: nothing hears it
          any more.
        </Text>
      </Done>
    );
  }
  return (
    <Ask
      title={`Take nothing more from ${source.name}`}
      button="Remove"
      send={remove}
      whenDone={(answer) => {
        if (!answer) close();
      }}
      close={close}
    >
      <Text size="sm">
        What it has ended stays ended. What it says from now on is not heard.
        {source.stream && ' Its stream is deleted there.'}
      </Text>
    </Ask>
  );
}

/** How the stream that we have made stands, asked of its transmitter, and whether a verification comes back. */
function Verify({ source, close }: { source: Source; close: () => void }) {
  const status = useGet('GET /api/signals/v1/sources/{id}/stream', { path: { id: source.id } });
  const ask = useSend(
    () => call('POST /api/signals/v1/sources/{id}/verification', { path: { id: source.id } }),
    [SOURCES],
  );
  // As it is now: the list is read anew meanwhile.
  const { stream } = source;
  return (
    <Ask
      title={`The stream of ${source.name}`}
      button="Ask for verification"
      send={ask}
      whenDone={() => undefined}
      isFinal={false}
      close={close}
    >
      <Answered query={status}>
        {({ status: now, reason }) => (
          <Text size="sm" component="div">
            Its transmitter says: <Status of={now} /> {reason}
          </Text>
        )}
      </Answered>
      <Text size="sm" component="div" role="status">
        {stream && wordsOfVerification(stream)}
      </Text>
    </Ask>
  );
}

function wordsOfVerification({ asked_at, answered_at, ask_error }: NonNullable<Source['stream']>) {
  if (ask_error !== null) return `A verification could not be asked for: ${ask_error}`;
  if (answered_at !== null) {
    return (
      <>
        The last verification came back <When at={answered_at} />.
      </>
    );
  }
  if (asked_at === null) return 'No verification was asked for yet.';
  return (
    <>
      A verification was asked for <When at={asked_at} />, and has not come back yet.
    </>
  );
}
