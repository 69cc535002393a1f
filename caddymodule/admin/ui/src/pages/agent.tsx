import { useState } from 'preact/hooks';
import { call, create, enc, get, query } from '../api';
import { Budgets } from '../budgets';
import { Bars } from '../charts';
import { Commands } from '../commands';
import { useLoad } from '../load';
import { go, href } from '../router';
import { Button, Check, Empty, everywhere, Facts, Field, Fold, Form, Link, Logo, mayEdit, Mono, notice, Once, Page, Section, Show, State, sure, Time } from '../ui';
import type { Account, Agent, Grant, List, Slot, TokenInfo, Usage } from '../types';
import { count, may, narrowed, percent } from '../words';
import { Timeline } from './account';

export function AgentPage({ id }: { id: string }) {
  const a = useLoad<Agent>(`agent ${id}`, (s) => get(`/agents/${enc(id)}`, s));
  const d = a.data;
  return (
    <Page title={d?.name || 'Agent'} back={[href('agents'), 'Agents']} lead={d && <span class="with"><State of={d.disabled ? 'suspended' : 'active'} /><span dir="auto">{d.organisation}{d.description ? ` · ${d.description}` : ''}</span></span>}>
      <Show of={a} what="The agent">{(d) => <Detail a={d} again={a.reload} />}</Show>
    </Page>
  );
}

function Detail({ a, again }: { a: Agent; again: () => Promise<void> }) {
  const path = `/agents/${enc(a.id)}`;
  const edits = mayEdit() && !a.read_only;
  const [shown, setShown] = useState<[string, string] | null>(null);
  const [rename, setRename] = useState(false);
  const grants = useLoad(`grants ${a.id}`, async (s) => {
    const l = await get<List<Grant>>(`${path}/grants?limit=200`, s);
    const accounts = await Promise.all(l.items.map((g) => (g.account_id ? get<Account>(`/accounts/${enc(g.account_id)}`, s).catch(() => null) : null)));
    return l.items.map((g, i) => ({ ...g, account: accounts[i] }));
  });
  return (
    <>
      {a.read_only && <p class="note">Declared in the configuration file; edit it there.</p>}
      {a.disabled && <p class="note">It is paused: none of its calls goes through.</p>}
      {edits && (
        <section class="acts" aria-label="Actions"><div class="actions">
          <Button onClick={async () => { await call('PATCH', path, { disabled: !a.disabled, version: a.version }); await again(); }} kind={a.disabled ? 'main' : undefined}>{a.disabled ? 'Resume' : 'Pause'}</Button>
          <Button pressed={rename} onClick={() => setRename(!rename)}>Rename</Button>
          <Button kind="danger" onClick={() => sure(`Delete ${a.name}?`, 'It goes with its tokens and grants; its calls are refused at once.', 'Delete', async () => { await call('DELETE', path); notice('It is deleted.'); go('agents'); })}>Delete</Button>
        </div></section>
      )}
      {rename && <Rename a={a} done={async () => { setRename(false); await again(); }} />}
      {shown && <Once title={shown[0]} secret={shown[1]} done={() => setShown(null)}><Fold title="How the agent calls"><Commands agent={a.name} token={shown[1]} /></Fold></Once>}
      <div class="columns">
        <Section title="May use" lead={!grants.data?.length ? undefined : 'From its next call on, open connections included.'}>
          <Show of={grants} what="What it may use">{(items) => (items.length ? <ul class="lines">{items.map((g) => (
            <li key={g.id || g.connector}><Logo id={g.connector} /><span class="grow"><a href={g.account_id ? href('accounts', g.account_id) : href('connectors', g.connector)} dir="auto">{g.connector}: {g.account?.name || (g.account_id ? g.account_id : 'every account')}</a>
              <span class="soft block">{may(g)}{g.expires_at && <>, until <Time at={g.expires_at} /></>}{g.account && g.account.state !== 'active' && <> · <State of={g.account.state} /></>}</span>
              {narrowed(g).map((r) => <span key={r} class="mono block">{r}</span>)}</span>
              {g.read_only ? <span class="soft">in the file</span> : mayEdit() && <Button small kind="danger" label={`Remove access to ${g.connector}: ${g.account?.name || ''}`} onClick={() => sure('Remove access?', `${a.name} may no longer use ${g.connector}: ${g.account?.name || g.account_id}, from its next call on.`, 'Remove access', async () => { await call('DELETE', `${path}/grants/${g.id}`); await grants.reload(); })}>Remove access</Button>}</li>))}</ul>
            : <Empty title="Nothing yet.">{mayEdit() && 'Give it access below.'}</Empty>)}</Show>
          {mayEdit() && <GiveAccess a={a} has={(grants.data || []).map((g) => g.account_id || '')} again={grants.reload} />}
        </Section>
        <Budgets of={{ agent_id: a.id }} />
        <Calls a={a} />
        {!a.read_only && <Tokens path={path} edits={edits} show={setShown} />}
        {edits && <Only key={a.version} path={path} a={a} again={again} />}
        <Section title="How it calls"><Commands agent={a.name} at={grants.data?.[0] ? { connector: grants.data[0].connector } : {}} /></Section>
        <Section title="About"><Facts of={[['Organisation', a.organisation], ['Until', a.expires_at && <Time at={a.expires_at} />], ['Created', a.created_at && <Time at={a.created_at} />], ['Id', <Mono>{a.id}</Mono>]]} /></Section>
      </div>
      <Timeline filter={{ agent_id: a.id }} />
    </>
  );
}

