import { call, get, query, session } from './api.js';
import { connectButtons } from './connect.js';
import { el, button, sure, table, row, state, when, pages, notice, labelled, busy } from './dom.js';

const states = ['pending', 'active', 'expired', 'revoked', 'error', 'suspended'];
const revoked = {
  revoked: 'It is disconnected, here and at the service.',
  cannot_revoke: 'It is disconnected here. The service has no way to revoke: remove the access in its own settings.',
  failed: 'It is disconnected here. The service did not confirm; its tokens may work there until they end.',
};
const deleted = {
  revoked: 'It is deleted, and the service has forgotten its tokens.',
  cannot_revoke: 'It is deleted. The service has no way to revoke: remove the access in its own settings.',
  failed: 'It is deleted. The service did not confirm that it forgot its tokens; they may work there until they end.',
};
const mayEdit = () => session.me.role !== 'viewer';
const owner = (a) => (a.identifier && a.identifier !== a.organisation ? `${a.identifier} (${a.organisation})` : a.organisation);

export async function accounts(main, id) {
  if (id === 'new') return connect(main);
  if (id) return account(main, id);
  const filter = { connector: '', state: '' };
  const list = el('div');
  const load = async () => list.replaceChildren(await pages(
    (after) => get(`/accounts${query({ ...filter, after })}`),
    (items, box) => box.append(table(['Connector', 'Name', 'Owner', 'State', 'Last used'], items.map((a) => row(
      a.connector, el('a', { href: `#/accounts/${encodeURIComponent(a.id)}` }, a.name),
      owner(a), state(a.state), when(a.last_used_at))), 'No accounts.'))));
  main.replaceChildren(el('h2', {}, 'Accounts'), el('div', { className: 'bar' },
    labelled('Connector', el('input', { onchange: (e) => { filter.connector = e.target.value.trim(); load(); } })),
    labelled('State', el('select', { onchange: (e) => { filter.state = e.target.value; load(); } },
      el('option', { value: '' }, 'any'), states.map((s) => el('option', { value: s }, s)))),
    mayEdit() && el('button', { type: 'button', className: 'main', onclick: () => { location.hash = '#/accounts/new'; } }, 'Connect an account')), list);
  await load();
}

// connect asks for what the connector's metadata says.
async function connect(main) {
  const all = (await get('/connectors/metadata')).items;
  const pick = el('input', { list: 'connectors', required: true, autocomplete: 'off' });
  const fields = el('div', { className: 'panel', hidden: true });
  const go = el('button', { className: 'main' }, 'Test and connect');
  const untested = el('input', { type: 'checkbox', onchange: () => { go.textContent = untested.checked ? 'Store' : 'Test and connect'; } });
  const form = el('form', { className: 'panel' }, labelled('Connector', pick),
    el('datalist', { id: 'connectors' }, all.map((c) => el('option', { value: c.key }, c.title))),
    labelled('Name', el('input', { name: 'name', placeholder: 'default', maxLength: 128 })),
    labelled('Owner', el('input', { name: 'identifier', placeholder: 'the organisation', maxLength: 128 })),
    fields, el('label', {}, 'Store without a test ', untested), el('div', { className: 'actions' }, go,
      el('button', { type: 'button', onclick: () => { location.hash = '#/accounts'; } }, 'Cancel')));
  let chosen, option;
  const ask = () => {
    fields.hidden = !chosen;
    if (!chosen) return;
    const way = el('select', { onchange: (e) => { option = chosen.options[e.target.selectedIndex]; ask(); } },
      chosen.options.map((o) => el('option', { selected: o === option }, o.title || o.name)));
    fields.replaceChildren(labelled('How', way), ...inputs(option));
  };
  pick.addEventListener('change', () => {
    chosen = all.find((c) => c.key === pick.value);
    option = chosen?.options[0];
    ask();
  });
  form.addEventListener('submit', (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      if (!chosen) throw new Error('There is no such connector.');
      const credentials = {};
      for (const i of fields.querySelectorAll('[data-field]')) if (i.value) credentials[i.dataset.field] = i.value;
      const made = await make({ connector: chosen.key, option: option.name, credentials, test: !untested.checked,
        ...(form.elements.name.value && { name: form.elements.name.value }),
        ...(form.elements.identifier.value && { identifier: form.elements.identifier.value }) });
      notice(`The account is ${made.state}.`);
      location.hash = `#/accounts/${made.id}`;
    });
  });
  main.replaceChildren(el('h2', {}, 'Connect an account'), form);
  pick.focus();
}

// make stores an account, and says in the form's words how to do without a test.
async function make(body) {
  try {
    return await call('POST', '/accounts', body, { 'Idempotency-Key': crypto.randomUUID() });
  } catch (err) {
    if (err.code === 'TEST_FAILED') err.message = `${err.message.split(' Nothing was stored.')[0]} Nothing was stored. Try again, or tick “Store without a test”.`;
    throw err;
  }
}

