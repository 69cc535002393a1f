import { useState } from 'preact/hooks';
import { call, create, enc, get, query } from '../api';
import { Budgets } from '../budgets';
import { Bars } from '../charts';
import { Commands } from '../commands';
import { useLoad } from '../load';
import { connectNow, link, Popup, usePopup } from '../popup';
import { go, href } from '../router';
import { Button, Check, Empty, Facts, Field, Fold, Form, Link, Logo, mayEdit, Mono, notice, Once, Page, Section, Show, State, sure, Time } from '../ui';
import type { Account, Agent, AuditEvent, Connector, Grant, List, Metadata, Slot } from '../types';
import { bytes, count, exact, headline, may, narrowed, percent, plural, said, scopeWords, why } from '../words';
import { owner } from './accounts';

const revoked: Record<string, string> = {
  revoked: 'It is disconnected, here and at the service.',
  cannot_revoke: 'It is disconnected here. The service has no way to revoke: remove the access in its own settings.',
  failed: 'It is disconnected here. The service did not confirm; its tokens may work there until they end.',
};
const deleted: Record<string, string> = {
  revoked: 'It is deleted, and the service has forgotten its tokens.',
  cannot_revoke: 'It is deleted. The service has no way to revoke: remove the access in its own settings.',
  failed: 'It is deleted. The service did not confirm that it forgot its tokens; they may work there until they end.',
};

export function AccountPage({ id }: { id: string }) {
  const a = useLoad<Account>(`account ${id}`, (s) => get(`/accounts/${enc(id)}`, s), 15_000);
  const d = a.data;
  return (
    <Page title={d ? `${d.connector}: ${d.name}` : 'Account'} back={[href('accounts'), 'Accounts']} lead={d && <span class="with"><Logo id={d.connector} /><State of={d.state} /><span dir="auto">{[d.provider?.label, d.provider?.email].filter(Boolean).join(' · ') || owner(d)}</span></span>}>
      <Show of={a} what="The account">{(d) => <Detail a={d} again={a.reload} />}</Show>
    </Page>
  );
}

function Detail({ a, again }: { a: Account; again: () => Promise<void> }) {
  const edits = mayEdit() && !a.read_only;
  return (
    <>
      {a.read_only && <p class="note">Declared in the configuration file; edit it there.</p>}
      {why(a) && <p class={a.state === 'pending' || a.state === 'suspended' ? 'note' : 'note badnote'}>{why(a)}</p>}
      {edits && <Actions a={a} again={again} />}
      <div class="columns">
        <Section title="About">
          <Facts of={[
            ['State', <><State of={a.state} />{a.state_reason?.code && <span class="soft"> {said(a.state_reason.code)}{a.state_reason.detail && `: ${a.state_reason.detail}`}</span>}</>], ['Since', <Time at={a.state_since} />],
            ['Connector', <a href={href('connectors', a.connector)}>{a.connector}</a>], ['Way to connect', a.option],
            ['Owner', owner(a)], ['At the service', a.provider && [a.provider.label, a.provider.email, a.provider.id].filter(Boolean).join(' · ')],
            ['Token ends', a.expires_at && <Time at={a.expires_at} />], ['Last used', <Time at={a.last_used_at} />],
            ['Last error', a.last_error && <>{a.last_error.error} <Time at={a.last_error.at} /></>],
            ['It may', a.scopes.length > 0 && <ul class="plain">{a.scopes.map((s) => <li key={s}>{scopeWords(s)} <span class="mono soft">{s}</span></li>)}</ul>],
            ...Object.entries(a.fields || {}).map(([k, v]): [string, any] => [k, <Mono>{v}</Mono>]),
            ...(a.secrets || []).map((s): [string, any] => [s.field, <Mono>{s.last4 ? `…${s.last4} ` : ''}{s.fingerprint}</Mono>]),
            ['Created', a.created_at && <Time at={a.created_at} />], ['Id', <Mono>{a.id}</Mono>],
          ]} />
        </Section>
        <Budgets of={{ account_id: a.id }} />
        {!a.read_only && <Health id={a.id} />}
        {!a.read_only && <Users a={a} />}
        {!a.read_only && <Usage id={a.id} />}
        {edits && <Settings key={a.version} a={a} again={again} />}
        <HowTo a={a} />
      </div>
      <Timeline filter={{ account_id: a.id }} />
    </>
  );
}