function Rename({ a, done }: { a: Agent; done: () => Promise<void> }) {
  const [name, setName] = useState(a.name);
  const [description, setDescription] = useState(a.description || '');
  return (
    <Section title="Rename">
      <Form yes="Save" cancel={done} names={['name', 'description']} send={async () => { await call('PATCH', `/agents/${enc(a.id)}`, { name: name.trim(), description, version: a.version }); notice('It is renamed.'); await done(); }}>
        {(w) => <><Field label="Name" name="name" value={name} set={setName} required max={128} pattern="[^+:\/@ ]+" title="A name has no + : / @ and no spaces" focus error={w.fields.name} hint="The agent’s proxy user name changes with it; its tokens stay." /><Field label="Description" name="description" value={description} set={setDescription} max={2048} optional error={w.fields.description} /></>}
      </Form>
    </Section>
  );
}

function GiveAccess({ a, has, again }: { a: Agent; has: string[]; again: () => Promise<void> }) {
  const [q, setQ] = useState('');
  const accounts = useLoad(`grantable ${a.organisation} ${q.trim()}`, (s) => get<List<Account>>(`/accounts${query({ organisation: a.organisation, q: q.trim(), limit: 200 })}`, s));
  const list = (accounts.data?.items || []).filter((x) => !x.read_only && !has.includes(x.id));
  const [account, setAccount] = useState('');
  const chosen = list.some((x) => x.id === account) ? account : list[0]?.id || '';
  const [scopes, setScopes] = useState('read');
  const [presign, setPresign] = useState(false);
  const [placeholder, setPlaceholder] = useState(false);
  const [confined, setConfined] = useState(false);
  const [until, setUntil] = useState('');
  const [methods, setMethods] = useState('');
  const [at, setAt] = useState('');
  const [rules, setRules] = useState('');
  const rule = { ...(methods.trim() && { methods: methods.toUpperCase().split(/[\s,]+/).filter(Boolean) }), ...(at.trim() && { path: at.trim() }) };
  const [budget, setBudget] = useState('');
  const lines = (text: string) => text.split('\n').map((l) => l.trim()).filter(Boolean);
  const budgets = lines(budget);
  const operations = lines(rules);
  const many = accounts.data?.next || q;
  if (accounts.data && !list.length && !q) return <p class="soft pad">{has.length ? 'It may use every account of its organisation.' : <>There is no account to give yet. <a href={href('connect')}>Connect a service.</a></>}</p>;
  return (
    <Form yes="Give access" names={['account_id', 'scopes', 'expires_at', 'operations', 'budgets']} send={async () => {
      await create(`/agents/${enc(a.id)}/grants`, { account_id: chosen, scopes: [...scopes.split(' '), ...(presign ? ['presign'] : []), ...(placeholder ? ['placeholder'] : []), ...(confined ? ['confined'] : [])], ...(until && { expires_at: new Date(until).toISOString() }), ...(Object.keys(rule).length && { rules: [rule] }), ...(operations.length && { operations }), ...(budgets.length && { budgets }) });
      notice('It holds from the next call on.');
      setMethods(''); setAt(''); setRules(''); setBudget(''); setUntil(''); setPresign(false); setPlaceholder(false);
      await again();
    }}>
      {(w) => <>
        <h3>Give access</h3>
        {many && <Field label="Find an account" type="search" value={q} set={setQ} placeholder="Name, owner, e-mail" />}
        <Field label="Account" name="account_id" value={chosen} set={setAccount} required options={list.map((x) => [x.id, `${x.connector}: ${x.name}${x.identifier && x.identifier !== x.organisation ? ` (${x.identifier})` : ''}`])} error={w.fields.account_id} />
        <Field label="It may" name="scopes" value={scopes} set={setScopes} options={[['read', 'Only read'], ['read write', 'Read and change']]} />
        <Fold title="More it may">
          <Check label="Make URLs that work without the proxy" value={presign} set={setPresign} hint="Presigned URLs of object storage, for a while. Whoever has one can use it." />
          <Check label="Only in confined runs" value={confined} set={setConfined} hint="Of programs that attache exec --confine started, and that have no other way out." />
          <Check label="Bring a credential of its own" value={placeholder} set={setPlaceholder} hint="One that its client has already stays on a request. The account’s is placed where there is none, or the word attache." />
        </Fold>
        <Fold title="Narrow it further">
          <Field label="Until" name="expires_at" type="datetime-local" value={until} set={setUntil} optional error={w.fields.expires_at} />
          <Field label="Methods" value={methods} set={setMethods} placeholder="any: GET POST" optional mono />
          <Field label="Path" name="path" value={at} set={setAt} placeholder="any: /v1/orders/**" optional mono pattern="/.*" title="A path begins with /" hint="* is one segment, ** at the end is any rest." error={w.fields.path} />
          <Field label="Operations" name="operations" value={rules} set={setRules} rows={3} placeholder={'allow read\nallow issues/create on acme/*'} optional mono hint="A rule a line: the first that fits decides, deny is the end, and what none fits is refused. A condition stands at its end: allow tools/call create_issue when args.owner == &quot;acme&quot;." error={w.fields.operations} />
          <Field label="Budgets" name="budgets" value={budget} set={setBudget} rows={2} placeholder={'1000 requests per day\n20 delete per hour'} optional mono hint="One a line: how much of what in a minute, an hour, a day or a month." error={w.fields.budgets} />
        </Fold>
      </>}
    </Form>
  );
}

