import { useEffect, useRef, useState } from 'preact/hooks';
import { download, follow, query } from '../api';
import { useList } from '../load';
import { href, remember, route } from '../router';
import { Table, type Column } from '../table';
import { Button, Check, cx, Empty, everywhere, Facts, Field, Fold, Mono, Page, Time } from '../ui';
import type { AuditEvent } from '../types';
import { bytes, exact, headline, kinds, millis } from '../words';

const names = ['kind', 'outcome', 'agent_id', 'account_id', 'connector', 'operation', 'actor', 'path', 'code', 'run_id', 'organisation', 'from', 'to'] as const;
const ranges: [string, string][] = [['', 'Any time'], ['1h', 'The last hour'], ['24h', 'The last 24 hours'], ['today', 'Today'], ['yesterday', 'Yesterday'], ['7d', 'The last 7 days'], ['own', 'From … to …']];

// bounds are the moments that a range stands for.
function bounds(range: string): { from?: string; to?: string } {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const before = (ms: number) => new Date(Math.floor((Date.now() - ms) / 60_000) * 60_000).toISOString();
  switch (range) {
    case '1h': return { from: before(3_600_000) };
    case '24h': return { from: before(86_400_000) };
    case '7d': return { from: before(7 * 86_400_000) };
    case 'today': return { from: midnight.toISOString() };
    case 'yesterday': { const y = new Date(midnight); y.setDate(y.getDate() - 1); return { from: y.toISOString(), to: midnight.toISOString() }; }
  }
  return {};
}

const limit = 5000; // lines that following keeps in the page

export function Audit() {
  const asked = route.value.search;
  const [filter, setFilter] = useState<Record<string, string>>(() => Object.fromEntries(names.map((n) => [n, asked.get(n) || ''])));
  const [range, setRange] = useState(asked.get('range') || (asked.get('from') || asked.get('to') ? 'own' : ''));
  const [open, setOpen] = useState(asked.get('open') || '');
  const [live, setLive] = useState(false);
  const [connected, setConnected] = useState(false);
  const [fresh, setFresh] = useState<AuditEvent[]>([]);
  const [at, setAt] = useState(() => bounds(range));
  useEffect(() => { remember({ ...filter, range: range === 'own' ? '' : range, open }); }, [filter, range, open]);
  const set = (name: string) => (v: string) => setFilter((old) => ({ ...old, [name]: v }));
  const own = (t: string) => { const d = new Date(t); return t && !Number.isNaN(d.getTime()) ? d.toISOString() : ''; };
  const { from, to, ...rest } = filter;
  const q = { ...Object.fromEntries(Object.entries(rest).map(([k, v]) => [k, v.trim()])), ...(range === 'own' ? { from: own(from), to: own(to) } : at) };
  const rows = useList<AuditEvent>(`/audit${query(q)}`, 100);
  const stream = query({ ...q, from: '', to: '' });
  useEffect(() => {
    setFresh([]);
    if (!live) return undefined;
    const stop = new AbortController();
    follow(`/events${stream}`, stop.signal, (e) => setFresh((old) => [e, ...old].slice(0, limit)), setConnected);
    return () => { stop.abort(); setConnected(false); };
  }, [live, stream]);
  const seen = new Set(fresh.map((e) => e.id));
  const items = [...fresh, ...rows.items.filter((e) => !seen.has(e.id))];
  const columns: Column<AuditEvent>[] = [
    { name: 'What', main: true, cell: (e) => <button type="button" class="plain named" aria-expanded={open === e.id} onClick={() => setOpen(open === e.id ? '' : e.id)}><span class={cx('dot', tone(e))} aria-hidden="true" /><span class={cx('clip', e.kind === 'use' && 'mono')} dir="auto" title={e.method ? `${e.method} ${e.host || ''}${e.path || ''}` : headline(e)}>{headline(e)}{e.kind !== 'use' && e.detail && <span class="soft"> · {e.detail}</span>}</span></button> },
    { name: 'Outcome', w: 136, cell: (e) => <Outcome e={e} /> },
    { name: 'Effect', w: 84, phone: false, cell: (e) => (e.effect && e.effect !== 'unknown' ? e.effect : '') },
    { name: 'Who', w: 130, cell: (e) => <span class="clip" dir="auto">{e.actor || e.agent_id || e.actor_kind || ''}</span> },
    { name: 'Connector', w: 130, cell: (e) => <span class="clip" dir="auto">{e.connector || ''}</span> },
    { name: 'Took', w: 84, num: true, phone: false, cell: (e) => (e.duration_ms ? millis(e.duration_ms) : '') },
    { name: 'When', w: 124, cell: (e) => <Time at={e.at} /> },
  ];
  const shown = items.find((e) => e.id === open);
  return (
    <Page title="Audit" lead="What happened, the newest first." actions={<>
      <Button onClick={() => download(`/audit/export${query({ ...q, format: 'csv' })}`, 'attache-audit.csv')}>Export CSV</Button>
      <Button onClick={() => download(`/audit/export${query({ ...q, format: 'jsonl' })}`, 'attache-audit.jsonl')}>Export JSONL</Button>
    </>}>
      <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <Field label="Kind" value={filter.kind} set={set('kind')} options={[['', 'Any'], ...Object.entries(kinds)]} />
        <Field label="Outcome" value={filter.outcome} set={set('outcome')} options={[['', 'Any'], ['ok', 'Succeeded'], ['failed', 'Failed'], ['refused', 'Refused by us']]} />
        <Field label="Who" value={filter.actor} set={set('actor')} placeholder="agent or person" />
        <Field label="Connector" value={filter.connector} set={set('connector')} placeholder="any" mono />
        <Field label="When" value={range} set={(r) => { setRange(r); setAt(bounds(r)); }} options={ranges} />
        <Fold title="More filters" open={Boolean(filter.operation || filter.path || filter.code || filter.agent_id || filter.account_id || filter.run_id || filter.organisation)}>
          <div class="filters">
            <Field label="Operation" value={filter.operation} set={set('operation')} placeholder="issues/create" mono hint="Its whole name." />
            <Field label="Request" value={filter.path} set={set('path')} placeholder="GET /v1/orders" mono hint="A method, the beginning of a path, or both." />
            <Field label="Code" value={filter.code} set={set('code')} placeholder="not_permitted" mono />
            <Field label="Agent’s id" value={filter.agent_id} set={set('agent_id')} placeholder="agt_…" mono />
            <Field label="Account’s id" value={filter.account_id} set={set('account_id')} placeholder="acc_…" mono />
            <Field label="Run’s id" value={filter.run_id} set={set('run_id')} placeholder="run_…" mono />
            {everywhere() && <Field label="Organisation" value={filter.organisation} set={set('organisation')} />}
          </div>
        </Fold>
        {range === 'own' && <><Field label="From" type="datetime-local" value={filter.from} set={set('from')} /><Field label="To" type="datetime-local" value={filter.to} set={set('to')} /></>}
      </form>
      <div class="livebar"><Check label="Follow" value={live} set={setLive} hint={live ? (connected ? ' what happens now appears at the top' : ' connecting…') : undefined} />{Object.values(filter).some(Boolean) || range ? <Button small onClick={() => { setFilter(Object.fromEntries(names.map((n) => [n, '']))); setRange(''); setAt({}); }}>Clear filters</Button> : null}</div>
      {shown && <Details e={shown} close={() => setOpen('')} only={(f) => setFilter((old) => ({ ...old, ...f }))} />}
      <Table rows={{ ...rows, items }} columns={columns} id={(e) => e.id} caption="Audit" pick={(e) => setOpen(e.id)} empty={<Empty title={rows.complete ? 'Nothing happened that fits.' : 'Nothing yet.'} />} />
    </Page>
  );
}

