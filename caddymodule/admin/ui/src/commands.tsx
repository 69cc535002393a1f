// What to paste so that a program calls through the proxy.
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { Command, Field } from './ui';

// proxy is where agents reach the proxy, as far as this page knows: its own host
// name at the usual port, until somebody says otherwise.
export const proxy = signal(`http://${location.hostname === 'localhost' || location.hostname === '' ? '127.0.0.1' : location.hostname}:8080`);

export type Sample = { connector?: string; base?: string; path?: string };

const kinds: [string, string][] = [['exec', 'Any program'], ['curl', 'curl'], ['python', 'Python'], ['node', 'Node'], ['sdk', 'SDK with a base URL'], ['git', 'git']];

function text(kind: string, agent: string, token: string, at: Sample): string {
  const p = proxy.value.replace(/\/+$/, '');
  const host = p.replace(/^https?:\/\//, '');
  const login = `http://${agent}:${token}@${host}`;
  const path = at.path || '/';
  const url = at.base ? at.base.replace(/\/+$/, '') + path : `https://api.example.com${path}`;
  const based = `${p}/${at.connector || 'CONNECTOR'}`;
  switch (kind) {
    case 'exec': return `export ATTACHE_PROXY=${p} ATTACHE_AGENT=${agent} ATTACHE_TOKEN=${token}\nattache exec -- curl ${url}`;
    case 'curl': return `curl -H 'Authorization: Bearer ${token}' ${based}${path}`;
    case 'python': return `import requests\n\nr = requests.get("${based}${path}", headers={"Authorization": "Bearer ${token}"})\nprint(r.status_code, r.text)`;
    case 'node': return `const r = await fetch("${based}${path}", { headers: { Authorization: "Bearer ${token}" } });\nconsole.log(r.status, await r.text());`;
    case 'sdk': return `# the SDK's base URL, and what it takes for its key:\nbase_url = "${based}"\napi_key  = "${token}"`;
    default: return `export https_proxy=${login}\nattache ca > attache-ca.pem\ngit -c http.sslCAInfo=attache-ca.pem clone https://github.com/OWNER/REPOSITORY`;
  }
}

export function Commands({ agent = 'AGENT', token = 'TOKEN', at = {} }: { agent?: string; token?: string; at?: Sample }) {
  const [kind, set] = useState('exec');
  return (
    <div class="commands">
      <div class="tabs" role="group" aria-label="Kind of client">{kinds.map(([k, name]) => <button key={k} type="button" class="tab" aria-pressed={k === kind} onClick={() => set(k)}>{name}</button>)}</div>
      <Command text={text(kind, agent, token, at)} label="Command" />
      <Field label="The proxy’s address" value={proxy.value} set={(v) => { proxy.value = v; }} hint={token === 'TOKEN' ? 'Put the agent’s own token where TOKEN stands; it was shown when it was made.' : undefined} />
    </div>
  );
}
