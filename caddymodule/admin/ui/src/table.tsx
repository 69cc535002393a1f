// A table of any length: only the rows in sight are in the page, and parts of the
// list are read as they come into sight. On a phone a row is a card.
import { type ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Button, cx, Icon, Loading, Trouble } from './ui';
import type { Rows } from './load';
import { count } from './words';

export type Column<T> = {
  name: string; cell: (row: T) => ComponentChildren;
  // by is what the column is sorted by; without it it is not.
  by?: (row: T) => string | number;
  // server is the word by which the API sorts so; then a list that was not read to its end can be sorted too.
  server?: string;
  num?: boolean; main?: boolean; phone?: false;
  // w is its width in pixels; columns without share the rest.
  w?: number;
};

export type Sort = { column: string; down: boolean };

const rowHeight = 48;
const gap = 10; // between cards on a phone
const phone = matchMedia('(max-width: 720px)');
const overscan = 8;

export function usePhone() {
  const [is, set] = useState(phone.matches);
  useEffect(() => {
    const f = () => set(phone.matches);
    phone.addEventListener('change', f);
    return () => phone.removeEventListener('change', f);
  }, []);
  return is;
}

// useWindow says which rows of a list are in sight. Rows have one height.
export function useWindow(n: number, height: number, perRow = 1) {
  const box = useRef<HTMLElement>(null);
  const rows = Math.ceil(n / perRow);
  const [range, set] = useState<[number, number]>([0, 30]);
  const look = () => {
    if (!box.current) return;
    const top = box.current.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(-top / height) - overscan);
    const to = Math.min(rows, Math.ceil((innerHeight - top) / height) + overscan);
    set((old) => (old[0] === from && old[1] === to ? old : [from, Math.max(from, to)]));
  };
  useLayoutEffect(look, [rows, height]);
  useEffect(() => {
    let waiting = 0;
    const f = () => { if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; look(); }); };
    addEventListener('scroll', f, { passive: true });
    addEventListener('resize', f);
    return () => { removeEventListener('scroll', f); removeEventListener('resize', f); cancelAnimationFrame(waiting); };
  });
  const [from, to] = [Math.min(range[0], Math.max(0, rows - 1)), Math.min(Math.max(range[1], 1), rows)];
  return { box, from, to, before: from * height, after: Math.max(0, rows - to) * height };
}

