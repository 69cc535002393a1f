import { useEffect, useState } from 'preact/hooks';
import { call, create, enc, query } from '../api';
import { Calls } from '../charts';
import { useList } from '../load';
import { go, href, remember, route } from '../router';
import { Bulk, forEach, Table, type Column, type Sort } from '../table';
import { Button, Empty, everywhere, Field, Link, Logo, mayEdit, notice, Page, State, sure, Time } from '../ui';
import type { Account } from '../types';
import { useUsage } from '../usage';
import { count, states } from '../words';

export const owner = (a: { identifier?: string; organisation: string }) => (a.identifier && a.identifier !== a.organisation ? `${a.identifier} (${a.organisation})` : a.organisation);

export function Accounts() {
  const asked = route.value.search;
  const [q, setQ] = useState(asked.get('q') || '');
  const [state, setState] = useState(asked.get('state') || '');
  const [connector, setConnector] = useState(asked.get('connector') || '');
  const [organisation, setOrganisation] = useState(asked.get('organisation') || '');
  const [sort, setSort] = useState<Sort>({ column: asked.get('sort') || 'Created', down: asked.get('down') !== '0' });
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [done, setDone] = useState('');
  useEffect(() => { remember({ q, state, connector, organisation, sort: sort.column === 'Created' ? '' : sort.column, down: sort.down ? '' : '0' }); }, [q, state, connector, organisation, sort]);
  const order = sort.column === 'Name' ? 'name' : 'created';
  const rows = useList<Account>(`/accounts${query({ q: q.trim(), state, connector: connector.trim(), organisation: organisation.trim(), sort: (sort.down ? '-' : '') + order })}`);
  const usage = useUsage('account', rows.items.map((a) => a.id));
  useEffect(() => { setChosen(new Set()); }, [q, state, connector, organisation]);

  const columns: Column<Account>[] = [
    { name: 'Name', main: true, by: (a) => a.name.toLowerCase(), server: 'name', cell: (a) => <a class="named" href={href('accounts', a.id)} title={a.name}><Logo id={a.connector} /><span class="two"><b class="clip" dir="auto">{a.name}</b><span class="soft clip" dir="auto">{[a.connector, a.provider?.label || a.provider?.email].filter(Boolean).join(' · ')}</span></span></a> },
    { name: 'Owner', w: 130, by: owner, cell: (a) => <span class="clip" dir="auto" title={owner(a)}>{owner(a)}</span> },
    { name: 'State', w: 124, by: (a) => a.state, cell: (a) => <State of={a.state} /> },
    { name: 'Calls, 14 days', w: 164, phone: false, by: (a) => usage.get(a.id)?.calls || 0, cell: (a) => <Calls u={usage.get(a.id)} /> },
    { name: 'Agents', w: 84, num: true, phone: false, by: (a) => usage.get(a.id)?.grants || 0, cell: (a) => count(usage.get(a.id)?.grants || 0) },
    { name: 'Last used', w: 124, by: (a) => a.last_used_at || '', cell: (a) => <Time at={a.last_used_at} /> },
    { name: 'Created', w: 124, by: (a) => a.created_at || '', server: 'created', phone: false, cell: (a) => (a.read_only ? <span class="soft">in the file</span> : <Time at={a.created_at} />) },
  ];
  const act = (name: string, past: string, work: (id: string) => Promise<unknown>) => async () => {
    const ids = [...chosen].filter((id) => !id.startsWith('file:'));
    const failed = await forEach(ids, work, (n) => setDone(`${name}: ${n} of ${ids.length}`));
    setDone(failed.length ? `${name} failed for ${failed.length} of ${ids.length}. ${failed[0][1].message}` : '');
    if (!failed.length) notice(`${count(ids.length)} ${past}.`);
    setChosen(new Set(failed.map(([id]) => id)));
    rows.reload();
  };
  const post = (action: string) => (id: string) => create(`/accounts/${enc(id)}/${action}`, undefined);
  return (
    <Page title="Accounts" lead="Each is somebody’s connection to a service." actions={mayEdit() && <Link kind="main" href={href('connect')}>Connect an account</Link>}>
      <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <div class="field grow"><label for="q">Search</label><input id="q" type="search" value={q} placeholder="Name, owner, e-mail" autocomplete="off" onInput={(e) => setQ(e.currentTarget.value)} /></div>
        <Field label="State" value={state} set={setState} options={[['', 'Any'], ...(state.includes(',') ? [[state, 'Expired or failed'] as [string, string]] : []), ...['active', 'pending', 'expired', 'error', 'suspended', 'revoked'].map((s): [string, string] => [s, states[s]])]} />
        <Field label="Connector" value={connector} set={setConnector} placeholder="any" mono />
        {everywhere() && <Field label="Organisation" value={organisation} set={setOrganisation} placeholder="any" />}
      </form>
      {mayEdit() && (
        <Bulk n={chosen.size} clear={() => setChosen(new Set())}>
          <Button small onClick={act('Testing', 'tested', post('test'))}>Test</Button>
          <Button small onClick={act('Refreshing', 'refreshed', post('refresh'))}>Refresh</Button>
          <Button small onClick={act('Pausing', 'paused', post('suspend'))}>Pause</Button>
          <Button small onClick={act('Resuming', 'resumed', post('resume'))}>Resume</Button>
          <Button small kind="danger" onClick={() => sure(`Delete ${chosen.size} accounts?`, 'With their grants and usage. Their tokens are taken back at the service.', 'Delete', act('Deleting', 'deleted', (id) => call('DELETE', `/accounts/${enc(id)}`)))}>Delete</Button>
        </Bulk>
      )}
      {done && <p class="note" role="status">{done}</p>}
      <Table rows={rows} columns={columns} id={(a) => a.id} caption="Accounts" sort={sort} onSort={setSort} selected={mayEdit() ? chosen : undefined} onSelect={setChosen} pick={(a) => go('accounts', a.id)} tall
        empty={<Empty title={q || state || connector || organisation ? 'No account fits.' : 'No accounts yet.'}>{mayEdit() && !q && !state && <Link kind="main" href={href('connect')}>Connect a service</Link>}</Empty>} />
    </Page>
  );
}
