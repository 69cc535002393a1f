import { useEffect, useState } from 'preact/hooks';
import { call, enc, follow, get } from '../api';
import { useList, useLoad } from '../load';
import { href } from '../router';
import { Table, type Column } from '../table';
import { Button, Empty, Facts, Field, Link, Logo, mayEdit, Mono, notice, Page, Section, Show, State, sure, Time } from '../ui';
import type { Approval, List, Tool } from '../types';
import { bytes } from '../words';

// does says what a request does, in a line.
export const does = (a: Approval) => a.kind === 'proposal' ? a.allows || '' : `${a.operation || `${a.method} ${a.url}`}${a.resource ? ` on ${a.resource}` : ''}`;

// useAsked reads again whenever somebody is asked, and every few seconds.
function useAsked(reload: () => unknown) {
  useEffect(() => {
    const stop = new AbortController();
    follow('/events?code=approval.requested', stop.signal, () => { reload(); }, () => {});
    return () => stop.abort();
  }, []);
}

export function Approvals() {
  const open = useLoad<List<Approval>>('approvals', (s) => get('/approvals?state=pending&limit=100', s), 3000);
  const all = useList<Approval>('/approvals', 100);
  const stopped = useLoad<List<Tool>>('changed tools', (s) => get('/tools?changed=true&limit=100', s), 10_000);
  const again = () => { open.reload(); all.reload(); };
  useAsked(open.reload);
  const columns: Column<Approval>[] = [
    { name: 'What', main: true, cell: (a) => <a href={href('approvals', a.id)} class="clip" dir="auto" title={does(a)}>{does(a)}</a> },
    { name: 'State', w: 124, cell: (a) => <State of={a.state} /> },
    { name: 'Agent', w: 130, cell: (a) => <span class="clip" dir="auto">{a.agent}</span> },
    { name: 'Account', w: 150, phone: false, cell: (a) => <span class="clip" dir="auto">{a.connector}: {a.account}</span> },
    { name: 'By', w: 130, phone: false, cell: (a) => <span class="clip" dir="auto">{a.decided_by || ''}</span> },
    { name: 'Asked', w: 124, cell: (a) => <Time at={a.requested_at} /> },
  ];
  return (
    <Page title="Approvals" lead="Requests that a rule with ask keeps until somebody decides, and rules that agents propose. Silence is no.">
      <Section title="Waiting for somebody">
        <Show of={open} what="What waits">{(l) => (l.items.length
          ? <ul class="approvals" aria-label="Waiting for somebody">{l.items.map((a) => <li key={a.id}><Card a={a} again={again} /></li>)}</ul>
          : <Empty title="Nothing waits." />)}</Show>
      </Section>
      {stopped.data?.items.length ? <Section title="Tools that have changed" lead="What an MCP server says of them is not what it said when they were last looked at. They are stopped.">
        <ul class="approvals" aria-label="Tools that have changed">{stopped.data.items.map((t) => <li key={t.id}><Stopped t={t} again={stopped.reload} /></li>)}</ul>
      </Section> : null}
      <Table rows={{ ...all, items: all.items.filter((a) => a.state !== 'pending') }} columns={columns} id={(a) => a.id} caption="Decided" empty={<Empty title="Nothing was decided yet." />} />
    </Page>
  );
}

// Stopped is a tool that says something else than it did; all of it is the server's words.
function Stopped({ t, again }: { t: Tool; again: () => void }) {
  const accept = async () => { await call('POST', `/tools/${enc(t.id)}/accept`, { digest: t.new_digest }); notice('The tool goes on.'); again(); };
  return (
    <article class="approval" aria-label={`${t.name} of ${t.connector}`}>
      <div class="cardhead"><Logo id={t.connector} /><h3 class="grow" dir="auto">{t.name}</h3><span class="tag">changed</span></div>
      <p class="soft" dir="auto">{t.connector}: {t.account} at <Mono>{t.host}</Mono></p>
      <pre class="code" tabIndex={0} dir="auto" aria-label="What it said">{t.says}</pre>
      <pre class="code" tabIndex={0} dir="auto" aria-label="What it says now">{t.new_says}</pre>
      {mayEdit() ? <div class="actions"><Button kind="main" label={`Accept what ${t.name} says now`} onClick={accept}>Accept what it says now</Button></div> : <p class="soft">Operators answer.</p>}
    </article>
  );
}

// Card is one that waits: what it does, what is in it, and the answers.
function Card({ a, again }: { a: Approval; again: () => void }) {
  const whole = useLoad<Approval>(`approval ${a.id}`, (s) => get(`/approvals/${enc(a.id)}`, s));
  return (
    <article class="approval" aria-label={does(a)}>
      <div class="cardhead"><Logo id={a.connector} /><h3 class="grow" dir="auto">{a.kind === 'proposal' && 'Proposes the rule '}<a href={href('approvals', a.id)}>{does(a)}</a></h3><span class="tag">{a.effect}</span></div>
      <p class="soft" dir="auto"><strong>{a.agent}</strong> with {a.connector}: {a.account} · asked <Time at={a.requested_at} /> · open until <Time at={a.expires_at} /></p>
      <Inside a={whole.data || a} />
      <Answers a={a} done={again} />
    </article>
  );
}

