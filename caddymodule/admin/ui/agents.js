import { call, get, query, session } from './api.js';
import { el, button, sure, table, row, when, pages, notice, once, labelled, busy } from './dom.js';

const mayEdit = () => session.me.role !== 'viewer';

export async function agents(main, id) {
  if (id) return agent(main, id);
  const list = await pages((after) => get(`/agents${query({ after })}`),
    (items, box) => box.append(table(['Name', 'Organisation', 'Connectors', ''], items.map((a) => row(
      el('a', { href: `#/agents/${encodeURIComponent(a.id)}` }, a.name), a.organisation, a.connectors ? a.connectors.join(', ') : 'any',
      a.read_only ? 'declared' : a.disabled ? 'disabled' : '')), 'No agents.')));
  const name = el('input', { required: true, maxLength: 128, pattern: '[^+:\\/@ ]+', title: 'No + : / @ or spaces' });
  const shown = el('div');
  const form = mayEdit() && el('form', { className: 'bar', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      const made = await call('POST', '/agents', { name: name.value });
      shown.replaceChildren(once(`Token of ${made.name}`, made.token, () => { location.hash = `#/agents/${made.id}`; }));
      name.value = '';
    });
  } }, labelled('New agent', name), el('button', { className: 'main' }, 'Make'));
  main.replaceChildren(...[el('h2', {}, 'Agents'), form, shown, list].filter(Boolean));
}

async function agent(main, id) {
  const path = `/agents/${encodeURIComponent(id)}`;
  const a = await get(path);
  const again = () => agent(main, id);
  const [tokens, grants, accounts] = await Promise.all([
    a.read_only ? { items: [] } : get(`${path}/tokens`), get(`${path}/grants?limit=500`), get('/accounts?limit=500')]);
  const byID = Object.fromEntries(accounts.items.map((x) => [x.id, x]));
  const shown = el('div');
  const parts = [el('h2', {}, a.name), el('p', { className: 'soft' }, `${a.organisation}${a.description ? ` · ${a.description}` : ''}`), shown,
    el('h3', {}, 'May use'), table(['Connector', 'Account', 'Scopes', 'Rules', 'Until', ''], grants.items.map((g) => row(
      g.connector, byID[g.account_id]?.name || g.account_id || 'every account', g.scopes.join(', '),
      (g.rules || []).map((r) => `${(r.methods || ['any']).join(',')} ${(r.hosts || []).join(',')}${r.path || ''}`).join('; '), when(g.expires_at),
      g.read_only ? 'declared' : mayEdit() && sure('Take away', `${a.name} may no longer use it?`, async () => { await call('DELETE', `${path}/grants/${g.id}`); await again(); }))), 'Nothing.')];
  if (mayEdit()) {
    parts.push(grantForm(path, a, accounts.items, again));
    if (!a.read_only) parts.push(...allowed(path, a, again), ...tokenParts(path, tokens.items, shown, again), ...agentActions(path, a, again));
  }
  main.replaceChildren(...parts);
}

function grantForm(path, a, accounts, again) {
  const account = el('select', { required: true }, accounts.filter((x) => !x.read_only && x.organisation === a.organisation)
    .map((x) => el('option', { value: x.id }, `${x.connector}: ${x.name}`)));
  const scopes = el('select', {}, el('option', { value: 'read' }, 'read'), el('option', { value: 'read write' }, 'read and write'));
  const until = el('input', { type: 'datetime-local' });
  const methods = el('input', { placeholder: 'any: GET POST', autocomplete: 'off' });
  const at = el('input', { placeholder: 'any: /v1/orders/**', autocomplete: 'off', pattern: '/.*', title: 'A path: * is one segment, ** at the end is any rest' });
  const rule = () => ({ ...(methods.value.trim() && { methods: methods.value.toUpperCase().split(/[\s,]+/).filter(Boolean) }), ...(at.value.trim() && { path: at.value.trim() }) });
  return el('form', { className: 'bar', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      await call('POST', `${path}/grants`, { account_id: account.value, scopes: scopes.value.split(' '),
        ...(until.value && { expires_at: new Date(until.value).toISOString() }), ...(Object.keys(rule()).length && { rules: [rule()] }) });
      await again();
    });
  } }, labelled('Account', account), labelled('For', scopes), labelled('Until', until), labelled('Methods', methods), labelled('Path', at), el('button', { className: 'main' }, 'Grant'));
}

function tokenParts(path, tokens, shown, again) {
  return [el('h3', {}, 'Tokens'), table(['Name', 'Ends with', 'Made', 'Until', ''], tokens.map((t) => row(t.name, el('span', { className: 'mono' }, `…${t.last4}`),
    when(t.created_at), when(t.expires_at), sure('End', 'Whoever uses this token is locked out at once. End it?', async () => { await call('DELETE', `${path}/tokens/${t.id}`); await again(); }))), 'None.'),
  el('div', { className: 'actions' }, button('Another token', async () => {
    const made = await call('POST', `${path}/tokens`, { name: `made ${new Date().toISOString().slice(0, 10)}` });
    shown.replaceChildren(once('A further token', made.token, again));
  }))];
}

// allowed are the only connectors that the agent may use, whatever it was granted.
function allowed(path, a, again) {
  const keys = el('input', { value: (a.connectors || []).join(' '), placeholder: 'any', autocomplete: 'off', spellcheck: false });
  return [el('h3', {}, 'Only these connectors'), el('form', { className: 'bar', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      const list = keys.value.split(/[\s,]+/).filter(Boolean);
      await call('PUT', `${path}/connectors`, { connectors: list.length ? list : null });
      notice('It holds from the next call on.');
      await again();
    });
  } }, labelled('Keys, separated by spaces (empty: any)', keys), el('button', {}, 'Save'))];
}

const agentActions = (path, a, again) => [el('h3', {}, 'Do'), el('div', { className: 'actions' },
  button(a.disabled ? 'Let it call again' : 'Stop it', async () => { await call('PATCH', path, { disabled: !a.disabled, version: a.version }); await again(); }),
  sure('Delete', `Delete ${a.name} with its tokens and grants?`, async () => { await call('DELETE', path); location.hash = '#/agents'; }))];
