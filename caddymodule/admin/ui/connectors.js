import { get, query } from './api.js';
import { apps } from './apps.js';
import { el, table, row, pages, labelled } from './dom.js';

export async function connectors(main, key) {
  if (key) return connector(main, key);
  let q = '';
  const list = el('div');
  const load = async () => list.replaceChildren(await pages((after) => get(`/connectors${query({ q, after })}`),
    (items, box) => box.append(table(['Connector', 'Category', 'Type', 'Hosts', ''], items.map((c) => row(
      el('a', { href: `#/connectors/${encodeURIComponent(c.key)}` }, c.title), c.category || '', c.type,
      el('span', { className: 'mono' }, c.hosts.slice(0, 3).join(' ') + (c.hosts.length > 3 ? ' …' : '')), c.custom ? `custom, ${c.state}` : '')), 'No connectors.'))));
  main.replaceChildren(el('h2', {}, 'Connectors'), el('div', { className: 'bar' },
    labelled('Search', el('input', { type: 'search', oninput: (e) => { q = e.target.value.trim(); load(); } }))), list);
  await load();
}

async function connector(main, key) {
  const [c, meta] = await Promise.all([get(`/connectors/${encodeURIComponent(key)}`), get(`/connectors/${encodeURIComponent(key)}/metadata`).catch(() => ({ options: [] }))]);
  const facts = [['Key', c.key], ['State', c.state + (c.last_error ? `: ${c.last_error}` : '')], ['Hosts', c.hosts.join(' ')], ['Base URL', c.base_url || '–'],
    ['Documentation', c.docs?.startsWith('https://') ? el('a', { href: c.docs, target: '_blank', rel: 'noreferrer' }, c.docs) : '–']];
  main.replaceChildren(el('h2', {}, c.title), el('dl', {}, facts.flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, v)])),
    el('h3', {}, 'Ways to connect'), table(['Name', 'Type', 'How', 'Fields'], meta.options.map((o) => row(o.title || o.name, o.type, o.flow, o.schema['x-order'].join(', ') || '–')), 'None.'),
    ...(meta.options.some((o) => o.type === 'OAUTH2' || o.type === 'OAUTH1' || o.type === 'MCP') ? await apps(key, () => connector(main, key)) : []),
    ...(c.definition ? [el('h3', {}, 'Definition'), el('pre', { className: 'mono' }, c.definition)] : []));
}
