// How budgets stand: what was used of them, and when they begin anew.
import { get, query } from './api';
import { useLoad } from './load';
import { href } from './router';
import { Section, State, Time } from './ui';
import { bytes } from './words';
import type { Budget, List } from './types';

// warnFrom is how much of a budget is used when people are told.
const warnFrom = 0.8;

const share = (b: Budget) => (b.most ? b.used / b.most : 1);
const used = (b: Budget) => (b.currency ? b.shown : / bytes /.test(b.budget) ? bytes(b.used) : b.used.toLocaleString('en'));
const stands = (b: Budget) => (share(b) >= 1 ? 'full' : share(b) >= warnFrom ? 'nearly' : '');

// of is the owner as its page has it; a grant has none of its own.
const whose = (b: Budget) => (b.owner_kind === 'grant' ? <>Access: {b.owner.replace(/^\S+ \((.*)\)$/, '$1')}</> : <a href={href(`${b.owner_kind}s`, b.owner_id)} dir="auto">{b.owner}</a>);

function Lines({ of, owners }: { of: Budget[]; owners: boolean }) {
  return (
    <ul class="tops budgets">{of.map((b) => (
      <li key={`${b.owner_id} ${b.budget}`}>
        <span>{(owners || b.owner_kind === 'grant') && <>{whose(b)}: </>}{b.budget}</span>
        <span class="num">{stands(b) ? <State of={stands(b)} /> : `${Math.floor(share(b) * 100)} %`}</span>
        <progress class={stands(b)} max={1} value={Math.min(share(b), 1)} aria-label={`${b.budget}: ${used(b)} used`} />
        <span class="soft">{used(b)} used; begins anew <Time at={b.resets_at} /></span>
      </li>))}</ul>
  );
}

// Budgets are those of one agent or account, and of the grants that go with it; nothing
// where there are none.
export function Budgets({ of }: { of: { agent_id: string } | { account_id: string } }) {
  const b = useLoad<List<Budget>>(`budgets ${JSON.stringify(of)}`, (s) => get(`/budgets${query(of)}`, s), 15_000);
  if (!b.data?.items.length) return null;
  return <Section title="Budgets"><Lines of={b.data.items} owners={false} /></Section>;
}

const shown = 6;

// Fullest are the budgets of which most is used.
export function Fullest() {
  const b = useLoad<List<Budget>>('budgets', (s) => get('/budgets', s), 60_000);
  if (!b.data?.items.length) return null;
  const fullest = [...b.data.items].sort((x, y) => share(y) - share(x)).slice(0, shown);
  return <Section title="Budgets" lead="Those of which most is used."><Lines of={fullest} owners /></Section>;
}
