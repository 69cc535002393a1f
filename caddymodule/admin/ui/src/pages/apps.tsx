import { useState } from 'preact/hooks';
import { call, create, enc, get, query } from '../api';
import { useList, useLoad } from '../load';
import { href } from '../router';
import { Table, type Column } from '../table';
import { alarm, Button, Command, Empty, Field, Form, mayEdit, Mono, notice, Page, Section, Show, State, sure, Time } from '../ui';
import type { App, List } from '../types';

const whose = (a: App) => (a.mode === 'managed' ? 'everybody’s' : a.organisation);

export function Apps() {
  const rows = useList<App>('/apps');
  const columns: Column<App>[] = [
    { name: 'Connector', w: 140, main: true, by: (a) => a.connector, cell: (a) => <a class="clip" href={href('connectors', a.connector)}>{a.connector}</a> },
    { name: 'Name', w: 120, by: (a) => a.name, cell: (a) => <span class="clip" dir="auto">{a.name}</span> },
    { name: 'Client ID', cell: (a) => <span class="mono clip" title={a.client_id}>{a.client_id}</span> },
    { name: 'Whose', w: 170, by: whose, cell: (a) => <span class="clip" dir="auto">{whose(a)}</span> },
    { name: 'State', w: 90, by: (a) => String(a.active), cell: (a) => <State of={a.active ? 'active' : 'inactive'} /> },
    { name: 'Created', w: 124, by: (a) => a.created_at, phone: false, cell: (a) => <Time at={a.created_at} /> },
    ...(mayEdit() ? [{ name: 'Actions', w: 206, cell: (a: App) => <AppActions a={a} again={async () => rows.reload()} /> }] : []),
  ];
  const [sort, setSort] = useState({ column: 'Connector', down: false });
  return (
    <Page title="OAuth apps" lead="The clients by which people sign in at services. One is stored on its connector’s page.">
      <Table rows={rows} columns={columns} id={(a) => a.id} caption="OAuth apps" sort={sort} onSort={setSort} empty={<Empty title="No OAuth app is stored yet."><a href={`${href('connectors')}`}>Open a connector to store one.</a></Empty>} />
    </Page>
  );
}

function AppActions({ a, again }: { a: App; again: () => Promise<void> }) {
  return (
    <div class="actions">
      <Button small onClick={async () => { await call('PATCH', `/apps/${enc(a.id)}`, { active: !a.active }); await again(); }} label={`${a.active ? 'Switch off' : 'Switch on'} ${a.connector} ${a.name}`}>{a.active ? 'Switch off' : 'Switch on'}</Button>
      <Button small kind="danger" label={`Delete ${a.connector} ${a.name}`} onClick={() => sure('Delete this client?', 'Accounts that were connected through it keep it from being deleted.', 'Delete', async () => { await call('DELETE', `/apps/${enc(a.id)}`); await again(); })}>Delete</Button>
    </div>
  );
}

type Mode = { mode: string; app_id?: string; redirect_uri: string; hosts: string[]; open_hosts: string[] };
const modes: [string, string][] = [['auto', 'the organisation’s own, else the operator’s'], ['managed', 'the operator’s'], ['own', 'the organisation’s own']];

// ConnectorApps are the OAuth clients of a connector: where to register them, which
// are used, and a form to store one.
export function ConnectorApps({ connector }: { connector: string }) {
  const path = `/connectors/${enc(connector)}/app-mode`;
  const d = useLoad(`apps ${connector}`, async (s) => {
    const [mode, list] = await Promise.all([get<Mode>(path, s), get<List<App>>(`/apps${query({ connector, limit: 100 })}`, s)]);
    return { mode, list };
  });
  return (
    <Section title="OAuth apps">
      <Show of={d}>{({ mode, list }) => <>
        <p>Register a client at the service with this redirect URI:</p><Command text={mode.redirect_uri} label="Redirect URI" />
        {mayEdit() && <Field label="Accounts are connected through" value={mode.mode} options={modes} set={(m) => { call('PUT', path, { mode: m }).then(() => { notice('It holds for accounts that are connected from now on.'); return d.reload(); }, alarm); }} />}
        {list.items.length ? <ul class="lines">{list.items.map((a) => (
          <li key={a.id}><span class="grow" dir="auto"><b>{a.name}{a.id === mode.app_id ? ' (used for new accounts)' : ''}{a.active ? '' : ' (off)'}</b> <Mono>{a.client_id || ''}</Mono><span class="soft block">{whose(a)} · proves itself to {a.hosts.join(', ')}</span></span>{mayEdit() && <AppActions a={a} again={d.reload} />}</li>))}</ul> : <Empty title="None is stored yet." />}
        {mayEdit() && <NewApp connector={connector} mode={mode} again={d.reload} />}
      </>}</Show>
    </Section>
  );
}

function NewApp({ connector, mode, again }: { connector: string; mode: Mode; again: () => Promise<void> }) {
  const [id, setID] = useState('');
  const [secret, setSecret] = useState('');
  const [kind, setKind] = useState('managed');
  const [name, setName] = useState('');
  const [hosts, setHosts] = useState(mode.hosts.join(' '));
  return (
    <Form yes="Store" names={['client_id', 'hosts', 'name', 'secrets']} send={async () => {
      await create('/apps', { connector, mode: kind, client_id: id.trim(), ...(name && { name }), ...(hosts.trim() && { hosts: hosts.trim().split(/[\s,]+/) }), ...(secret && { secrets: { client_secret: secret } }) });
      notice('It is stored; its secret is not shown again.');
      setID(''); setSecret(''); setName('');
      await again();
    }}>
      {(w) => <>
        <h3>Store a client</h3>
        <Field label="Client ID" name="client_id" value={id} set={setID} required mono error={w.fields.client_id} />
        <Field label="Client secret" name="secrets" type="password" value={secret} set={setSecret} optional error={w.fields.secrets} />
        <Field label="It is sent to these hosts, and nowhere else" name="hosts" value={hosts} set={setHosts} required={mode.open_hosts.length > 0} placeholder="login.example.com" mono error={w.fields.hosts} />
        <Field label="Whose" value={kind} set={setKind} options={[['managed', 'the operator’s, for everybody'], ['own', 'of one organisation']]} />
        <Field label="Name" name="name" value={name} set={setName} placeholder="default" max={128} optional error={w.fields.name} />
      </>}
    </Form>
  );
}
