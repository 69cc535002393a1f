import { useState } from 'preact/hooks';
import { call, create, enc } from '../api';
import { useList } from '../load';
import { Table, type Column } from '../table';
import { Button, Empty, everywhere, Field, Form, Mono, notice, Once, Page, Section, sure, Time } from '../ui';
import type { AdminToken } from '../types';

const roles: [string, string][] = [['viewer', 'Viewer: may look'], ['operator', 'Operator: accounts, agents, access'], ['admin', 'Admin: everything']];

export function Tokens() {
  const rows = useList<AdminToken>('/tokens');
  const [made, setMade] = useState<AdminToken | null>(null);
  const [sort, setSort] = useState({ column: 'Name', down: false });
  const columns: Column<AdminToken>[] = [
    { name: 'Name', main: true, by: (t) => t.name, cell: (t) => <span class="clip" dir="auto">{t.name} <Mono>…{t.last4}</Mono></span> },
    { name: 'Role', w: 100, by: (t) => t.role, cell: (t) => t.role },
    { name: 'Organisation', w: 130, by: (t) => t.organisation, cell: (t) => (t.organisation === '*' ? 'every one' : <span class="clip" dir="auto">{t.organisation}</span>) },
    { name: 'Created', w: 124, by: (t) => t.created_at, cell: (t) => <Time at={t.created_at} /> },
    { name: 'Until', w: 124, by: (t) => t.expires_at || '', cell: (t) => <Time at={t.expires_at} none="no end" /> },
    { name: 'Actions', w: 90, cell: (t) => <Button small kind="danger" label={`Delete token ${t.name}`} onClick={() => sure(`Delete the token ${t.name}?`, 'Whoever uses it is signed out at once.', 'Delete', async () => { await call('DELETE', `/tokens/${enc(t.id)}`); notice('It is deleted.'); rows.reload(); })}>Delete</Button> },
  ];
  return (
    <Page title="Admin tokens" lead="They open this dashboard and the REST API. Agents have tokens of their own, which open neither.">
      {made?.token && <Once title={`Token ${made.name}`} secret={made.token} done={() => setMade(null)} />}
      <NewToken done={(t) => { setMade(t); rows.reload(); }} />
      <Table rows={rows} columns={columns} id={(t) => t.id} caption="Admin tokens" sort={sort} onSort={setSort} empty={<Empty title="None." />} />
    </Page>
  );
}

function NewToken({ done }: { done: (t: AdminToken) => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState('operator');
  const [organisation, setOrganisation] = useState('');
  const [until, setUntil] = useState('');
  return (
    <Section title="Create a token">
      <Form yes="Create" names={['name', 'role', 'organisation', 'expires_at']} send={async () => {
        const t = await create<AdminToken>('/tokens', { name: name.trim(), role, ...(organisation.trim() && { organisation: organisation.trim() }), ...(until && { expires_at: new Date(until).toISOString() }) });
        setName(''); setOrganisation(''); setUntil('');
        done(t);
      }}>
        {(w) => <>
          <Field label="Name" name="name" value={name} set={setName} required max={128} placeholder="what it is for" error={w.fields.name} />
          <Field label="Role" value={role} set={setRole} options={roles} />
          {everywhere() && <Field label="Organisation" name="organisation" value={organisation} set={setOrganisation} placeholder="every one" optional error={w.fields.organisation} />}
          <Field label="Until" name="expires_at" type="datetime-local" value={until} set={setUntil} optional error={w.fields.expires_at} />
        </>}
      </Form>
    </Section>
  );
}
