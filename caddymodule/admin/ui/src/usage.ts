// Usage of the rows in sight, read in one question for many rows.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api';
import type { List, Usage } from './types';

const atOnce = 100;

// useUsage answers for each id once it is known: it is asked for as rows come.
export function useUsage(kind: 'account' | 'agent' | 'connector', ids: string[], days = 14): Map<string, Usage> {
  const [known, set] = useState<Map<string, Usage>>(new Map());
  const asked = useRef(new Set<string>());
  useEffect(() => {
    const fresh = ids.filter((id) => !asked.current.has(id) && (kind === 'agent' || !id.startsWith('file:'))).slice(0, 2000);
    if (!fresh.length) return;
    fresh.forEach((id) => asked.current.add(id));
    (async () => {
      for (let i = 0; i < fresh.length; i += atOnce) {
        try {
          const l = await get<List<Usage>>(`/usage?kind=${kind}&days=${days}&ids=${fresh.slice(i, i + atOnce).map(encodeURIComponent).join(',')}`);
          set((old) => new Map([...old, ...l.items.map((u): [string, Usage] => [u.id, u])]));
        } catch { /* the table is complete without it */ }
      }
    })();
  }, [ids.join()]);
  return known;
}