export function Table<T>({ rows, columns, id, caption, empty, sort, onSort, selected, onSelect, pick, height, what, tall }: {
  rows: Rows<T>; columns: Column<T>[]; id: (row: T) => string; caption: string; empty: ComponentChildren; sort?: Sort; onSort?: (s: Sort) => void;
  selected?: Set<string>; onSelect?: (s: Set<string>) => void; pick?: (row: T) => void; height?: number; what?: string; tall?: boolean;
}) {
  const small = usePhone();
  const shown = columns.filter((c) => !(small && c.phone === false));
  const h = small ? 34 + 25 * (shown.length - 1) + gap + 14 : height || (tall ? 64 : rowHeight);
  const column = columns.find((c) => c.name === sort?.column);
  const sortable = (c: Column<T>) => onSort && c.by && (rows.complete || c.server);
  let items = rows.items;
  if (column?.by && rows.complete) {
    items = [...items].sort((a, b) => {
      const [x, y] = [column.by!(a), column.by!(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (sort!.down ? -1 : 1);
    });
  }
  const w = useWindow(items.length, h);
  useEffect(() => { if (w.to > items.length - 40) rows.more(); });
  if (!items.length) {
    return <><Trouble error={rows.error} again={rows.reload} what={what || caption} />{!rows.error && (rows.loading || !rows.complete ? <Loading /> : empty)}</>;
  }
  const all = selected && items.length > 0 && items.every((r) => selected.has(id(r)));
  const toggle = (key: string, on: boolean) => { const s = new Set(selected); if (on) s.add(key); else s.delete(key); onSelect!(s); };
  return (
    <>
      <Trouble error={rows.error} again={rows.reload} what={what || caption} />
      {small && onSort && (
        <div class="sorts"><label>Sort by <select value={sort ? `${sort.column}|${sort.down ? 1 : 0}` : ''} onChange={(e) => { const [c, d] = e.currentTarget.value.split('|'); onSort({ column: c, down: d === '1' }); }}>
          {columns.filter(sortable).flatMap((c) => [<option key={c.name} value={`${c.name}|0`}>{c.name} ↑</option>, <option key={`${c.name}d`} value={`${c.name}|1`}>{c.name} ↓</option>])}
        </select></label></div>
      )}
      <p class="soft count" role="status">{rows.complete ? `${count(items.length)} in all` : `${count(items.length)} so far`}{selected?.size ? `, ${count(selected.size)} selected` : ''}</p>
      <table class={cx('table', selected && 'selectable')} aria-rowcount={rows.complete ? items.length + 1 : -1}>
        <caption class="hidden">{caption}</caption>
        <thead><tr>
          {selected && <th scope="col" class="tick"><input type="checkbox" aria-label="Select all" checked={all} onChange={(e) => onSelect!(e.currentTarget.checked ? new Set(items.map(id)) : new Set())} /></th>}
          {shown.map((c) => (
            <th key={c.name} scope="col" class={cx(c.num && 'num')} style={c.w ? { width: `${c.w}px` } : undefined} aria-sort={sort?.column === c.name && sortable(c) ? (sort.down ? 'descending' : 'ascending') : undefined}>
              {sortable(c) ? <button type="button" class="plain sort" onClick={() => onSort!({ column: c.name, down: sort?.column === c.name ? !sort.down : Boolean(c.num) })}>{c.name}{sort?.column === c.name && <Icon name={sort.down ? 'down' : 'up'} />}</button> : c.name}
            </th>
          ))}
        </tr></thead>
        <tbody ref={w.box as any}>
          {w.before > 0 && <tr class="space" aria-hidden="true"><td colSpan={shown.length + (selected ? 1 : 0)} style={{ height: `${w.before}px` }} /></tr>}
          {items.slice(w.from, w.to).map((r, i) => (
            <tr key={id(r)} aria-rowindex={w.from + i + 2} style={{ height: `${small ? h - gap : h}px` }} class={cx(selected?.has(id(r)) && 'chosen', pick && 'pick')} onClick={pick && ((e) => { if (!(e.target as HTMLElement).closest('a,button,input,label')) pick(r); })}>
              {selected && <td class="tick"><input type="checkbox" aria-label={`Select row ${w.from + i + 1}`} checked={selected.has(id(r))} onChange={(e) => toggle(id(r), e.currentTarget.checked)} /></td>}
              {shown.map((c) => <td key={c.name} class={cx(c.num && 'num', c.main && 'first')} data-head={c.main ? undefined : c.name}><div class="cell">{c.cell(r)}</div></td>)}
            </tr>
          ))}
          {w.after > 0 && <tr class="space" aria-hidden="true"><td colSpan={shown.length + (selected ? 1 : 0)} style={{ height: `${w.after}px` }} /></tr>}
        </tbody>
      </table>
      {!rows.complete && <p class="soft tail" role="status">{rows.loading ? 'Reading on…' : <Button small onClick={rows.more}>Read on</Button>}</p>}
    </>
  );
}

// Bulk acts on what is selected, four at a time, and says what became of each.
export function Bulk({ n, clear, children }: { n: number; clear: () => void; children: ComponentChildren }) {
  if (!n) return null;
  return <div class="bulk" role="region" aria-label="Actions on what is selected"><strong>{n} selected</strong><div class="actions">{children}<Button small onClick={clear}>Clear</Button></div></div>;
}

export async function forEach(ids: string[], work: (id: string) => Promise<unknown>, told: (done: number) => void) {
  const failed: [string, Error][] = [];
  let done = 0;
  const queue = [...ids];
  await Promise.all([1, 2, 3, 4].map(async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      try { await work(id); } catch (err) { failed.push([id, err as Error]); }
      told(++done);
    }
  }));
  return failed;
}
