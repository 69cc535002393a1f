// The pieces that pages are made of. Text of others is always text: nothing here
// makes markup of a string.
import { signal } from '@preact/signals';
import { type ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { me, Problem } from './api';
import type { Loaded } from './load';
import { ago, exact, states } from './words';

export const mayEdit = () => me.value?.role !== 'viewer';
export const mayAdmin = () => me.value?.role === 'admin';
export const everywhere = () => me.value?.organisation === '*';

type Kids = { children?: ComponentChildren };
export const cx = (...names: (string | false | undefined | null)[]) => names.filter(Boolean).join(' ');

// Page has a heading, which gets the focus when somebody came here by a link.
export function Page({ title, lead, actions, children, back }: Kids & { title: string; lead?: ComponentChildren; actions?: ComponentChildren; back?: [string, string] }) {
  const h = useRef<HTMLHeadingElement>(null);
  useEffect(() => { document.title = `${title} · Attaché`; }, [title]);
  useLayoutEffect(() => {
    if (moved.value && !document.querySelector('main [autofocus]')) h.current?.focus({ preventScroll: true });
    moved.value = true;
    scrollTo(0, 0);
  }, []);
  return (
    <>
      {back && <a class="back" href={back[0]}><Icon name="back" /> {back[1]}</a>}
      <div class="head">
        <div class="titles"><h1 ref={h} tabIndex={-1} dir="auto">{title}</h1>{lead && <div class="lead">{lead}</div>}</div>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}
const moved = signal(false);

export function Section({ title, children, actions, lead }: Kids & { title: string; actions?: ComponentChildren; lead?: ComponentChildren }) {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <div class="cardhead"><h2 id={id}>{title}</h2>{actions && <div class="actions">{actions}</div>}</div>
      {lead && <p class="soft">{lead}</p>}
      {children}
    </section>
  );
}

// Button runs work, shows that it does, and hands what went wrong to failed.
export function Button({ onClick, failed, kind, children, label, disabled, small, type = 'button', pressed, id }: Kids & {
  onClick?: (e: Event) => unknown; failed?: (p: Problem) => void; kind?: 'main' | 'danger' | 'quiet'; label?: string; disabled?: boolean; small?: boolean;
  type?: 'button' | 'submit'; pressed?: boolean; id?: string;
}) {
  const [busy, setBusy] = useState(false);
  const click = async (e: Event) => {
    if (busy || !onClick) return;
    setBusy(true);
    try {
      await onClick(e);
    } catch (err) {
      (failed || alarm)(err as Problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button id={id} type={type} class={cx('button', kind, small && 'small', busy && 'busy')} aria-busy={busy} aria-label={label} aria-pressed={pressed} disabled={disabled} onClick={onClick ? click : undefined}>
      {children}{busy && <span class="spinner" aria-hidden="true" />}
    </button>
  );
}

export const Link = ({ href, kind, children, external, small, label }: Kids & { href: string; kind?: 'main'; external?: boolean; small?: boolean; label?: string }) => (
  <a class={cx('button', kind, small && 'small')} href={href} aria-label={label} {...(external && { target: '_blank', rel: 'noreferrer' })}>{children}</a>
);

// --- what is said --------------------------------------------------------------

type Note = { id: number; text: string; bad: boolean };
const notes = signal<Note[]>([]);
let noteID = 0;

function note(text: string, bad: boolean) {
  const n = { id: ++noteID, text, bad };
  notes.value = [...notes.value.slice(-2), n];
  if (!bad) setTimeout(() => { notes.value = notes.value.filter((x) => x !== n); }, 6000);
}

export const notice = (text: string) => note(text, false);

// alarm shows what went wrong until somebody takes it away, or goes elsewhere.
export const alarm = (p: Error) => { if (p.name !== 'AbortError') note(p.message, true); };
export const quiet = () => { notes.value = notes.value.filter((n) => !n.bad); };

export function Notes() {
  return (
    <div id="notice">
      <div role="status" aria-live="polite">{notes.value.filter((n) => !n.bad).map((n) => <p key={n.id}>{n.text}</p>)}</div>
      <div role="alert">{notes.value.filter((n) => n.bad).map((n) => (
        <p key={n.id} class="bad">{n.text} <button type="button" class="plain" aria-label="Dismiss" onClick={() => { notes.value = notes.value.filter((x) => x !== n); }}>×</button></p>
      ))}</div>
    </div>
  );
}

export function Trouble({ error, again, what = 'This' }: { error?: Problem; again?: () => void; what?: string }) {
  if (!error) return null;
  return (
    <div class="trouble" role="alert">
      <p><strong>{what} could not be read.</strong> {error.message}</p>
      {error.away && <p class="soft">It is tried again every few seconds.</p>}
      {again && <Button small onClick={again}>Try again</Button>}
    </div>
  );
}

// Show waits for what is loaded.
export function Show<T>({ of, what, children }: { of: Loaded<T>; what?: string; children: (data: T) => ComponentChildren }) {
  return (
    <>
      <Trouble error={of.error} again={of.reload} what={what} />
      {of.data !== undefined ? children(of.data) : !of.error && <Loading />}
    </>
  );
}

export const Loading = () => <div class="loading" role="status"><span class="hidden">Loading…</span><i /><i /><i /></div>;

export const Empty = ({ title, children }: Kids & { title: string }) => <div class="empty"><p class="big">{title}</p>{children && <div class="soft">{children}</div>}</div>;

// --- small things --------------------------------------------------------------

export const Time = ({ at, none = 'never' }: { at?: string | null; none?: string }) => (at ? <time dateTime={at} title={exact(at)}>{ago(at)}</time> : <span class="soft">{none}</span>);
export const State = ({ of }: { of: string }) => <span class={`state ${of}`}>{states[of] || of}</span>;
export const Tag = ({ children }: Kids) => <span class="tag">{children}</span>;
export const Mono = ({ children }: Kids) => <span class="mono">{children}</span>;

export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return <dl class="facts">{of.filter(([, v]) => v !== undefined && v !== null && v !== false && v !== '').map(([k, v]) => <div key={k}><dt>{k}</dt><dd dir="auto">{v}</dd></div>)}</dl>;
}

// Logo is the service's mark, which this server draws, or the first letter of its key.
export function Logo({ id, large }: { id: string; large?: boolean }) {
  const [broken, setBroken] = useState('');
  const size = large ? 44 : 32;
  if (broken === id) return <span class={cx('logo', large && 'large')} aria-hidden="true">{[...id][0]?.toUpperCase()}</span>;
  return <img key={id} class={cx('logo', large && 'large')} src={`./logos/${encodeURIComponent(id)}.svg`} alt="" width={size} height={size} loading="lazy" onError={() => setBroken(id)} />;
}

const paths: Record<string, string> = {
  home: 'M3 11l9-8 9 8M5 9.5V21h14V9.5M10 21v-6h4v6',
  connect: 'M9 12h6M8 8H6a4 4 0 0 0 0 8h2M16 8h2a4 4 0 0 1 0 8h-2',
  accounts: 'M4 7h16v13H4zM8 7V5a2 2 0 0 1 2-2h4a2 2 0 0 1 2 2v2M4 12h16',
  agents: 'M12 3v3M6 8h12a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2zM9 13v2M15 13v2',
  connectors: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z',
  approvals: 'M12 3l7 3v6c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6zM8.5 12l2.5 2.5 4.5-5',
  runs: 'M4 5h16v14H4zM8 10l3 2.5L8 15M13 15h3',
  audit: 'M5 4h14v16H5zM9 9h6M9 13h6M9 17h3',
  webhooks: 'M12 4a4 4 0 0 1 3.5 6L18 15M8 15a4 4 0 1 0 4 4h6M10 8l-3 6',
  apps: 'M15 7a4 4 0 1 1-3.5 6L4 20v-3h3v-3h2',
  tokens: 'M4 12a4 4 0 1 0 8 0 4 4 0 0 0-8 0zM12 12h9v3M17 12v3',
  organisations: 'M4 21V8l8-5 8 5v13M9 21v-6h6v6M9 11h.01M15 11h.01',
  presigned: 'M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1-1',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M14 5v4M6 15v4',
  back: 'M15 5l-7 7 7 7', menu: 'M4 6h16M4 12h16M4 18h16', search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L21 21', check: 'M5 12l5 5 9-10',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1', up: 'M6 15l6-6 6 6', down: 'M6 9l6 6 6-6', alert: 'M12 4L2.5 20h19zM12 10v4M12 17h.01',
};
export const Icon = ({ name }: { name: string }) => <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d={paths[name]} /></svg>;

// Command is something to copy.
export function Command({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <div class="command">
      <pre tabIndex={0} aria-label={label}>{text}</pre>
      <Button small onClick={copy} label={`${copied ? 'Copied' : 'Copy'}: ${label}`} failed={() => alarm(new Error('The browser did not let this be copied. Select it and copy it by hand.'))}>{copied ? 'Copied' : 'Copy'}</Button>
    </div>
  );
}

// Once shows a secret that will not be shown again.
export function Once({ title, secret, children, done }: Kids & { title: string; secret: string; done: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useLayoutEffect(() => { field.current?.focus(); }, []);
  return (
    <section class="card once" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <p>It is shown this once. Copy it now.</p>
      <div class="row">
        <input ref={field} class="mono" readOnly value={secret} aria-label={title} onFocus={(e) => e.currentTarget.select()} />
        <Button kind="main" onClick={async () => { await navigator.clipboard.writeText(secret); notice('Copied.'); }} failed={() => alarm(new Error('The browser did not let this be copied. Select it and copy it by hand.'))}>Copy</Button>
        <Button onClick={done}>Done</Button>
      </div>
      {children}
    </section>
  );
}

// --- questions -----------------------------------------------------------------

type Question = { title: string; text: ComponentChildren; yes: string; danger: boolean; work: () => unknown };
const question = signal<Question | null>(null);

// sure asks before it does what cannot be undone.
export const sure = (title: string, text: ComponentChildren, yes: string, work: () => unknown, danger = true) => { question.value = { title, text, yes, danger, work }; };

export function Questions() {
  const q = question.value;
  const box = useRef<HTMLDialogElement>(null);
  const [wrong, setWrong] = useState('');
  useEffect(() => {
    setWrong('');
    if (q) box.current?.showModal();
  }, [q]);
  if (!q) return null;
  const close = () => { box.current?.close(); question.value = null; };
  return (
    <dialog ref={box} aria-labelledby="question" onClose={() => { question.value = null; }}>
      <h2 id="question" dir="auto">{q.title}</h2>
      <p>{q.text}</p>
      {wrong && <p class="error" role="alert">{wrong}</p>}
      <div class="actions">
        <Button kind={q.danger ? 'danger' : 'main'} failed={(p) => setWrong(p.message)} onClick={async () => { await q.work(); close(); }}>{q.yes}</Button>
        <Button onClick={close}>Cancel</Button>
      </div>
    </dialog>
  );
}

// --- forms ---------------------------------------------------------------------

type FieldProps = { label: string; hint?: ComponentChildren; error?: string; optional?: boolean; value: string; set: (v: string) => void; type?: string; options?: [string, string][]; rows?: number;
  placeholder?: string; required?: boolean; max?: number; mono?: boolean; pattern?: string; title?: string; focus?: boolean; id?: string; min?: number; maxValue?: number; step?: string; list?: string; onEnter?: () => void; name?: string };

export function Field(p: FieldProps) {
  const made = useId();
  const id = p.id || made;
  const note = [p.error && `${id}-error`, p.hint && `${id}-hint`].filter(Boolean).join(' ') || undefined;
  const common = {
    id, value: p.value, required: p.required, 'aria-invalid': p.error ? true : undefined, 'aria-describedby': note, class: cx(p.mono && 'mono'), name: p.name, autofocus: p.focus,
    onInput: (e: Event) => p.set((e.currentTarget as HTMLInputElement).value),
  };
  const ref = useRef<any>(null);
  useLayoutEffect(() => { if (p.focus) ref.current?.focus(); }, []);
  return (
    <div class={cx('field', p.error && 'wrong')}>
      <label for={id}>{p.label}{p.optional && <span class="soft"> (optional)</span>}</label>
      {p.options ? <select ref={ref} {...common}>{p.options.map(([v, text]) => <option key={v} value={v}>{text}</option>)}</select>
        : p.rows ? <textarea ref={ref} {...common} rows={p.rows} spellcheck={false} autocomplete="off" placeholder={p.placeholder} />
          : <input ref={ref} {...common} type={(p.type || 'text') as any} autocomplete="off" spellcheck={false} placeholder={p.placeholder} maxLength={p.max} pattern={p.pattern} title={p.title} min={p.min} max={p.maxValue} step={p.step} list={p.list} />}
      {p.error && <p class="error" id={`${id}-error`}>{p.error}</p>}
      {p.hint && <p class="hint" id={`${id}-hint`}>{p.hint}</p>}
    </div>
  );
}

export function Check({ label, value, set, hint, disabled, data }: { label: ComponentChildren; value: boolean; set: (v: boolean) => void; hint?: ComponentChildren; disabled?: boolean; data?: string }) {
  return <label class="check"><input type="checkbox" checked={value} disabled={disabled} value={data} onChange={(e) => set(e.currentTarget.checked)} /><span>{label}{hint && <span class="hint">{hint}</span>}</span></label>;
}

// problems puts what the API said beside the fields that it names; the rest stands
// above the form. prefix is where the API has the fields.
export function problems(err: unknown, names: string[], prefix = 'body.'): { fields: Record<string, string>; rest: string } {
  const out: Record<string, string> = {};
  if (!(err instanceof Problem)) return { fields: out, rest: String((err as Error).message || err) };
  for (const e of err.errors) {
    const name = names.find((n) => e.location === prefix + n || e.location === `body.${n}` || e.location === n);
    if (name && !out[name]) out[name] = e.message + (/[.!?]$/.test(e.message) ? '' : '.');
  }
  return { fields: out, rest: Object.keys(out).length && err.errors.length === Object.keys(out).length ? '' : err.message };
}

export type Wrong = { fields: Record<string, string>; rest: string };
const nothing: Wrong = { fields: {}, rest: '' };

// unfit is what the browser has against the fields of a form, by their names.
function unfit(form: HTMLFormElement): Record<string, string> {
  const out: Record<string, string> = {};
  for (const e of form.elements as unknown as Iterable<HTMLInputElement>) {
    if (!e.name || !e.validity || e.validity.valid) continue;
    const label = (e.labels?.[0]?.firstChild?.textContent || e.name).replace(/[:;].*$/, '');
    out[e.name] = e.validity.valueMissing ? `${label} is missing.` : e.validity.patternMismatch && e.title ? `${e.title}.` : e.validationMessage;
  }
  return out;
}

// Form sends itself once at a time, and puts what went wrong where it belongs.
export function Form({ send, names = [], prefix, children, yes, cancel, explain, extra, inline, danger }: {
  send: () => unknown; names?: string[]; prefix?: string; children: (wrong: Wrong) => ComponentChildren; yes: string; cancel?: () => void; explain?: (err: Problem) => string; extra?: ComponentChildren; inline?: boolean; danger?: boolean;
}) {
  const [wrong, setWrong] = useState(nothing);
  const [busy, setBusy] = useState(false);
  const [slow, setSlow] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (e: Event) => {
    e.preventDefault();
    if (busy) return;
    quiet();
    const missing = unfit(form.current!);
    setWrong({ fields: missing, rest: '' });
    if (Object.keys(missing).length) return void setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus());
    setBusy(true);
    const timer = setTimeout(() => setSlow(true), 2500);
    try {
      await send();
    } catch (err) {
      if (err instanceof Problem && explain) err.message = explain(err);
      setWrong(problems(err, names, prefix));
      setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid], .error')?.focus());
    } finally {
      clearTimeout(timer);
      setSlow(false);
      setBusy(false);
    }
  };
  return (
    <form ref={form} class={cx('form', inline && 'inline')} onSubmit={submit} noValidate>
      {wrong.rest && <p class="error" role="alert" tabIndex={-1}>{wrong.rest}</p>}
      {children(wrong)}
      <div class="actions">
        <button class={cx('button', danger ? 'danger' : 'main', busy && 'busy')} aria-busy={busy}>{yes}{busy && <span class="spinner" aria-hidden="true" />}</button>
        {cancel && <button type="button" class="button" onClick={cancel}>Cancel</button>}
        {extra}
      </div>
      <p class="hint" role="status">{slow ? 'The service takes its time. It is still being asked; this can take half a minute.' : ''}</p>
    </form>
  );
}

// Fold hides what is seldom needed.
export const Fold = ({ title, children, open }: Kids & { title: string; open?: boolean }) => <details class="fold" open={open}><summary>{title}</summary><div>{children}</div></details>;
