import { useState } from 'preact/hooks';
import { enc } from '../api';
import { useList } from '../load';
import { href } from '../router';
import { Table, type Column } from '../table';
import { Empty, Page } from '../ui';
import type { Organisation } from '../types';
import { count, percent } from '../words';

export function Organisations() {
  const rows = useList<Organisation>('/organisations', 500);
  const [sort, setSort] = useState({ column: 'Name', down: false });
  const columns: Column<Organisation>[] = [
    { name: 'Name', main: true, by: (o) => o.name, cell: (o) => <span class="clip" dir="auto">{o.name}</span> },
    { name: 'Accounts', w: 110, num: true, by: (o) => o.accounts, cell: (o) => <a href={`${href('accounts')}?organisation=${enc(o.name)}`} aria-label={`${count(o.accounts)} accounts of ${o.name}`}>{count(o.accounts)}</a> },
    { name: 'Agents', w: 100, num: true, by: (o) => o.agents, cell: (o) => <a href={`${href('agents')}?organisation=${enc(o.name)}`} aria-label={`${count(o.agents)} agents of ${o.name}`}>{count(o.agents)}</a> },
    { name: 'Calls, 24 hours', w: 140, num: true, by: (o) => o.calls, cell: (o) => <a href={`${href('audit')}?organisation=${enc(o.name)}`} aria-label={`${count(o.calls)} calls of ${o.name}`}>{count(o.calls)}</a> },
    { name: 'Failed', w: 100, num: true, by: (o) => (o.calls ? o.errors / o.calls : 0), cell: (o) => percent(o.errors, o.calls) },
  ];
  return (
    <Page title="Organisations" lead="Each has accounts, agents, connectors and limits of its own. One comes to be with its first account, agent or token.">
      <Table rows={rows} columns={columns} id={(o) => o.name} caption="Organisations" sort={sort} onSort={setSort} empty={<Empty title="None yet." />} />
    </Page>
  );
}