function Actions({ a, again }: { a: Account; again: () => Promise<void> }) {
  const path = `/accounts/${enc(a.id)}`;
  const popup = usePopup();
  const [given, setGiven] = useState<{ url: string; expires_at: string } | null>(null);
  const [form, setForm] = useState<'' | 'credentials' | 'rename'>('');
  const act = (name: string, done: (r: any) => string) => async () => { const r = await create(`${path}/${name}`, undefined); notice(done(r)); await again(); };
  const may = a.state !== 'suspended' && !a.test_mode;
  const connect = async () => {
    const opened = popup.open();
    try {
      if (await connectNow(a, popup, opened) === 'done') notice('It is connected.');
    } finally {
      popup.show('');
      await again();
    }
  };
  return (
    <section aria-label="Actions" class="acts">
      <div class="actions">
        {may && <Button kind={a.state === 'active' ? undefined : 'main'} onClick={connect}>{a.state === 'pending' ? 'Connect' : 'Connect again'}</Button>}
        {may && <Button onClick={async () => setGiven(await link(a))}>Link for somebody else</Button>}
        {a.state !== 'revoked' && a.state !== 'suspended' && <Button onClick={act('test', (r) => (r.ok === false ? r.error || 'The test failed.' : r.tested ? 'The service takes its credentials.' : r.obtained ? 'There is no test for this service; it gave a token.' : 'There is no test for this service; nothing was tried.'))}>Test</Button>}
        {a.secrets && ['pending', 'error'].includes(a.state) && <Button onClick={act('activate', () => 'It is used without a test.')}>Use without a test</Button>}
        {a.state === 'suspended' ? <Button kind="main" onClick={act('resume', (r) => `It is ${r.state}.`)}>Resume</Button> : a.state !== 'revoked' && <Button onClick={act('suspend', () => 'It is paused.')}>Pause</Button>}
        {a.expires_at && <Button onClick={act('refresh', () => 'It has a new token.')}>Refresh the token</Button>}
        <Button onClick={() => setForm(form === 'credentials' ? '' : 'credentials')} pressed={form === 'credentials'}>Replace credentials</Button>
        <Button onClick={() => setForm(form === 'rename' ? '' : 'rename')} pressed={form === 'rename'}>Rename</Button>
        {a.state !== 'revoked' && <Button kind="danger" onClick={() => sure(`Disconnect ${a.name}?`, 'Its secrets are deleted, and taken back at the service.', 'Disconnect', async () => { const r = await create(`${path}/revoke`, undefined); notice(revoked[r.at_service] || 'It is disconnected.'); await again(); })}>Disconnect</Button>}
        <Button kind="danger" onClick={() => sure(`Delete ${a.name}?`, 'The account goes with its grants and usage, and its tokens are taken back at the service. What the audit says of it stays.', 'Delete', async () => { const r = await call('DELETE', path); notice(deleted[r.at_service] || 'It is deleted.'); go('accounts'); })}>Delete</Button>
      </div>
      <Popup of={popup} />
      {given && <Once title={`Whoever opens this until ${exact(given.expires_at)} can connect this account, and nothing else`} secret={given.url} done={() => setGiven(null)} />}
      {form === 'rename' && <Rename a={a} done={async () => { setForm(''); await again(); }} />}
      {form === 'credentials' && <Credentials a={a} done={async () => { setForm(''); await again(); }} />}
    </section>
  );
}

function Rename({ a, done }: { a: Account; done: () => Promise<void> }) {
  const [name, setName] = useState(a.name);
  const [identifier, setIdentifier] = useState(a.identifier || '');
  return (
    <Section title="Rename">
      <Form yes="Save" cancel={done} names={['name', 'identifier']} send={async () => { await call('PATCH', `/accounts/${enc(a.id)}`, { name, ...(identifier && { identifier }), version: a.version }); notice('It is renamed.'); await done(); }}>
        {(w) => <><Field label="Name" name="name" value={name} set={setName} required max={128} focus error={w.fields.name} hint="Agents that name this account by its old name do not find it any more." /><Field label="Owner" name="identifier" value={identifier} set={setIdentifier} max={128} error={w.fields.identifier} /></>}
      </Form>
    </Section>
  );
}

