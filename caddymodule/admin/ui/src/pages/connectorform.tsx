// Making and editing custom connectors: by form, as YAML, or of an MCP server's URL.
import { useState } from 'preact/hooks';
import { call, create, enc, get } from '../api';
import { useLoad } from '../load';
import { go, href } from '../router';
import { Check, Field, Form, notice, Page, Show } from '../ui';
import type { Agent, Connector, List } from '../types';

const oauth = ['client_credentials', 'refresh_token', 'authorization_code', 'device_code'];
const grants: [string, string][] = [
  ['client_credentials', 'Client credentials'], ['refresh_token', 'Refresh token'], ['authorization_code', 'A person signs in (authorization code)'],
  ['device_code', 'A person types a code (device code)'], ['gcs_service_account', 'Google service account'], ['aws_iam', 'AWS keys (IAM)'],
];

// A field of a custom connector: how it is called, and for which grant types it is
// (none named: for all).
type Asked = { key: string; label: string | Record<string, string>; only?: string[]; type?: string; required?: boolean; placeholder?: string; options?: [string, string][]; rows?: number; check?: boolean; secret?: boolean };

const fields: Asked[] = [
  { key: 'title', label: 'Title', placeholder: 'the name' },
  { key: 'grant_type', label: 'Grant type', options: grants },
  { key: 'hosts', label: 'Hosts that the credential goes to, separated by spaces', placeholder: 'the usual ones' },
  { key: 'wildcard_reason', label: 'With a * in a host: why every name that fits belongs to the service itself' },
  { key: 'base_url', label: 'Base URL', placeholder: 'https:// and the first host' },
  { key: 'token_url', label: 'Token URL', type: 'url', required: true, only: oauth },
  { key: 'authorize_url', label: 'Authorize URL', type: 'url', required: true, only: ['authorization_code'] },
  { key: 'device_url', label: 'Device authorization URL', type: 'url', required: true, only: ['device_code'] },
  { key: 'content_type', label: 'Content type of the token request', options: [['', 'application/x-www-form-urlencoded'], ['application/json', 'application/json']], only: oauth },
  { key: 'header_as_payload', label: 'Header as payload: client ID and secret go in an Authorization header (off: in the body of the token request)', check: true, only: oauth },
  { key: 'scope', label: 'Scope, separated by spaces', only: [...oauth, 'gcs_service_account'] },
  { key: 'client_id', label: { aws_iam: 'Access key ID', '': 'Client ID' }, only: [...oauth, 'aws_iam'] },
  { key: 'client_secret', label: { aws_iam: 'Secret access key', '': 'Client secret' }, secret: true, only: [...oauth, 'aws_iam'] },
  { key: 'refresh_token', label: 'Refresh token', secret: true, only: ['refresh_token'] },
  { key: 'service_account', label: 'Key file (JSON)', rows: 4, secret: true, only: ['gcs_service_account'] },
  { key: 'service_account_email', label: 'Service account e-mail', type: 'email', only: ['gcs_service_account'] },
  { key: 'test_path', label: 'Test: a path that answers 200 to a GET with a good credential', placeholder: '/v1/me' },
];

const nameRules = { required: true, max: 63, pattern: '[A-Za-z][A-Za-z0-9_\\-]*', title: 'A name has letters, digits, _ and -, begins with a letter, and has no spaces' };
const nameLabel = 'Name: letters, digits, _ and -, no spaces';

const ways: [string, string][] = [['form', 'OAuth service, by form'], ['yaml', 'Any service, as YAML'], ['mcp', 'MCP server, by its URL']];

export function NewConnector() {
  const [way, setWay] = useState('form');
  const done = (c: Connector | null) => { if (c) notice(`The connector is ${c.state}.`); go('connectors', ...(c ? [c.key] : [])); };
  return (
    <Page title="New connector" back={[href('connectors'), 'Connectors']} lead="For a service that is not built in.">
      <section class="card narrow" aria-label="New connector">
        <Field label="What it is" value={way} set={setWay} options={ways} />
        {way === 'form' ? <ConnectorForm done={done} /> : way === 'yaml' ? <DefinitionForm done={done} /> : <MCPForm done={done} />}
      </section>
    </Page>
  );
}

// ConnectorForm makes a new connector, or edits c.
export function ConnectorForm({ c, done }: { c?: Connector; done: (c: Connector | null) => unknown }) {
  const agents = useLoad('agents of default', (s) => get<List<Agent>>('/agents?limit=200&organisation=default', s));
  if (c && !c.form?.hosts) return <div class="card narrow"><DefinitionForm c={c} done={done} /></div>;
  return <Show of={agents} what="The list of agents">{(l) => <div class={c && 'card narrow'}><FormOf c={c} agents={l.items} done={done} /></div>}</Show>;
}

