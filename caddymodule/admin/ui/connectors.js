import { call, get, query, session } from './api.js';
import { apps } from './apps.js';
import { connectorForm, newConnector } from './connectorform.js';
import { el, button, sure, table, row, pages, labelled } from './dom.js';

const mayEdit = () => session.me.role !== 'viewer' && session.me.organisation === '*';
const open = (c) => { location.hash = c ? `#/connectors/${encodeURIComponent(c.key)}` : '#/connectors'; };

export async function connectors(main, key) {
  if (key === 'new') return newConnector(main, open);
  if (key) return connector(main, key);
  let q = '';
  const list = el('div');
  const load = async () => list.replaceChildren(await pages((after) => get(`/connectors${query({ q, after })}`),
    (items, box) => box.append(table(['Connector', 'Category', 'Type', 'Hosts', ''], items.map((c) => row(
      el('a', { href: `#/connectors/${encodeURIComponent(c.key)}` }, c.title), c.category || '', c.type,
      el('span', { className: 'mono' }, c.hosts.slice(0, 3).join(' ') + (c.hosts.length > 3 ? ' …' : '')), c.custom ? `custom, ${c.state}` : '')), q ? 'No connector is called so.' : 'No connectors.'))));
  main.replaceChildren(el('h2', {}, 'Connectors'), el('div', { className: 'bar' },
    labelled('Search', el('input', { type: 'search', oninput: (e) => { q = e.target.value.trim(); load(); } })),
    mayEdit() && button('New connector', () => { location.hash = '#/connectors/new'; }, 'main')), list);
  await load();
}

async function connector(main, key) {
  const path = `/connectors/${encodeURIComponent(key)}`;
  const c = await get(path);
  const meta = c.state === 'active' ? await get(`${path}/metadata`) : { options: [] };
  const facts = [['Key', c.key], ['State', c.state + (c.last_error ? `: ${c.last_error}` : '')], ['Hosts', c.hosts.join(' ')], ['Base URL', c.base_url || '–'],
    ['Documentation', c.docs?.startsWith('https://') ? el('a', { href: c.docs, target: '_blank', rel: 'noreferrer' }, c.docs) : '–']];
  const again = () => connector(main, key);
  const edits = c.custom && mayEdit() ? [el('div', { className: 'actions' },
    button('Edit', () => connectorForm(main, c, again)),
    button(c.active ? 'Switch off' : 'Switch on', async () => { await call('PATCH', path, { active: !c.active, version: c.version }); await again(); }),
    sure('Delete', 'Delete the connector, with the account that its form made?', async () => { await call('DELETE', path); open(); }))] : [];
  main.replaceChildren(el('h2', {}, c.title), ...edits, el('dl', {}, facts.flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, v)])),
    el('h3', {}, 'Ways to connect'), table(['Name', 'Type', 'How', 'Fields'], meta.options.map((o) => row(o.title || o.name, o.type, o.flow, o.schema['x-order'].join(', ') || '–')), c.state === 'active' ? 'None.' : 'None while it is switched off or in error.'),
    ...(meta.options.some((o) => o.type === 'OAUTH2' || o.type === 'OAUTH1' || o.type === 'MCP') ? await apps(key, () => connector(main, key)) : []),
    ...(c.definition ? [el('h3', {}, 'Definition'), el('pre', { className: 'mono' }, c.definition)] : []));
}
