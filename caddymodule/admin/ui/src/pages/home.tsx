import { get } from '../api';
import { Fullest } from '../budgets';
import { Bars, Tops } from '../charts';
import { Commands } from '../commands';
import { useLoad } from '../load';
import { href } from '../router';
import { Empty, Icon, Link, Logo, mayEdit, Page, Section, Show, State, Time } from '../ui';
import type { Overview } from '../types';
import { count, headline, millis, percent, plural, why } from '../words';

export function Home() {
  const o = useLoad<Overview>('overview', (s) => get('/overview', s), 5000);
  return (
    <Page title="Home" actions={mayEdit() && <Link kind="main" href={href('connect')}>Connect a service</Link>}>
      <Show of={o} what="The overview">{(d) => (d.called ? <Numbers d={d} /> : <First d={d} />)}</Show>
    </Page>
  );
}

// First are the steps until an agent's first call, each ticked by itself.
function First({ d }: { d: Overview }) {
  const accounts = Object.values(d.accounts).reduce((a, b) => a + b, 0);
  const steps: [boolean, string, string, [string, string]?][] = [
    [(d.accounts.active || 0) > 0, 'Connect a service', accounts && !d.accounts.active ? 'An account is there, and waits to be connected.' : 'Paste a key, or sign in at the service. Attaché keeps it; no agent ever sees it.', accounts && !d.accounts.active ? ['Open accounts', href('accounts')] : ['Connect', href('connect')]],
    [d.agents > 0, 'Create an agent', 'An agent is whoever calls through the proxy: a program, a model, a script. It gets a token that opens nothing but the proxy.', ['Create an agent', href('agents')]],
    [d.grants > 0, 'Give it access', 'Say which account it may use, and whether it may change things or only read.', ['Give access', href('agents')]],
    [false, 'Make the first call', 'Paste this where the agent runs. This page turns to numbers as soon as the call arrives.'],
  ];
  const next = steps.findIndex(([done]) => !done);
  return (
    <>
      <Section title="First steps" lead="Four steps until an agent’s first call. Each ticks by itself.">
        <ol class="steps">
          {steps.map(([done, title, text, link], i) => (
            <li key={title} class={done ? 'done' : i === next ? 'next' : ''} aria-current={i === next ? 'step' : undefined}>
              <span class="mark" aria-hidden="true">{done ? <Icon name="check" /> : i + 1}</span>
              <div class="step"><h3>{title}{done && <span class="hidden"> (done)</span>}</h3><p class="soft">{text}</p>
                {link && !done && mayEdit() && <Link small kind={i === next ? 'main' : undefined} href={link[1]}>{link[0]}</Link>}
                {i === 3 && <Commands />}</div>
            </li>
          ))}
        </ol>
      </Section>
      <Needs d={d} />
    </>
  );
}

function Numbers({ d }: { d: Overview }) {
  const accounts = Object.values(d.accounts).reduce((a, b) => a + b, 0);
  return (
    <>
      <Needs d={d} />
      <div class="tiles" role="group" aria-label="The last 24 hours">
        <Tile name="Calls, 24 h" value={count(d.calls)} href={href('audit')} />
        <Tile name="Failed" value={percent(d.errors, d.calls)} note={plural(d.errors, 'call')} bad={d.errors > d.calls / 20} href={`${href('audit')}?outcome=failed`} />
        <Tile name="Refused" value={count(d.refusals)} href={`${href('audit')}?outcome=refused`} />
        <Tile name="95 % within" value={d.p95_ms ? millis(d.p95_ms) : '–'} note={d.p50_ms ? `half within ${millis(d.p50_ms)}` : ''} />
        <Tile name="Refreshes failed" value={count(d.refresh_failures)} note={`of ${count(d.refreshes + d.refresh_failures)}`} bad={d.refresh_failures > 0} href={`${href('audit')}?kind=refresh&outcome=failed`} />
        <Tile name="Accounts" value={count(accounts)} note={`${count(d.accounts.active || 0)} active`} href={href('accounts')} />
        <Tile name="Agents" value={count(d.agents)} note={plural(d.grants, 'grant')} href={href('agents')} />
      </div>
      <div class="columns">
        <Section title="Calls by hour"><Bars slots={d.hours} unit="hour" label="Calls in the last 24 hours" /></Section>
        <Section title="Calls by day"><Bars slots={d.days} unit="day" label="Calls in the last 14 days" /></Section>
        <Section title="Connectors used most" lead="Today and yesterday.">{d.connectors.length ? <Tops of={d.connectors} href={(t) => href('connectors', t.id)} name={(t) => t.title || t.id} /> : <Empty title="None lately." />}</Section>
        <Section title="Agents that call most" lead="Today and yesterday.">{d.agents_by_calls.length ? <Tops of={d.agents_by_calls} href={(t) => href('agents', t.id)} name={(t) => t.title || t.id} /> : <Empty title="None lately." />}</Section>
        <Fullest />
        <Section title="Refused lately" actions={<Link small href={`${href('audit')}?outcome=refused`}>All</Link>}>
          {d.refused.length ? <ul class="lines under">{d.refused.map((e) => (
            <li key={e.id}><a href={`${href('audit')}?outcome=refused&open=${e.id}`} dir="auto">{headline(e)}</a><span class="soft" dir="auto">{[e.actor, e.connector, e.host].filter(Boolean).join(' · ')}</span><Time at={e.at} /></li>))}</ul>
            : <Empty title="Nothing was refused." />}
        </Section>
        <Section title="Ending soon" lead="Sign-ins that end within a week and cannot renew themselves.">
          {d.ending.length ? <ul class="lines">{d.ending.map((a) => <li key={a.id}><a href={href('accounts', a.id)} dir="auto">{a.connector}: {a.name}</a><Time at={a.expires_at} /></li>)}</ul> : <Empty title="None." />}
        </Section>
      </div>
    </>
  );
}

// Needs is what a person has to do something about.
function Needs({ d }: { d: Overview }) {
  if (!d.needs.length && !d.approvals) return null;
  const more = ['expired', 'error'].reduce((n, s) => n + (d.accounts[s] || 0), 0) - d.needs.length;
  return (
    <Section title="Needs a person" actions={more > 0 && <Link small href={`${href('accounts')}?state=expired,error`}>{`${count(more)} more`}</Link>}>
      <ul class="needs">
        {d.approvals > 0 && <li key="approvals"><Icon name="approvals" /><div class="grow"><a href={href('approvals')}>{plural(d.approvals, 'approval')}</a><p class="soft">{d.approvals === 1 ? 'A request waits' : 'Requests wait'} until somebody says yes or no.</p></div><State of="pending" /></li>}
        {d.needs.map((a) => (
        <li key={a.id}><Logo id={a.connector} /><div class="grow"><a href={href('accounts', a.id)} dir="auto">{a.connector}: {a.name}</a><p class="soft" dir="auto">{why(a)}</p></div><State of={a.state} /><Time at={a.state_since} /></li>
        ))}
      </ul>
    </Section>
  );
}

function Tile({ name, value, note, bad, href: to }: { name: string; value: string; note?: string; bad?: boolean; href?: string }) {
  const inner = <><span class="name">{name}</span><span class={bad ? 'value badtext' : 'value'}>{value}</span><span class="soft">{note || ' '}</span></>;
  return to ? <a class="tile" href={to}>{inner}</a> : <div class="tile">{inner}</div>;
}