// Credentials replaces what was pasted: those that the service does not take change nothing.
function Credentials({ a, done }: { a: Account; done: () => Promise<void> }) {
  const meta = useLoad<Metadata>(`meta ${a.connector}`, (s) => get(`/connectors/${enc(a.connector)}/metadata`, s));
  const [values, setValues] = useState<Record<string, string>>(a.fields || {});
  return (
    <Section title="Replace credentials" lead="They are tested first. Those that the service does not take change nothing.">
      <Show of={meta}>{(m) => {
        const option = m.options.find((o) => o.name === a.option && o.flow === 'credentials') || m.options.find((o) => o.flow === 'credentials');
        if (!option) return <p>A person signs in at this service: use “Connect again”.</p>;
        const fields = option.schema['x-order'];
        return (
          <Form yes="Test and replace" cancel={done} prefix="body.credentials." names={fields} send={async () => {
            await call('PUT', `/accounts/${enc(a.id)}/credentials`, { credentials: Object.fromEntries(fields.map((f) => [f, values[f]]).filter(([, v]) => v)), ...(option.name !== a.option && { option: option.name }) });
            notice('They are replaced.');
            await done();
          }}>
            {(w) => fields.map((f, i) => { const p = option.schema.properties[f]; return <Field key={f} name={f} label={p.title} value={values[f] || ''} set={(v) => setValues((o) => ({ ...o, [f]: v }))} type={p.writeOnly ? 'password' : 'text'} required={option.schema.required.includes(f)} optional={!option.schema.required.includes(f)} hint={p.description} error={w.fields[f]} focus={i === 0} />; })}
          </Form>
        );
      }}</Show>
    </Section>
  );
}

type HealthData = { calls: number; errors: number; api_error_rate: number; auth_success_rate: number | null; refreshes: number; refresh_failures: number; last_error?: string; last_error_at?: string; last_success_at?: string; token_expires_at?: string; refresh_uncertain?: boolean };

function Health({ id }: { id: string }) {
  const h = useLoad<HealthData>(`health ${id}`, (s) => get(`/accounts/${enc(id)}/health`, s), 15_000);
  return (
    <Section title="Health" lead="The last seven days.">
      <Show of={h}>{(d) => <Facts of={[['Calls', count(d.calls)], ['Failed', `${percent(d.errors, d.calls)} (${count(d.errors)})`], ['Credential accepted', d.auth_success_rate === null ? 'not called yet' : `${Math.round(d.auth_success_rate * 1000) / 10} %`],
        ['Token refreshed', `${plural(d.refreshes, 'time')}${d.refresh_failures ? `, ${d.refresh_failures} failed` : ''}`], ['Last success', <Time at={d.last_success_at} />], ['Last error', d.last_error ? <>{d.last_error} <Time at={d.last_error_at} /></> : 'none'],
        ['Refresh', d.refresh_uncertain && 'One was begun, and nobody knows how it ended.']]} />}</Show>
    </Section>
  );
}

function Users({ a }: { a: Account }) {
  const g = useLoad(`users ${a.id}`, async (s) => {
    const grants = await get<List<Grant>>(`/grants${query({ account_id: a.id, limit: 100 })}`, s);
    const agents = await Promise.all(grants.items.map((x) => get<Agent>(`/agents/${enc(x.agent_id)}`, s).catch(() => null)));
    return grants.items.map((x, i) => ({ ...x, agent: agents[i]?.name || x.agent_id }));
  });
  return (
    <Section title="Who may use it" actions={<Link small href={`${href('audit')}?account_id=${enc(a.id)}&kind=use`}>Who used it</Link>}>
      <Show of={g}>{(items) => (items.length ? <ul class="lines">{items.map((x) => (
        <li key={x.id}><a href={href('agents', x.agent_id)} dir="auto">{x.agent}</a><span class="soft">{may(x)}{narrowed(x).length > 0 && `: ${narrowed(x).join('; ')}`}{x.expires_at && <>, until <Time at={x.expires_at} /></>}</span>
          {mayEdit() && <Button small kind="danger" label={`Remove access of ${x.agent}`} onClick={() => sure('Remove access?', `${x.agent} may no longer use ${a.name}, from its next call on.`, 'Remove access', async () => { await call('DELETE', `/agents/${enc(x.agent_id)}/grants/${x.id}`); await g.reload(); })}>Remove access</Button>}</li>))}</ul>
        : <Empty title="No agent yet."><a href={href('agents')}>Give access on an agent’s page.</a></Empty>)}</Show>
    </Section>
  );
}

type UsageData = { calls: number; errors: number; bytes_in: number; bytes_out: number; start: string; end: string; days: { day: string; calls: number; errors: number }[]; paths: { path: string; calls: number }[] };

export function filled(u: UsageData): Slot[] {
  const by = new Map(u.days.map((d) => [d.day, d]));
  const out: Slot[] = [];
  for (let t = Date.parse(u.start); t <= Date.parse(u.end); t += 86_400_000) {
    const day = new Date(t).toISOString().slice(0, 10);
    out.push({ at: `${day}T00:00:00Z`, calls: by.get(day)?.calls || 0, errors: by.get(day)?.errors || 0 });
  }
  return out;
}