function FormOf({ c, agents, done }: { c?: Connector; agents: Agent[]; done: (c: Connector | null) => unknown }) {
  const stored = c?.form || {};
  const [name, setName] = useState('');
  const [active, setActive] = useState(!c || c.active);
  const before = new Set(c?.agents || []);
  const [chosen, setChosen] = useState(before);
  const [values, setValues] = useState<Record<string, string | boolean>>(() => Object.fromEntries(fields.map((f) => [f.key,
    f.check ? Boolean(stored[f.key]) : f.secret ? '' : f.key === 'hosts' ? (stored.hosts || []).join(' ') : stored[f.key] || (f.key === 'grant_type' ? 'client_credentials' : '')])));
  const grant = values.grant_type as string;
  const shown = fields.filter((f) => !f.only || f.only.includes(grant));
  const body = () => {
    const out: Record<string, unknown> = { active };
    for (const f of shown) {
      const v = typeof values[f.key] === 'string' ? (values[f.key] as string).trim() : values[f.key];
      if (v === '' && (f.secret || !stored[f.key])) continue;
      if (v === false && !stored[f.key]) continue;
      if (f.key === 'client_id' && v === stored[f.key]) continue; // what is sent is tested anew
      out[f.key] = f.key === 'hosts' ? (v as string).split(/[\s,]+/).filter(Boolean) : v;
    }
    if ([...chosen].sort().join() !== [...before].sort().join()) out.agents = [...chosen];
    return out;
  };
  return (
    <Form yes={c ? 'Save' : 'Create'} cancel={() => done(c || null)} names={['name', ...fields.map((f) => f.key)]} send={async () => done(c ? await call('PATCH', `/connectors/${enc(c.key)}`, { ...body(), version: c.version }) : await create('/connectors', { name: name.trim(), ...body() }))}>
      {(w) => <>
        {!c && <Field label={nameLabel} name="name" value={name} set={setName} {...nameRules} focus error={w.fields.name} />}
        {shown.map((f) => {
          const set = (v: any) => setValues((old) => ({ ...old, [f.key]: v }));
          const label = typeof f.label === 'string' ? f.label : f.label[grant] || f.label[''];
          return f.check ? <Check key={f.key} label={label} value={values[f.key] as boolean} set={set} />
            : <Field key={f.key} name={f.key} label={label} value={values[f.key] as string} set={set} type={f.rows ? undefined : f.secret ? 'password' : f.type} rows={f.rows} options={f.options} required={f.required} placeholder={f.secret && c ? 'unchanged' : f.placeholder} error={w.fields[f.key]} max={f.key === 'title' ? 128 : undefined} />;
        })}
        {agents.length > 0 && <fieldset><legend>Agents that may use it</legend>{agents.map((a) => <Check key={a.id} label={a.name} data={a.id} value={chosen.has(a.id)} set={(on) => setChosen((old) => { const s = new Set(old); if (on) s.add(a.id); else s.delete(a.id); return s; })} />)}</fieldset>}
        <Check label="Active" value={active} set={setActive} />
      </>}
    </Form>
  );
}

const example = `key: acme
title: Acme
hosts: [api.acme.example]
auth:
  key:
    type: credentials
    fields:
      api_key: {title: API key, secret: true}
    sign: bearer
test: {get: /v1/me, expect: 200}
`;

// DefinitionForm makes a connector of YAML, or edits c, which is made of it.
function DefinitionForm({ c, done }: { c?: Connector; done: (c: Connector | null) => unknown }) {
  const [name, setName] = useState('');
  const [source, setSource] = useState(c?.definition || example);
  return (
    <Form yes={c ? 'Save' : 'Create'} cancel={() => done(c || null)} names={['name', 'definition']} send={async () => done(c ? await call('PATCH', `/connectors/${enc(c.key)}`, { definition: source, version: c.version }) : await create('/connectors', { name: name.trim(), definition: source }))}>
      {(w) => <>
        {!c && <Field label={`${nameLabel}; it is the key in the YAML`} name="name" value={name} set={setName} {...nameRules} focus error={w.fields.name} />}
        <Field label="Definition (YAML)" name="definition" value={source} set={setSource} rows={20} mono required focus={Boolean(c)} error={w.fields.definition} />
      </>}
    </Form>
  );
}

// MCPForm makes a connector of a remote MCP server: the server says the rest.
function MCPForm({ done }: { done: (c: Connector | null) => unknown }) {
  const [name, setName] = useState('');
  const [url, setURL] = useState('');
  return (
    <Form yes="Create" cancel={() => done(null)} names={['name', 'mcp']} send={async () => done(await create('/connectors', { name: name.trim(), mcp: url.trim() }))}>
      {(w) => <>
        <Field label={nameLabel} name="name" value={name} set={setName} {...nameRules} focus error={w.fields.name} />
        <Field label="URL of the server" name="mcp" type="url" value={url} set={setURL} required placeholder="https://mcp.example.com/mcp" error={w.fields.mcp} />
      </>}
    </Form>
  );
}
