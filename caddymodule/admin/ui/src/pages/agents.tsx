import { useEffect, useState } from 'preact/hooks';
import { call, create, enc, query } from '../api';
import { Calls } from '../charts';
import { Commands } from '../commands';
import { useList } from '../load';
import { go, href, remember, route } from '../router';
import { Bulk, forEach, Table, type Column, type Sort } from '../table';
import { Button, Empty, everywhere, Field, Fold, Form, mayEdit, notice, Once, Page, Section, State, sure, Time } from '../ui';
import type { Agent } from '../types';
import { useUsage } from '../usage';
import { count } from '../words';

export function Agents() {
  const asked = route.value.search;
  const [q, setQ] = useState(asked.get('q') || '');
  const [organisation, setOrganisation] = useState(asked.get('organisation') || '');
  const [sort, setSort] = useState<Sort>({ column: asked.get('sort') || 'Created', down: asked.get('down') !== '0' });
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [done, setDone] = useState('');
  const [made, setMade] = useState<(Agent & { token: string }) | null>(null);
  useEffect(() => { remember({ q, organisation, sort: sort.column === 'Created' ? '' : sort.column, down: sort.down ? '' : '0' }); }, [q, organisation, sort]);
  const rows = useList<Agent>(`/agents${query({ q: q.trim(), organisation: organisation.trim(), sort: (sort.down ? '-' : '') + (sort.column === 'Name' ? 'name' : 'created') })}`);
  const usage = useUsage('agent', rows.items.map((a) => a.id));
  const columns: Column<Agent>[] = [
    { name: 'Name', main: true, by: (a) => a.name.toLowerCase(), server: 'name', cell: (a) => <a class="clip" href={href('agents', a.id)} dir="auto" title={a.name}>{a.name}</a> },
    { name: 'State', w: 110, by: (a) => String(a.disabled), cell: (a) => <State of={a.disabled ? 'suspended' : 'active'} /> },
    { name: 'Organisation', w: 130, by: (a) => a.organisation, cell: (a) => <span class="clip" dir="auto">{a.organisation}</span> },
    { name: 'May use', w: 96, num: true, by: (a) => usage.get(a.id)?.grants || 0, cell: (a) => (a.read_only ? <span class="soft">in the file</span> : `${count(usage.get(a.id)?.grants || 0)}`) },
    { name: 'Calls, 14 days', w: 164, phone: false, by: (a) => usage.get(a.id)?.calls || 0, cell: (a) => <Calls u={usage.get(a.id)} /> },
    { name: 'Failed', w: 84, num: true, phone: false, by: (a) => usage.get(a.id)?.errors || 0, cell: (a) => count(usage.get(a.id)?.errors || 0) },
    { name: 'Created', w: 124, by: (a) => a.created_at || '', server: 'created', cell: (a) => (a.read_only ? <span class="soft">in the file</span> : <Time at={a.created_at} />) },
  ];
  const act = (name: string, past: string, work: (id: string) => Promise<unknown>) => async () => {
    const ids = [...chosen].filter((id) => !id.startsWith('file:'));
    const failed = await forEach(ids, work, (n) => setDone(`${name}: ${n} of ${ids.length}`));
    setDone(failed.length ? `${name} failed for ${failed.length} of ${ids.length}. ${failed[0][1].message}` : '');
    if (!failed.length) notice(`${count(ids.length)} ${past}.`);
    setChosen(new Set(failed.map(([id]) => id)));
    rows.reload();
  };
  return (
    <Page title="Agents" lead="Whoever calls through the proxy: each has a token, and may use what it was given.">
      {made && <Once title={`Token of ${made.name}`} secret={made.token} done={() => go('agents', made.id)}><Fold title="How the agent calls" open><Commands agent={made.name} token={made.token} /></Fold></Once>}
      {mayEdit() && !made && <NewAgent done={(made) => { setMade(made); rows.reload(); }} />}
      <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <div class="field grow"><label for="q">Search</label><input id="q" type="search" value={q} placeholder="Name" autocomplete="off" onInput={(e) => setQ(e.currentTarget.value)} /></div>
        {everywhere() && <Field label="Organisation" value={organisation} set={setOrganisation} placeholder="any" />}
      </form>
      {mayEdit() && (
        <Bulk n={chosen.size} clear={() => setChosen(new Set())}>
          <Button small onClick={act('Pausing', 'paused', (id) => call('PATCH', `/agents/${enc(id)}`, { disabled: true }))}>Pause</Button>
          <Button small onClick={act('Resuming', 'resumed', (id) => call('PATCH', `/agents/${enc(id)}`, { disabled: false }))}>Resume</Button>
          <Button small kind="danger" onClick={() => sure(`Delete ${chosen.size} agents?`, 'With their tokens and grants.', 'Delete', act('Deleting', 'deleted', (id) => call('DELETE', `/agents/${enc(id)}`)))}>Delete</Button>
        </Bulk>
      )}
      {done && <p class="note" role="status">{done}</p>}
      <Table rows={rows} columns={columns} id={(a) => a.id} caption="Agents" sort={sort} onSort={setSort} selected={mayEdit() ? chosen : undefined} onSelect={setChosen} pick={(a) => go('agents', a.id)}
        empty={<Empty title={q || organisation ? 'No agent fits.' : 'No agents yet.'}>{!q && 'Create the first above.'}</Empty>} />
    </Page>
  );
}

function NewAgent({ done }: { done: (made: Agent & { token: string }) => void }) {
  const [name, set] = useState('');
  return (
    <Section title="Create an agent">
      <Form inline yes="Create" names={['name']} send={async () => { const made = await create('/agents', { name: name.trim() }); set(''); done(made); }}>
        {(w) => <Field label="New agent" name="name" value={name} set={set} required max={128} pattern="[^+:\/@ ]+" title="A name has no + : / @ and no spaces" placeholder="research" error={w.fields.name} />}
      </Form>
    </Section>
  );
}
