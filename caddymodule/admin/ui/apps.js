import { call, get, query, session } from './api.js';
import { el, table, row, labelled, busy, button, sure, notice } from './dom.js';

// apps shows the OAuth clients of a connector: where to register them, which are
// used, and a form to store one.
export async function apps(key, again) {
  const path = `/connectors/${encodeURIComponent(key)}/app-mode`;
  const [mode, list] = await Promise.all([get(path), get(`/apps${query({ connector: key, limit: '100' })}`)]);
  const may = session.me.role !== 'viewer';
  const words = { auto: 'the organisation’s own, else the operator’s', managed: 'the operator’s', own: 'the organisation’s own' };
  const choose = el('select', { disabled: !may, onchange: (e) => busy(e.target, async () => {
    await call('PUT', path, { mode: e.target.value });
    notice('It holds for accounts that are connected from now on.');
    await again();
  }) }, Object.entries(words).map(([m, text]) => el('option', { value: m, selected: m === mode.mode }, text)));
  const id = el('input', { required: true, autocomplete: 'off', spellcheck: false });
  const secret = el('input', { type: 'password', autocomplete: 'off' });
  const kind = el('select', {}, el('option', { value: 'managed' }, 'the operator’s, for everybody'), el('option', { value: 'own' }, 'of one organisation'));
  const name = el('input', { placeholder: 'default', maxLength: 128 });
  const hosts = el('input', { value: mode.hosts.join(' '), required: mode.open_hosts.length > 0, autocomplete: 'off', spellcheck: false, placeholder: 'login.example.com' });
  const form = el('form', { className: 'panel', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      await call('POST', '/apps', { connector: key, mode: kind.value, client_id: id.value.trim(), ...(name.value && { name: name.value }), ...(hosts.value.trim() && { hosts: hosts.value.trim().split(/[\s,]+/) }),
        ...(secret.value && { secrets: { client_secret: secret.value } }) });
      notice('It is stored; its secret is not shown again.');
      await again();
    });
  } }, labelled('Client ID', id), labelled('Client secret', secret), labelled('It is sent to these hosts, and nowhere else', hosts), labelled('Whose', kind), labelled('Name', name),
  el('div', { className: 'actions' }, el('button', { className: 'main' }, 'Store')));
  return [el('h3', {}, 'OAuth clients'),
    el('p', {}, 'Register a client at the service with this redirect URI: ', el('span', { className: 'mono' }, mode.redirect_uri)),
    labelled('Accounts are connected through', choose),
    table(['Name', 'Client ID', 'Hosts', 'Whose', ''], list.items.map((a) => row(a.name + (a.id === mode.app_id ? ' (used for new accounts)' : '') + (a.active ? '' : ' (off)'),
      el('span', { className: 'mono' }, a.client_id || ''), a.hosts.join(' '), a.mode === 'managed' ? 'operator' : a.organisation,
      may && el('div', { className: 'actions' }, button(a.active ? 'Switch off' : 'Switch on', async () => { await call('PATCH', `/apps/${a.id}`, { active: !a.active }); await again(); }),
        sure('Delete', 'Delete this client? Accounts that were connected through it keep it from being deleted.', async () => { await call('DELETE', `/apps/${a.id}`); await again(); })))), 'None is stored yet.'),
    may && form].filter(Boolean);
}
