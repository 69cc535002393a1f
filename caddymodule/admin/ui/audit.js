import { get, query, follow } from './api.js';
import { el, table, row, named, when, pages, labelled, notice } from './dom.js';

const kinds = ['use', 'refusal', 'refresh', 'state', 'admin', 'system'];
const heads = ['When', 'Kind', 'What', 'Who', 'Connector', 'Request', 'Status'];

const line = (e) => row(when(e.at), e.kind, [e.code || '', e.detail ? el('div', { className: 'soft' }, e.detail) : null].filter(Boolean),
  e.actor || e.agent_id || e.actor_kind || '', e.connector || '', el('span', { className: 'mono' }, e.method ? `${e.method} ${e.host || ''}${e.path || ''}` : ''),
  e.status ? String(e.status) : '');

export async function audit(main) {
  let stop = new AbortController();
  const filter = { kind: '' };
  const list = el('div');
  const live = el('input', { type: 'checkbox' });
  const load = async () => {
    stop.abort();
    stop = new AbortController();
    list.replaceChildren(await pages((after) => get(`/audit${query({ ...filter, after })}`), (items, box) => box.append(table(heads, items.map(line), 'Nothing happened yet.'))));
    if (live.checked) {
      follow(`/events${query(filter)}`, stop.signal, (e) => list.querySelector('tbody')?.prepend(named(line(e), heads)))
        .catch((err) => { if (err.name !== 'AbortError') notice('The live view ended.', true); });
    }
  };
  live.addEventListener('change', load);
  main.replaceChildren(el('h2', {}, 'Audit'), el('div', { className: 'bar' },
    labelled('Kind', el('select', { onchange: (e) => { filter.kind = e.target.value; load(); } }, el('option', { value: '' }, 'any'), kinds.map((k) => el('option', { value: k }, k)))),
    el('label', {}, 'Live ', live)), list);
  await load();
  return () => stop.abort();
}
