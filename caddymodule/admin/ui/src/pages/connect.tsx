// The gallery: everything that can be connected.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { get, query } from '../api';
import { useLoad } from '../load';
import { go, href, remember, route } from '../router';
import { useWindow } from '../table';
import { everywhere, Empty, Field, Link, Logo, mayEdit, Page, Trouble, Loading, Tag } from '../ui';
import type { Connector, List, Usage } from '../types';
import { categoryName, plural, typeName } from '../words';

// everyConnector reads all that there are, however many parts the list has.
export async function everyConnector(q: string, s: AbortSignal): Promise<List<Connector>> {
  const items: Connector[] = [];
  for (let after = ''; ;) {
    const l = await get<List<Connector>>(`/connectors${query({ limit: 1000, q, after })}`, s);
    items.push(...l.items);
    if (!l.next) return { items };
    after = l.next;
  }
}

export function Connect() {
  const asked = route.value.search;
  const [q, setQ] = useState(asked.get('q') || '');
  const [category, setCategory] = useState(asked.get('category') || '');
  const [type, setType] = useState(asked.get('type') || '');
  const [connected, setConnected] = useState(asked.get('connected') || '');
  const search = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => { search.current?.focus(); }, []); // before the first paint: nothing typed after it goes astray
  useEffect(() => { remember({ q, category, type, connected }); }, [q, category, type, connected]);
  const all = useLoad('every', (s) => everyConnector('', s));
  const found = useLoad(`find ${q.trim()}`, async (s) => {
    if (!q.trim()) return null;
    await new Promise((r) => setTimeout(r, 60));
    return s.aborted ? null : everyConnector(q.trim(), s);
  });
  const used = useLoad('connected', (s) => get<List<Usage>>('/usage?kind=connector&days=7', s));
  const counts = useMemo(() => new Map((used.data?.items || []).map((u) => [u.id, u.accounts || 0])), [used.data]);
  // What was found last stays until the next answer is there.
  const last = useRef<Connector[]>([]);
  if (!q.trim()) last.current = all.data?.items || [];
  else if (found.data) last.current = found.data.items;
  const usable = last.current.filter((c) => c.active && c.options.length > 0);
  const shown = usable.filter((c) => (!category || (c.category || '') === category) && (!type || c.options.some((o) => o.type === type))
    && (!connected || (connected === 'yes') === Boolean(counts.get(c.key))));
  const categories = [...new Set((all.data?.items || []).map((c) => c.category || ''))].filter(Boolean).sort();
  const kinds = [...new Set((all.data?.items || []).flatMap((c) => c.options.map((o) => o.type)))].sort();
  const enter = (e: Event) => {
    e.preventDefault();
    if (shown.length && (found.data || !q.trim())) go('connect', shown[0].key);
  };
  return (
    <Page title="Connect" lead="Choose a service. Its key or sign-in is kept here and placed on agents’ calls; no agent sees it."
      actions={mayEdit() && everywhere() && <Link href={href('connectors', 'new')}>New connector</Link>}>
      <form class="filters" role="search" onSubmit={enter}>
        <div class="field grow"><label for="q">Search</label><input id="q" ref={search} type="search" value={q} placeholder="GitHub, api.stripe.com, gogle calender…" autocomplete="off" spellcheck={false} onInput={(e) => setQ(e.currentTarget.value)} aria-describedby="found" autofocus /></div>
        <Field label="Category" value={category} set={setCategory} options={[['', 'Any'], ...categories.map((c): [string, string] => [c, categoryName(c)])]} />
        <Field label="Way to connect" value={type} set={setType} options={[['', 'Any'], ...kinds.map((k): [string, string] => [k, typeName(k)])]} />
        <Field label="Connected" value={connected} set={setConnected} options={[['', 'Any'], ['yes', 'Connected'], ['no', 'Not yet']]} />
      </form>
      <Trouble error={all.error || found.error} again={() => { all.reload(); found.reload(); }} what="The list of services" />
      <p class="soft" id="found" role="status">{all.data ? (shown.length === 1 ? '1 service. Enter opens it.' : `${shown.length} services${q.trim() && shown.length ? '. Enter opens the first.' : ''}`) : ''}</p>
      {!all.data && !all.error ? <Loading /> : shown.length ? <Gallery items={shown} counts={counts} />
        : all.data && <Empty title={q ? `No service is called “${q}”.` : 'No service fits these filters.'}>{mayEdit() && everywhere() && <>Any service with an HTTP API can be added: <a href={href('connectors', 'new')}>make a connector</a>.</>}</Empty>}
    </Page>
  );
}

const tileHeight = 92;

function columnsOf(width: number) { return Math.max(1, Math.floor((width + 12) / 292)); }

// Gallery keeps in the page only the tiles in sight.
function Gallery({ items, counts }: { items: Connector[]; counts: Map<string, number> }) {
  const [perRow, setPerRow] = useState(columnsOf(document.querySelector('main')?.clientWidth || innerWidth));
  const w = useWindow(items.length, tileHeight, perRow);
  useEffect(() => {
    const o = new ResizeObserver(([e]) => setPerRow(columnsOf(e.contentRect.width)));
    o.observe(w.box.current!);
    return () => o.disconnect();
  }, []);
  return (
    <div ref={w.box as any} class="gallery">
      <div style={{ height: `${w.before}px` }} />
      <ul style={{ gridTemplateColumns: `repeat(${perRow}, minmax(0, 1fr))` }}>
        {items.slice(w.from * perRow, w.to * perRow).map((c) => (
          <li key={c.key}><a class="service" href={href('connect', c.key)} title={c.matched ? `Found by ${c.matched}` : undefined}>
            <Logo id={c.key} />
            <span class="text"><strong dir="auto">{c.title}</strong><span class="soft clip" dir="auto">{c.description || c.hosts.slice(0, 2).join(', ')}</span>
              <span class="tags"><Tag>{typeName(c.options[0].type)}</Tag>{c.custom && <Tag>yours</Tag>}{counts.get(c.key) ? <Tag><b class="good">{plural(counts.get(c.key)!, 'account')}</b></Tag> : null}</span></span>
          </a></li>
        ))}
      </ul>
      <div style={{ height: `${w.after}px` }} />
    </div>
  );
}
