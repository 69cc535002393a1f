import { call, enc, get, query } from '../api';
import { Bars } from '../charts';
import { useLoad } from '../load';
import { go, href } from '../router';
import { Button, Empty, Facts, Link, Logo, mayEdit, Mono, Page, Section, Show, State, sure, Tag } from '../ui';
import type { Account, Connector, List, Metadata, Usage } from '../types';
import { count, percent, scopeWords, typeName } from '../words';
import { Timeline } from './account';
import { owner } from './accounts';
import { ConnectorApps } from './apps';
import { ConnectorForm } from './connectorform';
import { mayMake } from './connectors';

export function ConnectorPage({ id, edit }: { id: string; edit: boolean }) {
  const c = useLoad<Connector>(`connector ${id}`, (s) => get(`/connectors/${enc(id)}`, s));
  const d = c.data;
  if (edit && d) return <Page title={`Edit ${d.title}`} back={[href('connectors', id), d.title]}><ConnectorForm c={d} done={async () => { await c.reload(); go('connectors', id); }} /></Page>;
  return (
    <Page title={d?.title || 'Connector'} back={[href('connectors'), 'Connectors']} lead={d && <span class="with"><Logo id={d.key} />{d.state !== 'active' && <State of={d.state} />}<span dir="auto">{d.description || d.hosts.slice(0, 2).join(', ')}</span></span>}
      actions={d?.active && mayEdit() && <Link kind="main" href={href('connect', id)}>Connect</Link>}>
      <Show of={c} what="The connector">{(d) => <Detail c={d} again={c.reload} />}</Show>
    </Page>
  );
}

function Detail({ c, again }: { c: Connector; again: () => Promise<void> }) {
  const path = `/connectors/${enc(c.key)}`;
  const meta = useLoad<Metadata>(`meta ${c.key} ${c.version} ${c.state}`, (s) => (c.state === 'active' ? get(`${path}/metadata`, s) : Promise.resolve({ key: c.key, title: c.title, options: [] })));
  const oauth = meta.data?.options.some((o) => ['OAUTH2', 'OAUTH1', 'MCP'].includes(o.type));
  return (
    <>
      {c.last_error && <p class="note badnote" dir="auto">{c.last_error}</p>}
      {c.custom && mayMake() && (
        <section class="acts" aria-label="Actions"><div class="actions">
          <Link href={href('connectors', c.key, 'edit')}>Edit</Link>
          <Button onClick={async () => { await call('PATCH', path, { active: !c.active, version: c.version }); await again(); }}>{c.active ? 'Switch off' : 'Switch on'}</Button>
          <Button kind="danger" onClick={() => sure(`Delete ${c.title}?`, 'It goes with the account that its form made.', 'Delete', async () => { await call('DELETE', path); go('connectors'); })}>Delete</Button>
        </div></section>
      )}
      <div class="columns">
        <Section title="About"><Facts of={[
          ['Key', <Mono>{c.key}</Mono>], ['Also called', c.aliases?.join(', ')], ['Its credentials go to', <Mono>{c.hosts.join(' ')}</Mono>], ['Base URL', c.base_url && <Mono>{c.base_url}</Mono>],
          ['Shares hosts with', c.shares_hosts_with?.join(', ')], ['Organisation', c.organisation],
          ['Documentation', c.docs?.startsWith('https://') && <a href={c.docs} target="_blank" rel="noreferrer">{c.docs}</a>],
        ]} /></Section>
        <Section title="Ways to connect">
          <Show of={meta}>{(m) => (m.options.length ? <ul class="lines">{m.options.map((o) => (
            <li key={o.name}><span class="grow"><b>{o.title || o.name}</b> <Tag>{typeName(o.type)}</Tag><span class="soft block">{o.schema['x-order'].map((f) => o.schema.properties[f].title).join(', ') || (o.flow === 'device_code' ? 'A code is typed at the service' : 'A person signs in at the service')}</span>
              {o.scopes && o.scopes.length > 0 && <span class="soft block">{o.scopes.map(scopeWords).join(', ')}</span>}</span></li>))}</ul> : <Empty title={c.state === 'active' ? 'None.' : 'None while it is switched off or has failed.'} />)}</Show>
        </Section>
        <Accounts c={c} />
        <Calls c={c} />
      </div>
      {oauth && <ConnectorApps key={c.key} connector={c.key} />}
      {c.definition && <Section title="Definition"><pre class="mono source" tabIndex={0}>{c.definition}</pre></Section>}
      <Timeline filter={{ connector: c.key }} />
    </>
  );
}

function Accounts({ c }: { c: Connector }) {
  const l = useLoad<List<Account>>(`accounts of ${c.key}`, (s) => get(`/accounts${query({ connector: c.key, limit: 8 })}`, s));
  return (
    <Section title="Accounts" actions={<Link small href={`${href('accounts')}?connector=${enc(c.key)}`}>All</Link>}>
      <Show of={l}>{(d) => (d.items.length ? <ul class="lines">{d.items.map((a) => <li key={a.id}><a class="grow" href={href('accounts', a.id)} dir="auto">{a.name}</a><span class="soft" dir="auto">{owner(a)}</span><State of={a.state} /></li>)}</ul> : <Empty title="None yet." />)}</Show>
    </Section>
  );
}

function Calls({ c }: { c: Connector }) {
  const u = useLoad<List<Usage>>(`connector calls ${c.key}`, (s) => get(`/usage?kind=connector&days=30&ids=${enc(c.key)}`, s));
  return (
    <Section title="Usage" lead="The last 30 days." actions={<Link small href={`${href('audit')}?connector=${enc(c.key)}`}>Its calls</Link>}>
      <Show of={u}>{(l) => {
        const x = l.items[0];
        if (!x?.calls) return <Empty title="Not used yet." />;
        return <><Bars slots={x.days.map((n, i) => ({ at: new Date(Date.now() - (x.days.length - 1 - i) * 86_400_000).toISOString().slice(0, 10) + 'T00:00:00Z', calls: n, errors: 0 }))} unit="day" label="Calls in the last 30 days" /><p class="soft">{count(x.calls)} calls, {percent(x.errors, x.calls)} failed</p></>;
      }}</Show>
    </Section>
  );
}