// inputs are the fields of an option's JSON Schema.
function inputs(option) {
  const out = option.schema['x-order'].map((name) => {
    const f = option.schema.properties[name];
    const required = option.schema.required.includes(name);
    const common = { 'data-field': name, required, value: f.default || '' };
    const input = f.enum ? el('select', common, f.enum.map((v) => el('option', { value: v }, v)))
      : f.writeOnly ? el('input', { ...common, type: 'password', autocomplete: 'off' })
        : el('input', { ...common, type: f.format === 'email' ? 'email' : 'text', autocomplete: 'off' });
    return labelled(f.title + (required ? '' : ' (optional)') + (f.description ? ` – ${f.description}` : ''), input);
  });
  if (option.help?.startsWith('https://')) out.push(el('a', { href: option.help, target: '_blank', rel: 'noreferrer' }, 'Where to get it'));
  if (option.flow !== 'credentials') out.push(el('span', { className: 'soft' }, 'A person signs in at the service next; the account waits until then.'));
  return out;
}

async function account(main, id) {
  const path = `/accounts/${encodeURIComponent(id)}`;
  const a = await get(path);
  const again = () => account(main, id);
  const act = (name, text, done) => button(text, async () => { const r = await call('POST', `${path}/${name}`); notice(done(r)); await again(); });
  const facts = [['State', [state(a.state), a.state_reason ? ` · ${[a.state_reason.code, a.state_reason.detail].filter(Boolean).join(': ')}` : '']],
    ['Connector', `${a.connector} (${a.option || ''})`], ['Owner', owner(a)],
    ['At the service', a.provider ? [a.provider.label, a.provider.email, a.provider.id].filter(Boolean).join(' · ') : '–'],
    ['Token ends', when(a.expires_at)], ['Last used', when(a.last_used_at)], ['Scopes', (a.scopes || []).join(' ') || '–'],
    ...(a.secrets || []).map((s) => [s.field, el('span', { className: 'mono' }, `${s.last4 ? `…${s.last4} ` : ''}${s.fingerprint}`)])];
  const parts = [el('h2', {}, `${a.connector}: ${a.name}`), el('dl', {}, facts.flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, v)]))];
  if (a.read_only) parts.push(el('p', { className: 'soft' }, 'Declared in the configuration file; edit it there.'));
  else {
    if (mayEdit()) {
      const connecting = connectButtons(a, again);
      parts.push(el('h3', {}, 'Do'), el('div', { className: 'actions' },
        a.state !== 'suspended' && !a.test_mode && connecting.buttons,
        a.state !== 'revoked' && a.state !== 'suspended' && act('test', 'Test', (r) => (r.ok ? 'The service takes its credentials.' : r.error || 'The test failed.')),
        a.secrets && ['pending', 'error'].includes(a.state) && act('activate', 'Use without a test', (r) => `It is ${r.state}.`),
        a.state === 'suspended' ? act('resume', 'Resume', (r) => `It is ${r.state}.`) : a.state !== 'revoked' && act('suspend', 'Suspend', (r) => `It is ${r.state}.`),
        a.expires_at && act('refresh', 'Refresh the token', () => 'It has a new token.'),
        a.state !== 'revoked' && sure('Revoke', 'Delete its secrets, and take them back at the service?', async () => { notice(revoked[(await call('POST', `${path}/revoke`)).at_service]); await again(); }),
        sure('Delete', 'Delete the account with its grants and usage, and take its tokens back at the service?', async () => { notice(deleted[(await call('DELETE', path)).at_service] || 'It is deleted.'); location.hash = '#/accounts'; })), connecting.box);
    }
    if (mayEdit()) parts.push(...settings(path, a, again));
    parts.push(...await reports(path));
  }
  main.replaceChildren(...parts);
}

// settings is what an operator sets for an account.
function settings(path, a, again) {
  const number = (value, max, step) => el('input', { type: 'number', min: 0, max, step, value, required: true });
  const rate = number(a.settings.rate_limit, 1000000, 1);
  const timeout = number(a.settings.timeout, 3600, 'any');
  const retries = number(a.settings.retry_attempts, 10, 1);
  const refresh = el('input', { type: 'checkbox', checked: a.settings.auto_refresh });
  return [el('h3', {}, 'Settings'), el('form', { className: 'bar', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      await call('PATCH', path, { settings: { rate_limit: Number(rate.value), timeout: Number(timeout.value), retry_attempts: Number(retries.value), auto_refresh: refresh.checked }, version: a.version });
      notice('It holds from the next call on.');
      await again();
    });
  } }, labelled('Calls per minute (0: no limit)', rate), labelled('Seconds until an answer begins (0: the default)', timeout), labelled('Repeat calls that failed, times', retries),
  el('label', {}, 'Refresh its token by itself ', refresh), el('button', {}, 'Save'))];
}

async function reports(path) {
  const [health, usage] = await Promise.all([get(`${path}/health`), get(`${path}/usage`)]);
  const percent = (x) => `${Math.round(x * 1000) / 10} %`;
  return [el('h3', {}, 'The last seven days'), el('dl', {}, [['Calls', health.calls], ['Errors', percent(health.api_error_rate)],
    ['Authenticated', percent(health.auth_success_rate)], ['Last error', health.last_error ? `${health.last_error} (${when(health.last_error_at)})` : '–']]
    .flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, String(v))])),
  el('h3', {}, 'Used for'), table(['Path', 'Calls'], usage.paths.map((p) => row(el('span', { className: 'mono' }, p.path), String(p.calls))), 'Nothing yet.')];
}