function Usage({ id }: { id: string }) {
  const u = useLoad<UsageData>(`usage ${id}`, (s) => get(`/accounts/${enc(id)}/usage`, s));
  return (
    <Section title="Usage" lead="The last 30 days, and what was called most.">
      <Show of={u}>{(d) => (d.calls ? <>
        <Bars slots={filled(d)} unit="day" label="Calls in the last 30 days" />
        <p class="soft">{plural(d.calls, 'call')}, {percent(d.errors, d.calls)} failed, {bytes(d.bytes_in)} sent, {bytes(d.bytes_out)} received</p>
        <ol class="paths">{d.paths.map((p) => <li key={p.path}><Mono>{p.path}</Mono><span class="num">{count(p.calls)}</span></li>)}</ol>
      </> : <Empty title="Not used yet." />)}</Show>
    </Section>
  );
}

function Settings({ a, again }: { a: Account; again: () => Promise<void> }) {
  const [rate, setRate] = useState(String(a.settings.rate_limit));
  const [timeout, setTimeout] = useState(String(a.settings.timeout));
  const [retries, setRetries] = useState(String(a.settings.retry_attempts));
  const [refresh, setRefresh] = useState(a.settings.auto_refresh);
  return (
    <Section title="Settings">
      <Form yes="Save" prefix="body.settings." names={['rate_limit', 'timeout', 'retry_attempts']} send={async () => {
        await call('PATCH', `/accounts/${enc(a.id)}`, { settings: { rate_limit: Number(rate), timeout: Number(timeout), retry_attempts: Number(retries), auto_refresh: refresh }, version: a.version });
        notice('It holds from the next call on.');
        await again();
      }}>
        {(w) => <>
          <Field label="Calls per minute" name="rate_limit" type="number" min={0} maxValue={1_000_000} step="1" value={rate} set={setRate} required hint="0: no limit" error={w.fields.rate_limit} />
          <Field label="Seconds until an answer begins" name="timeout" type="number" min={0} maxValue={3600} step="any" value={timeout} set={setTimeout} required hint="0: the default" error={w.fields.timeout} />
          <Field label="Repeat calls that failed, times" name="retry_attempts" type="number" min={0} maxValue={10} step="1" value={retries} set={setRetries} required error={w.fields.retry_attempts} />
          <Check label="Refresh its token by itself" value={refresh} set={setRefresh} />
        </>}
      </Form>
    </Section>
  );
}

function HowTo({ a }: { a: Account }) {
  const c = useLoad<Connector>(`connector ${a.connector}`, (s) => get(`/connectors/${enc(a.connector)}`, s));
  return (
    <Section title="Call it" lead="From a program that runs as an agent with access.">
      <Commands at={{ connector: `${a.connector}${a.name === 'default' ? '' : `:${a.name}`}`, base: c.data?.base_url }} />
      {c.data?.base_url && a.read_only !== true && <Fold title="Presigned URLs"><p><a href={href('presigned', a.id)}>Make a URL that works without the proxy for a while</a>, where the service has such URLs.</p></Fold>}
    </Section>
  );
}

// Timeline is what happened to one thing, calls left out.
export function Timeline({ filter }: { filter: Record<string, string> }) {
  const t = useLoad(`timeline ${JSON.stringify(filter)}`, async (s) => {
    const lists = await Promise.all(['state', 'admin', 'refresh', 'refusal'].map((kind) => get<List<AuditEvent>>(`/audit${query({ ...filter, kind, limit: 10 })}`, s)));
    return lists.flatMap((l) => l.items).sort((x, y) => (x.id < y.id ? 1 : -1)).slice(0, 20);
  }, 15_000);
  return (
    <Section title="What happened" actions={<Link small href={`${href('audit')}${query(filter)}`}>All in the audit</Link>}>
      <Show of={t} what="What happened">{(items) => (items.length ? <ol class="timeline">{items.map((e) => (
        <li key={e.id} class={`k-${e.kind}`}><Time at={e.at} /><div><span dir="auto">{headline(e)}</span><p class="soft" dir="auto">{[e.actor || e.actor_kind, e.connector, e.detail && (/^[a-z]+(_[a-z]+)+$/.test(e.detail) ? said(e.detail) : e.detail)].filter(Boolean).join(' · ')}</p></div></li>))}</ol> : <Empty title="Nothing yet." />)}</Show>
    </Section>
  );
}