const failed = (e: AuditEvent) => (e.kind === 'use' && (!e.status || e.status >= 400)) || (e.kind === 'refresh' && e.code !== 'account.refreshed');
const tone = (e: AuditEvent) => (e.kind === 'refusal' ? 'warn' : failed(e) ? 'bad' : e.kind === 'use' ? 'good' : 'info');

function Outcome({ e }: { e: AuditEvent }) {
  if (e.kind === 'refusal') return <span class="state error">Refused{e.status ? ` ${e.status}` : ''}</span>;
  if (e.status) return <span class={cx('state', e.status < 400 ? 'active' : 'error')}>{e.status}</span>;
  if (failed(e)) return <span class="state error">Failed</span>;
  return <span class="soft">–</span>;
}

function Details({ e, close, only }: { e: AuditEvent; close: () => void; only: (f: Record<string, string>) => void }) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => { box.current?.focus(); box.current?.scrollIntoView({ block: 'nearest' }); }, [e.id]);
  return (
    <section ref={box} class="card detail" tabIndex={-1} aria-label="The event" onKeyDown={(k) => { if (k.key === 'Escape') close(); }}>
      <div class="cardhead"><h2 dir="auto">{headline(e)}</h2><Button small onClick={close}>Close</Button></div>
      {e.detail && <p dir="auto">{e.detail}</p>}
      <Facts of={[
        ['When', <>{exact(e.at)} (<Time at={e.at} />)</>], ['Outcome', <Outcome e={e} />], ['Code', e.code && <Mono>{e.code}</Mono>], ['Who', [e.actor, e.actor_kind].filter(Boolean).join(', ')],
        ['Agent', e.agent_id && <a href={href('agents', e.agent_id)}><Mono>{e.agent_id}</Mono></a>], ['Account', e.account_id && <a href={href('accounts', e.account_id)}><Mono>{e.account_id}</Mono></a>],
        ['Connector', e.connector && <a href={href('connectors', e.connector)}>{e.connector}</a>], ['Request', e.method && <Mono>{`${e.method} ${e.host || ''}${e.path || ''}`}</Mono>],
        ['Operation', e.operation && <Mono>{e.operation}</Mono>], ['Effect', e.effect], ['Resource', e.resource && <Mono>{e.resource}</Mono>],
        ['Took', e.duration_ms ? millis(e.duration_ms) : ''], ['Sent, received', (e.bytes_in || e.bytes_out) ? `${bytes(e.bytes_in || 0)}, ${bytes(e.bytes_out || 0)}` : ''],
        ['Run', e.run_id && <a href={href('runs', e.run_id)}><Mono>{e.run_id}</Mono></a>], ['Organisation', e.organisation], ['Id', <Mono>{e.id}</Mono>],
      ]} />
      <div class="actions">
        {e.agent_id && <Button small onClick={() => only({ agent_id: e.agent_id! })}>Only this agent</Button>}
        {e.account_id && <Button small onClick={() => only({ account_id: e.account_id! })}>Only this account</Button>}
        {e.operation && <Button small onClick={() => only({ operation: e.operation! })}>Only this operation</Button>}
        {e.code && <Button small onClick={() => only({ code: e.code! })}>Only this code</Button>}
      </div>
    </section>
  );
}
