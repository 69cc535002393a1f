// Reading from the API: one thing, or a list part by part.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, Problem } from './api';
import type { List } from './types';

export type Loaded<T> = { data?: T; error?: Problem; loading: boolean; reload: () => Promise<void>; set: (data: T) => void };

// retryEvery is how often what the server could not answer is asked again.
const retryEvery = 5000;

// useLoad reads by f whenever key changes, again where the server was away, and
// every so many milliseconds if every is set. What was read stays meanwhile.
export function useLoad<T>(key: string, f: (signal: AbortSignal) => Promise<T>, every = 0): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: Problem; loading: boolean }>({ key, loading: true });
  const latest = useRef(f);
  latest.current = f;
  const reading = useRef<AbortController | undefined>(undefined);
  const read = async () => {
    reading.current?.abort();
    const c = new AbortController();
    reading.current = c;
    try {
      const data = await latest.current(c.signal);
      if (!c.signal.aborted) setState({ key, data, loading: false });
    } catch (err) {
      if (c.signal.aborted) return;
      const error = err instanceof Problem ? err : new Problem({ detail: String((err as Error).message || err) }, -1);
      setState((s) => ({ key, data: s.key === key ? s.data : undefined, error, loading: false }));
    }
  };
  useEffect(() => {
    setState((s) => (s.key === key ? { ...s, loading: true } : { key, loading: true }));
    read();
    const timer = every ? setInterval(() => { if (!document.hidden) read(); }, every) : 0;
    return () => { reading.current?.abort(); clearInterval(timer); };
  }, [key, every]);
  useEffect(() => {
    if (!state.error?.away) return undefined;
    const timer = setTimeout(read, retryEvery);
    return () => clearTimeout(timer);
  }, [state.error]);
  const mine = state.key === key;
  return { data: mine ? state.data : undefined, error: mine ? state.error : undefined, loading: !mine || state.loading, reload: read, set: (data) => setState({ key, data, loading: false }) };
}

export type Rows<T> = {
  items: T[]; complete: boolean; error?: Problem; loading: boolean; more: () => void; reload: () => void;
  change: (f: (items: T[]) => T[]) => void;
};

// useList reads a list whose parts are linked by next: the first part at once, the
// others as more is called.
export function useList<T>(path: string, limit = 200): Rows<T> {
  const first = { path, items: [] as T[], next: '', complete: false, loading: true, error: undefined as Problem | undefined };
  const [state, setState] = useState(first);
  const [again, setAgain] = useState(0);
  const busy = useRef(false);
  const turn = useRef(0);
  const read = async (after: string, kept: T[]) => {
    const mine = turn.current;
    busy.current = true;
    try {
      const l = await get<List<T>>(`${path}${path.includes('?') ? '&' : '?'}limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ''}`);
      if (mine !== turn.current) return;
      setState({ path, items: [...kept, ...l.items], next: l.next || '', complete: !l.next, loading: false, error: undefined });
    } catch (err) {
      if (mine !== turn.current) return;
      const error = err instanceof Problem ? err : new Problem({ detail: String(err) }, -1);
      setState((s) => ({ ...s, path, loading: false, error }));
    } finally {
      if (mine === turn.current) busy.current = false;
    }
  };
  useEffect(() => {
    turn.current++;
    setState((s) => (s.path === path ? { ...s, loading: true } : first));
    read('', []);
    return () => { turn.current++; };
  }, [path, again]);
  useEffect(() => {
    if (!state.error?.away) return undefined;
    const timer = setTimeout(() => setAgain((n) => n + 1), retryEvery);
    return () => clearTimeout(timer);
  }, [state.error]);
  const s = state.path === path ? state : first;
  return {
    ...s,
    more: () => { if (!busy.current && !s.complete && !s.error && s.next) { setState((x) => ({ ...x, loading: true })); read(s.next, s.items); } },
    reload: () => setAgain((n) => n + 1),
    change: (f) => setState((x) => ({ ...x, items: f(x.items) })),
  };
}