function Calls({ a }: { a: Agent }) {
  const u = useLoad(`calls ${a.id}`, (s) => get<List<Usage>>(`/usage?kind=agent&days=30&ids=${enc(a.id)}`, s), 15_000);
  return (
    <Section title="Usage" lead="The last 30 days." actions={<Link small href={`${href('audit')}?agent_id=${enc(a.id)}`}>Its calls</Link>}>
      <Show of={u}>{(l) => {
        const x = l.items[0];
        if (!x?.calls) return <Empty title="No calls yet." />;
        const slots: Slot[] = x.days.map((n, i) => ({ at: new Date(Date.now() - (x.days.length - 1 - i) * 86_400_000).toISOString().slice(0, 10) + 'T00:00:00Z', calls: n, errors: 0 }));
        return <><Bars slots={slots} unit="day" label="Calls in the last 30 days" /><p class="soft">{count(x.calls)} calls, {percent(x.errors, x.calls)} failed</p></>;
      }}</Show>
    </Section>
  );
}

function Tokens({ path, edits, show }: { path: string; edits: boolean; show: (s: [string, string]) => void }) {
  const t = useLoad<List<TokenInfo>>(`tokens ${path}`, (s) => get(`${path}/tokens`, s));
  return (
    <Section title="Tokens" lead="To replace one: create another, let the agent use it, delete the old one." actions={edits && <Button small onClick={async () => { const made = await create(`${path}/tokens`, { name: `made ${new Date().toISOString().slice(0, 10)}` }); show(['A further token', made.token]); await t.reload(); }}>Another token</Button>}>
      <Show of={t} what="Its tokens">{(l) => (l.items.length ? <ul class="lines">{l.items.map((x) => (
        <li key={x.id}><span class="grow" dir="auto">{x.name} <Mono>…{x.last4}</Mono><span class="soft block">created <Time at={x.created_at} />{x.expires_at && <>, until <Time at={x.expires_at} /></>}</span></span>
          {edits && <Button small kind="danger" label={`Delete token ${x.name}`} onClick={() => sure('Delete this token?', 'Whoever uses it is locked out at once.', 'Delete', async () => { await call('DELETE', `${path}/tokens/${x.id}`); await t.reload(); })}>Delete</Button>}</li>))}</ul> : <Empty title="None." />)}</Show>
    </Section>
  );
}

// Only are the only connectors that the agent may use, whatever it was given.
function Only({ path, a, again }: { path: string; a: Agent; again: () => Promise<void> }) {
  const [keys, set] = useState((a.connectors || []).join(' '));
  return (
    <Section title="Only these connectors" lead="Whatever it was given, it uses no others.">
      <Form yes="Save" names={['connectors']} send={async () => {
        const list = keys.split(/[\s,]+/).filter(Boolean);
        await call('PUT', `${path}/connectors`, { connectors: list.length ? list : null });
        notice('It holds from the next call on.');
        await again();
      }}>
        {(w) => <Field label="Keys, separated by spaces" name="connectors" value={keys} set={set} placeholder="any" mono hint="Empty: any." error={w.fields.connectors} />}
      </Form>
      {everywhere() && <p class="hint"><a href={href('connectors')}>All connectors and their keys</a></p>}
    </Section>
  );
}
