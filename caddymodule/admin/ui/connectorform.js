import { call, get } from './api.js';
import { el, labelled, busy, notice } from './dom.js';

const oauth = ['client_credentials', 'refresh_token', 'authorization_code', 'device_code'];
const grants = {
  client_credentials: 'Client credentials', refresh_token: 'Refresh token', authorization_code: 'A person signs in (authorization code)',
  device_code: 'A person types a code (device code)', gcs_service_account: 'Google service account', aws_iam: 'AWS keys (IAM)',
};
const text = (attrs = {}) => el('input', { autocomplete: 'off', spellcheck: false, ...attrs });
const secret = () => text({ type: 'password' });
const choice = (options) => el('select', {}, Object.entries(options).map(([value, label]) => el('option', { value }, label)));

// fields of a custom connector: how each is called, what it is filled in with, and
// for which grant types it is (none named: for all).
const fields = () => [
  ['title', 'Title', text({ maxLength: 128, placeholder: 'the name' })],
  ['grant_type', 'Grant type', choice(grants)],
  ['hosts', 'Hosts that the credential goes to, separated by spaces', text({ placeholder: 'the usual ones' })],
  ['wildcard_reason', 'With a * in a host: why every name that fits belongs to the service itself', text({})],
  ['base_url', 'Base URL', text({ placeholder: 'https:// and the first host' })],
  ['token_url', 'Token URL', text({ type: 'url', required: true }), oauth],
  ['authorize_url', 'Authorize URL', text({ type: 'url', required: true }), ['authorization_code']],
  ['device_url', 'Device authorization URL', text({ type: 'url', required: true }), ['device_code']],
  ['content_type', 'Content type of the token request', choice({ '': 'application/x-www-form-urlencoded', 'application/json': 'application/json' }), oauth],
  ['header_as_payload', 'Header as payload: client ID and secret go in the body of the token request', el('input', { type: 'checkbox' }), oauth],
  ['scope', 'Scope, separated by spaces', text(), [...oauth, 'gcs_service_account']],
  ['client_id', { aws_iam: 'Access key ID', '': 'Client ID' }, text(), [...oauth, 'aws_iam']],
  ['client_secret', { aws_iam: 'Secret access key', '': 'Client secret' }, secret(), [...oauth, 'aws_iam']],
  ['refresh_token', 'Refresh token', secret(), ['refresh_token']],
  ['service_account', 'Key file (JSON)', el('textarea', { rows: 4, spellcheck: false }), ['gcs_service_account']],
  ['service_account_email', 'Service account e-mail', text({ type: 'email' }), ['gcs_service_account']],
  ['test_path', 'Test: a path that answers 200 to a GET with a good credential', text({ placeholder: '/v1/me' })],
];
const secrets = ['client_secret', 'refresh_token', 'service_account'];

// nameField is a connector's name: a variable name.
const nameField = () => text({ required: true, maxLength: 63, pattern: '[A-Za-z][A-Za-z0-9_\\-]*', title: 'Letters, digits, _ and -, beginning with a letter, no spaces' });
const nameLabel = 'Name: letters, digits, _ and -, no spaces';

// newConnector asks what the connector is made of.
export async function newConnector(main, done) {
  const place = el('div');
  const ways = { form: 'OAuth service, by form', yaml: 'Any service, as YAML', mcp: 'MCP server, by its URL' };
  const made = { form: (box) => connectorForm(box, null, done), yaml: (box) => definitionForm(box, null, done), mcp: (box) => mcpForm(box, done) };
  const way = choice(ways);
  const ask = () => {
    const box = el('div'); // its own, so that a form which comes late replaces no other
    place.replaceChildren(box);
    return made[way.value](box);
  };
  way.addEventListener('change', () => busy(null, async () => ask()));
  main.replaceChildren(el('h2', {}, 'New connector'), el('div', { className: 'bar' }, labelled('What it is', way)), place);
  await ask();
}