// Inside is what is in the request, as text.
function Inside({ a }: { a: Approval }) {
  const p = a.preview;
  if (a.kind === 'proposal') {
    return (
      <>
        {p?.said && <p class="note" role="note" dir="auto">The agent says, and nobody has checked it: “{p.said}”</p>}
        <p class="soft" dir="auto">{a.rule ? <>In its way is the rule <Mono>{a.rule}</Mono></> : 'No rule of the grant allows it.'}</p>
      </>
    );
  }
  return (
    <>
      <p class="mono" dir="auto">{a.method} {a.url}</p>
      {p?.query?.length ? <p class="mono" dir="auto">{p.query.map((q) => `${q.name}=${q.value}`).join('  ')}</p> : null}
      {p?.headers?.length ? <p class="soft mono" dir="auto">{p.headers.map((h) => `${h.name}: ${h.value}`).join('  ')}</p> : null}
      {p?.note && <p class="note" role="note">{p.note}</p>}
      {p?.body && <pre class="code" tabIndex={0} dir="auto" aria-label="The body">{p.body}</pre>}
      {p && p.bytes > 0 && <p class="soft">{bytes(p.bytes)} in the body.</p>}
      <p class="soft" dir="auto">Asked by the rule <Mono>{a.rule}</Mono></p>
    </>
  );
}

const says: Record<string, string> = { once: 'Approve once', minutes: 'For 15 minutes', resource: 'For 8 hours on this resource', rule: 'Always, as a rule' };
const means: Record<string, string> = {
  once: 'It goes through one time.', minutes: 'The same goes through for 15 minutes, whatever is in the body.', resource: 'What this rule asks about with the same effect goes through on this resource, for 8 hours.',
};

function Answers({ a, done }: { a: Approval; done: () => void }) {
  const [no, setNo] = useState(false);
  const [reason, setReason] = useState('');
  const [line, setLine] = useState<string | null>(null);
  if (!mayEdit()) return <p class="soft">Operators answer.</p>;
  const yes = async (scope: string) => { await call('POST', `/approvals/${enc(a.id)}/approve`, { scope }); notice('It is approved.'); done(); };
  const accept = async (rule: string) => { await call('POST', `/approvals/${enc(a.id)}/approve`, { scope: 'rule', ...(rule !== a.allows && { rule }) }); notice('The rule is in the grant.'); done(); };
  const deny = async () => { await call('POST', `/approvals/${enc(a.id)}/deny`, { reason: reason.trim() }); notice('It is denied.'); done(); };
  return (
    <div class="answers">
      <div class="actions">
        {a.kind === 'proposal' && <Button kind="main" label={`Accept: ${does(a)}`} onClick={() => accept(a.allows || '')}>Accept</Button>}
        {a.kind === 'proposal' && line === null && <Button label={`Narrow: ${does(a)}`} onClick={() => setLine(a.allows || '')}>Narrow</Button>}
        {a.kind !== 'proposal' && a.scopes.map((s) => (
          <Button key={s} kind={s === 'once' ? 'main' : undefined} label={`${says[s]}: ${does(a)}`} onClick={() => (s === 'once' ? yes(s)
            : sure(`${says[s]}?`, s === 'rule' ? <>The grant gets the rule <Mono>{a.allows}</Mono> before the one that asked.</> : means[s], 'Approve', () => yes(s), false))}>{says[s]}</Button>
        ))}
        {!no && <Button kind="danger" label={`Deny: ${does(a)}`} onClick={() => setNo(true)}>Deny</Button>}
      </div>
      {line !== null && <form class="form inline" onSubmit={(e) => { e.preventDefault(); accept(line.trim()).catch((p) => notice(p.message)); }}>
        <Field label="Rule" value={line} set={setLine} mono focus hint="It must not permit more than what is proposed; it may say ask." />
        <div class="actions"><Button kind="main" onClick={() => accept(line.trim())}>Accept this</Button><Button onClick={() => setLine(null)}>Cancel</Button></div>
      </form>}
      {no && <form class="form inline" onSubmit={(e) => { e.preventDefault(); deny().catch((p) => notice(p.message)); }}>
        <Field label="Why" value={reason} set={setReason} optional max={500} focus hint="The agent is told." />
        <div class="actions"><Button kind="danger" onClick={deny}>Deny</Button><Button onClick={() => setNo(false)}>Cancel</Button></div>
      </form>}
    </div>
  );
}

export function ApprovalPage({ id }: { id: string }) {
  const o = useLoad<Approval>(`approval ${id}`, (s) => get(`/approvals/${enc(id)}`, s), 3000);
  return (
    <Page title="Approval" back={[href('approvals'), 'Approvals']}>
      <Show of={o} what="The approval">{(a) => (
        <Section title={does(a)} actions={<State of={a.state} />}>
          <Facts of={[
            ['Agent', <a href={href('agents', a.agent_id)} dir="auto">{a.agent}</a>], ['Account', `${a.connector}: ${a.account}`], ['Effect', a.effect], ['Resource', a.resource && <Mono>{a.resource}</Mono>],
            ['Asked', <Time at={a.requested_at} />], ['Until', <Time at={a.expires_at} />], ['By', a.decided_by], ['For', a.scope && says[a.scope]], ['Reason', a.reason], ['Used', a.used_at && <Time at={a.used_at} />], ['Id', <Mono>{a.id}</Mono>],
          ]} />
          <Inside a={a} />
          {a.state === 'pending' && <Answers a={a} done={o.reload} />}
          {a.state === 'approved' && a.kind !== 'proposal' && mayEdit() && <div class="actions"><Button kind="danger" onClick={() => sure('Take the yes back?', 'From now on it is refused.', 'Take back', async () => { await call('POST', `/approvals/${enc(a.id)}/take-back`, {}); notice('It is taken back.'); o.reload(); })}>Take back</Button></div>}
          {a.grant_id && a.agent_id.startsWith('agt_') && <Link small href={href('agents', a.agent_id)}>The agent’s grants</Link>}
        </Section>
      )}</Show>
    </Page>
  );
}
