import { useEffect, useMemo, useState } from 'preact/hooks';
import { call, enc, get } from '../api';
import { Calls } from '../charts';
import { useLoad } from '../load';
import { go, href, remember, route } from '../router';
import { Bulk, forEach, Table, type Column, type Sort } from '../table';
import { Button, Empty, everywhere, Field, Link, Logo, mayEdit, Page, State, Tag, Trouble, notice, sure } from '../ui';
import type { Connector, List, Usage } from '../types';
import { categoryName, count, typeName } from '../words';
import { everyConnector } from './connect';

export const mayMake = () => mayEdit() && everywhere();

export function Connectors() {
  const asked = route.value.search;
  const [q, setQ] = useState(asked.get('q') || '');
  const [category, setCategory] = useState(asked.get('category') || '');
  const [only, setOnly] = useState(asked.get('only') || '');
  const [sort, setSort] = useState<Sort>({ column: asked.get('sort') || (asked.get('q') ? '' : 'Connector'), down: asked.get('down') === '1' });
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [done, setDone] = useState('');
  useEffect(() => { remember({ q, category, only, sort: sort.column === 'Connector' ? '' : sort.column, down: sort.down ? '1' : '' }); }, [q, category, only, sort]);
  const all = useLoad(`all ${q.trim()}`, (s) => everyConnector(q.trim(), s));
  const [last, setLast] = useState<Connector[]>([]);
  useEffect(() => { if (all.data) setLast(all.data.items); }, [all.data]);
  const used = useLoad('used', (s) => get<List<Usage>>('/usage?kind=connector&days=14', s));
  const usage = useMemo(() => new Map((used.data?.items || []).map((u) => [u.id, u])), [used.data]);
  const items = last.filter((c) => (!category || (c.category || '') === category) && (!only || (only === 'used' ? Boolean(usage.get(c.key)?.accounts) : only === 'yours' ? c.custom : !c.active || c.state === 'error')));
  const categories = [...new Set(last.map((c) => c.category || ''))].filter(Boolean).sort();
  const columns: Column<Connector>[] = [
    { name: 'Connector', main: true, by: (c) => c.title.toLowerCase(), cell: (c) => <a class="named" href={href('connectors', c.key)}><Logo id={c.key} /><span class="two"><b class="clip" dir="auto">{c.title}</b><span class="soft mono clip">{c.key}</span></span>{c.state !== 'active' ? <State of={c.state} /> : c.custom ? <Tag>yours</Tag> : null}</a> },
    { name: 'Category', w: 178, by: (c) => c.category || '', cell: (c) => <span class="clip">{categoryName(c.category || '')}</span> },
    { name: 'Way', w: 184, by: (c) => c.type, cell: (c) => <span class="clip">{typeName(c.type)}</span> },
    { name: 'Accounts', w: 120, num: true, by: (c) => usage.get(c.key)?.accounts || 0, cell: (c) => <span>{count(usage.get(c.key)?.accounts || 0)}{usage.get(c.key)?.failing ? <span class="badtext"> · {usage.get(c.key)!.failing} failing</span> : null}</span> },
    { name: 'Calls, 14 days', w: 164, phone: false, by: (c) => usage.get(c.key)?.calls || 0, cell: (c) => <Calls u={usage.get(c.key)} /> },
  ];
  const mine = [...chosen].filter((k) => last.find((c) => c.key === k)?.custom);
  const act = (name: string, work: (id: string) => Promise<unknown>) => async () => {
    const failed = await forEach(mine, work, (n) => setDone(`${name}: ${n} of ${mine.length}`));
    setDone(failed.length ? `${name} failed for ${failed.length} of ${mine.length}. ${failed[0][1].message}` : '');
    if (!failed.length) notice(`${name}: done.`);
    setChosen(new Set(failed.map(([id]) => id)));
    await all.reload();
  };
  return (
    <Page title="Connectors" lead="What services look like: where credentials may go, and how they are placed." actions={mayMake() && <Link kind="main" href={href('connectors', 'new')}>New connector</Link>}>
      <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <div class="field grow"><label for="q">Search</label><input id="q" type="search" value={q} placeholder="Name, host" autocomplete="off" spellcheck={false} onInput={(e) => { setQ(e.currentTarget.value); setSort(e.currentTarget.value ? { column: '', down: false } : { column: 'Connector', down: false }); }} /></div>
        <Field label="Category" value={category} set={setCategory} options={[['', 'Any'], ...categories.map((c): [string, string] => [c, categoryName(c)])]} />
        <Field label="Show" value={only} set={setOnly} options={[['', 'All'], ['used', 'With accounts'], ['yours', 'Your own'], ['off', 'Off or failed']]} />
      </form>
      {mayMake() && (
        <Bulk n={chosen.size} clear={() => setChosen(new Set())}>
          {mine.length < chosen.size && <span class="soft">{mine.length} of them are your own; built-in ones stay as they are.</span>}
          <Button small disabled={!mine.length} onClick={act('Switching on', (k) => call('PATCH', `/connectors/${enc(k)}`, { active: true }))}>Switch on</Button>
          <Button small disabled={!mine.length} onClick={act('Switching off', (k) => call('PATCH', `/connectors/${enc(k)}`, { active: false }))}>Switch off</Button>
          <Button small kind="danger" disabled={!mine.length} onClick={() => sure(`Delete ${mine.length} connectors?`, 'With the accounts that their forms made.', 'Delete', act('Deleting', (k) => call('DELETE', `/connectors/${enc(k)}`)))}>Delete</Button>
        </Bulk>
      )}
      {done && <p class="note" role="status">{done}</p>}
      <Trouble error={all.error} again={all.reload} what="The list of connectors" />
      {(all.data || last.length > 0 || !all.error) && <Table rows={{ items, complete: true, loading: !all.data && !last.length, more: () => {}, reload: all.reload, change: () => {} }} columns={columns} id={(c) => c.key} caption="Connectors" sort={sort} onSort={setSort}
        selected={mayMake() ? chosen : undefined} onSelect={setChosen} pick={(c) => go('connectors', c.key)} tall empty={all.data ? <Empty title={q ? `No connector is called “${q}”.` : 'No connector fits.'} /> : null} />}
    </Page>
  );
}