// connectorForm makes a new connector, or edits c.
export async function connectorForm(main, c, done) {
  if (c && !c.form?.hosts) return definitionForm(main, c, done);
  const stored = c?.form || {};
  const agents = (await get('/agents?limit=500')).items.filter((a) => a.organisation === 'default');
  const name = nameField();
  const active = el('input', { type: 'checkbox', checked: !c || c.active });
  const list = fields().map(([key, label, input, only]) => ({ key, label, input, only, row: labelled('', input) }));
  const input = (key) => list.find((f) => f.key === key).input;
  for (const { key, input: i } of list) {
    if (i.type === 'checkbox') i.checked = Boolean(stored[key]);
    else if (secrets.includes(key)) i.placeholder = c ? 'unchanged' : '';
    else i.value = key === 'hosts' ? (stored.hosts || []).join(' ') : stored[key] || (key === 'grant_type' ? 'client_credentials' : '');
  }
  const boxes = agents.map((a) => [a, el('input', { type: 'checkbox', value: a.id, checked: Boolean(c?.agents?.includes(a.id)) })]);
  const fit = () => {
    for (const f of list) {
      f.row.hidden = Boolean(f.only) && !f.only.includes(input('grant_type').value);
      f.input.disabled = f.row.hidden; // so that nothing hidden is required
      f.row.firstChild.data = typeof f.label === 'string' ? f.label : f.label[input('grant_type').value] || f.label[''];
    }
  };
  input('grant_type').addEventListener('change', fit);
  fit();
  const body = () => {
    const out = { active: active.checked };
    for (const { key, input: i, row } of list) {
      const v = i.type === 'checkbox' ? i.checked : i.value.trim();
      if (row.hidden || (v === '' && (secrets.includes(key) || !stored[key]))) continue;
      if (v === false && !stored[key]) continue;
      if (key === 'client_id' && v === stored[key]) continue; // what is sent is tested anew
      out[key] = key === 'hosts' ? v.split(/[\s,]+/).filter(Boolean) : v;
    }
    const chosen = boxes.filter(([, b]) => b.checked).map(([, b]) => b.value);
    if (chosen.join() !== boxes.filter(([a]) => c?.agents?.includes(a.id)).map(([a]) => a.id).join()) out.agents = chosen;
    return out;
  };
  const form = el('form', { className: 'panel', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      const made = c ? await call('PATCH', `/connectors/${encodeURIComponent(c.key)}`, { ...body(), version: c.version })
        : await call('POST', '/connectors', { name: name.value.trim(), ...body() });
      notice(`The connector is ${made.state}.`);
      done(made);
    });
  } }, !c && labelled(nameLabel, name), list.map((f) => f.row),
  boxes.length > 0 && el('fieldset', {}, el('legend', {}, 'Agents that may use it'), boxes.map(([a, b]) => el('label', {}, b, ` ${a.name}`))),
  el('label', {}, 'Active ', active), actions(c, done));
  main.replaceChildren(...(c ? [el('h2', {}, `Edit ${c.title}`)] : []), form);
  (c ? input('title') : name).focus();
}

const actions = (c, done) => el('div', { className: 'actions' }, el('button', { className: 'main' }, c ? 'Save' : 'Make'),
  el('button', { type: 'button', onclick: () => done(c) }, 'Cancel'));

// make stores a new connector.
const make = async (name, body, done) => {
  const made = await call('POST', '/connectors', { name: name.value.trim(), ...body });
  notice(`The connector is ${made.state}.`);
  done(made);
};

// definitionForm makes a connector of YAML, or edits c, which is made of it.
function definitionForm(main, c, done) {
  const name = nameField();
  const source = el('textarea', { rows: 20, className: 'mono', spellcheck: false, required: true, value: c ? c.definition : example });
  main.replaceChildren(...(c ? [el('h2', {}, `Edit ${c.title}`)] : []), el('form', { className: 'panel', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      if (!c) return make(name, { definition: source.value }, done);
      done(await call('PATCH', `/connectors/${encodeURIComponent(c.key)}`, { definition: source.value, version: c.version }));
    });
  } }, !c && labelled(`${nameLabel}; it is the key in the YAML`, name), labelled('Definition (YAML)', source), actions(c, done)));
  (c ? source : name).focus();
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

// mcpForm makes a connector of a remote MCP server: the server says the rest.
function mcpForm(main, done) {
  const name = nameField();
  const url = text({ type: 'url', required: true, placeholder: 'https://mcp.example.com/mcp' });
  main.replaceChildren(el('form', { className: 'panel', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, () => make(name, { mcp: url.value.trim() }, done));
  } }, labelled(nameLabel, name), labelled('URL of the server', url), actions(null, done)));
  name.focus();
}
