// How things are said: times, numbers, states, events. Times are relative to the
// server's clock.
import { signal } from '@preact/signals';
import { now } from './api';
import type { Account, AuditEvent, Grant } from './types';

// minute changes now and then, so that relative times stay true.
export const minute = signal(0);
setInterval(() => { minute.value++; }, 20_000);

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const units: [Intl.RelativeTimeFormatUnit, number][] = [['year', 31_536_000], ['month', 2_592_000], ['week', 604_800], ['day', 86_400], ['hour', 3600], ['minute', 60]];

export function ago(at: string | number | Date): string {
  void minute.value;
  const s = (new Date(at).getTime() - now()) / 1000;
  for (const [unit, n] of units) if (Math.abs(s) >= n) return relative.format(Math.trunc(s / n), unit);
  return Math.abs(s) < 10 ? 'just now' : relative.format(Math.trunc(s), 'second');
}

export const exact = (at: string | number | Date) => new Date(at).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'long' });

export function count(n: number): string {
  if (n < 10_000) return n.toLocaleString('en');
  for (const [unit, size] of [['M', 1e6], ['k', 1e3]] as const) if (n >= size) return `${(n / size).toFixed(n / size < 100 ? 1 : 0).replace(/\.0$/, '')}${unit}`;
  return String(n);
}

export const plural = (n: number, one: string, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
export const percent = (part: number, of: number) => (of ? `${Math.round((part / of) * 1000) / 10} %` : '0 %');

export function bytes(n: number): string {
  for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]] as const) if (n >= size) return `${Math.round((n / size) * 10) / 10} ${unit}`;
  return `${n} B`;
}

export const millis = (ms: number) => (ms >= 1000 ? `${Math.round(ms / 100) / 10} s` : `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`);

export const states: Record<string, string> = {
  pending: 'Waiting', active: 'Active', expired: 'Expired', revoked: 'Disconnected', error: 'Failed', suspended: 'Paused',
  inactive: 'Off', delivered: 'Delivered', waiting: 'Waiting', failed: 'Failed', disabled: 'Paused',
  approved: 'Approved', denied: 'Denied', withdrawn: 'Withdrawn', used: 'Approved, used',
  full: 'Used up', nearly: 'Nearly used up',
};

// why says why an account does not work, and what helps.
export function why(a: Account): string {
  const detail = a.state_reason?.detail ? ` (${a.state_reason.detail.replace(/\.$/, '')})` : '';
  switch (a.state) {
    case 'pending': return a.state_reason?.code === 'created' || !a.state_reason?.code ? 'Nobody has connected it yet.' : `It waits: ${said(a.state_reason.code)}${detail}.`;
    case 'expired': return `The service no longer takes its sign-in${detail}. Connect it again.`;
    case 'revoked': return 'It was disconnected; its secrets are deleted.';
    case 'error': return `It failed: ${said(a.state_reason?.code || 'unknown')}${detail}.`;
    case 'suspended': return `It is paused${detail}. Agents cannot use it until it is resumed.`;
  }
  return '';
}

// said makes words of a code.
export const said = (code: string) => code.replace(/^.*\./, '').replace(/_/g, ' ');

export const types: Record<string, string> = {
  OAUTH2: 'Sign-in (OAuth)', OAUTH1: 'Sign-in (OAuth 1)', API_KEY: 'API key', BASIC_AUTH: 'User and password', AWS_IAM: 'AWS keys',
  GCS_SERVICE_ACCOUNT: 'Google service account', MCP: 'MCP server', DELEGATE: 'Another account', CUSTOM: 'Several values',
};
export const typeName = (t: string) => types[t] || t;

const categories: Record<string, string> = { dev: 'Development', llm: 'AI models', crm: 'CRM', hr: 'HR', comms: 'Messages and calls', ru: 'Russian services', data: 'Data and analytics', finance: 'Finance and payments' };
export const categoryName = (c: string) => categories[c] || (c ? c[0].toUpperCase() + c.slice(1).replace(/[-_]/g, ' ') : 'Other');

const access = (scopes: string[]) => [
  scopes.includes('write') ? 'read and change' : 'only read',
  scopes.includes('presign') ? 'make URLs that work without the proxy' : '',
  scopes.includes('placeholder') ? 'bring a credential of its own' : '',
].filter(Boolean).join(', and ');

// may says a grant in words.
export const may = (g: Pick<Grant, 'scopes'>) => `May ${access(g.scopes)}`;

// narrowed says a grant's rules in words.
export const narrowed = (g: Grant) => [...(g.operations || []), ...(g.rules || []).map((r) => `${(r.methods || ['any']).join(',')} ${(r.hosts || []).join(',')}${r.path || ''}`.trim())];

// A scope of a service, in words as far as it can be guessed from its name.
export function scopeWords(scope: string): string {
  const tail = scope.replace(/^https?:\/\/[^/]+\/(auth\/)?/, '');
  const parts = tail.split(/[:.\/_\-]+/).filter(Boolean).map((p) => p.toLowerCase());
  const verbs: Record<string, string> = {
    read: 'Read', readonly: 'Read', view: 'Read', list: 'List', get: 'Read', write: 'Change', readwrite: 'Read and change', modify: 'Change', edit: 'Change', manage: 'Manage', admin: 'Administer',
    create: 'Create', delete: 'Delete', send: 'Send', full: 'Everything about', all: 'Everything about',
  };
  const fixed: Record<string, string> = { openid: 'Know who you are', profile: 'See your name and picture', email: 'See your e-mail address', offline: 'Stay connected', 'offline access': 'Stay connected' };
  const words = parts.join(' ');
  if (fixed[words]) return fixed[words];
  const verb = parts.map((p) => verbs[p]).find(Boolean);
  const noun = parts.filter((p) => !verbs[p]).join(' ');
  if (!verb) return `Use ${noun || scope}`;
  return noun ? `${verb} ${noun}` : `${verb} what the account can see`;
}

const done = (e: AuditEvent) => (e.resource ? `${e.operation} on ${e.resource}` : e.operation || '');

// headline says an event in a few words.
export function headline(e: AuditEvent): string {
  switch (e.kind) {
    case 'use': if (e.operation) return done(e); return e.method ? `${e.method} ${e.host || ''}${e.path || ''}` : 'Call';
    case 'open': return e.operation ? `Opened ${done(e)}` : `Opened ${e.method || ''} ${e.host || ''}${e.path || ''}`;
    case 'refusal': return `Refused: ${said(e.code || '')}${e.operation ? `, ${done(e)}` : ''}`;
    case 'refresh': return e.code === 'account.refreshed' ? 'Token refreshed' : 'Refresh failed';
  }
  const [noun, verb] = (e.code || '').split('.');
  if (!verb) return said(e.code || e.kind);
  const text = `${noun.replace(/_/g, ' ')} ${verb.replace(/_/g, ' ')}`;
  return text[0].toUpperCase() + text.slice(1);
}

export const kinds: Record<string, string> = { use: 'Calls', open: 'Streams opened', refusal: 'Refusals', refresh: 'Refreshes', state: 'Changes of state', admin: 'Edits', system: 'System' };
