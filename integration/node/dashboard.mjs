// Walks the dashboard as docs/dashboard.md says that people do, and lets axe look at
// every page in both themes and widths. Prints FAIL and what is wrong, a line each,
// and at the end: states N.
import { readFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const { ADMIN, TOKEN, PROXY, CANARY, PICTURES } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const fail = (...what) => console.log('FAIL', ...what.map((w) => (w instanceof Error ? w.message.split('\n').slice(0, 3).join(' | ') : w)));
const api = async (method, path, body) => {
  const res = await fetch(`${ADMIN}/api/v1${path}`, { method, headers: { Authorization: `Bearer ${TOKEN}`, ...(body && { 'Content-Type': 'application/json' }) }, body: body && JSON.stringify(body) });
  return res.status === 204 ? {} : res.json();
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
let states = 0;

// open is a window; what its scripts and its policy complain of is a failure, and so
// is every request to somewhere else.
async function open(width = 1280) {
  const context = await browser.newContext({ colorScheme: 'light', viewport: { width, height: width < 500 ? 844 : 860 } });
  context.setDefaultTimeout(30_000);
  context.on('request', (r) => { if (!r.url().startsWith(`${ADMIN}/`) && !/^(blob|data):/.test(r.url()) && !r.url().includes('127.0.0.1') && !r.url().includes('localhost')) fail('a request outside:', r.url()); });
  const page = await context.newPage();
  watch(page);
  return page;
}

function watch(page) {
  page.on('pageerror', (e) => fail('a script of the page:', e));
  page.on('console', (m) => { if (m.type() === 'error' && !/status of (4|502)|ERR_FAILED/.test(m.text())) fail('the console:', m.text()); });
}

async function signIn(page) {
  await page.goto(`${ADMIN}/ui/`);
  await page.getByLabel('Admin token').fill(TOKEN);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation').or(page.getByRole('button', { name: 'Menu' })).first().waitFor();
}

// settled waits until a page shows what it reads.
const settled = (page) => page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('.loading'));

// visit goes to a page of the dashboard, which is made anew each time.
async function visit(page, hash) {
  await page.evaluate((h) => {
    document.querySelector('h1').dataset.before = 'yes';
    location.hash = `#/${h}`;
  }, hash);
  await page.waitForFunction(() => { const h = document.querySelector('h1'); return h && !h.dataset.before; });
}

// look lets axe look at the page as it is, in light with every rule, and in dark with
// those of colours: nothing else differs.
async function look(page, name) {
  await settled(page);
  if (!(await page.evaluate(() => Boolean(window.axe)))) {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Runtime.evaluate', { expression: axe });
  }
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    const only = scheme === 'light' ? { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] } : { type: 'rule', values: ['color-contrast', 'link-in-text-block'] };
    const found = await page.evaluate((runOnly) => window.axe.run(document, { runOnly, resultTypes: ['violations'] })
      .then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')}`)), only);
    states++;
    found.forEach((f) => fail('axe at', name, scheme, f));
    if (PICTURES) { mkdirSync(PICTURES, { recursive: true }); await page.screenshot({ path: `${PICTURES}/${`${name} ${scheme}`.replace(/\W+/g, '-')}.png`, fullPage: !/^connect(,|ors,)/.test(name) }); }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  const seen = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - innerWidth, title: document.title,
    text: document.documentElement.outerHTML + [...document.querySelectorAll('input,textarea')].map((i) => i.value).join(),
  }));
  if (seen.wide > 0) fail(name, 'is', seen.wide, 'pixels too wide');
  if (seen.text.includes(CANARY)) fail(name, 'shows a secret');
  if (!/ · Attaché$/.test(seen.title)) fail(name, 'has the title', seen.title);
}

async function step(name, f) {
  try { await f(); } catch (err) { fail(name, err); }
}

// --- an operator at first start --------------------------------------------------

const page = await open();
let agent;
await step('first start', async () => {
  await signIn(page);
  await page.getByText('First steps').waitFor();
  // From Home to a connected key in five interactions: 1 the button, 2 the words, 3 Enter, 4 the key, 5 the button.
  await page.getByRole('link', { name: 'Connect a service' }).click();
  await page.locator('#q:focus').waitFor();
  await page.keyboard.type('fiels'); // the search has the focus; the letters changed places
  await page.getByText('1 service. Enter opens it.').waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Connect Files' }).waitFor();
  await page.waitForFunction(() => document.querySelector('main img.logo')?.naturalWidth); // its mark is there
  await page.locator('main :focus').waitFor(); // something has the focus on a new page
  await page.getByRole('radio', { name: /key/i }).check();
  await page.getByLabel('Key', { exact: true }).fill(CANARY);
  await page.getByRole('button', { name: 'Connect' }).click();
  await page.locator('.error').first().waitFor(); // the service refuses it, and the form says so
  await page.getByText('Name and owner').click();
  await page.getByLabel('Store without a test').check();
  await page.getByLabel('Name').fill('الملفات <b>& "mine"</b> '.repeat(3).trim());
  await page.getByRole('button', { name: 'Store' }).click();
  await page.getByRole('button', { name: 'Use without a test' }).click();
  await page.getByText('activated by operator').first().waitFor();
  await page.getByRole('link', { name: 'Agents' }).click();
  await page.getByLabel('New agent').fill('two words');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByText('A name has no + : / @ and no spaces.').waitFor();
  await page.getByLabel('New agent').fill('walker');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  agent = await page.locator('.once input[readonly]').inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('More it may').click();
  await page.getByLabel('Bring a credential of its own').check();
  await page.getByText('Narrow it further').click();
  await page.getByLabel('Operations').fill('permit everything');
  await page.getByRole('button', { name: 'Give access' }).click();
  await page.locator('.field.wrong .error').waitFor(); // what the server says stands beside the field
  await page.getByLabel('Operations').fill('allow read');
  await page.getByRole('button', { name: 'Give access' }).click();
  await page.getByText('May only read, and bring a credential of its own').waitFor();
  await page.getByRole('link', { name: 'Home' }).click();
  await page.locator('.steps li.done').nth(2).waitFor(); // three are ticked
  // The agent calls: Home ticks the last by itself and turns to numbers.
  const res = await fetch(`${PROXY}/files/api/whoami`, { headers: { Authorization: `Bearer ${agent}` } });
  await res.arrayBuffer();
  await page.getByText('Calls, 24 h').waitFor();
});

// --- an operator on a bad day ----------------------------------------------------

await step('bad day', async () => {
  const refused = await fetch(`${PROXY}/files/api/whoami`, { method: 'POST', headers: { Authorization: `Bearer ${agent}` } });
  if (refused.status !== 403) fail('writing with a rule to read is answered', refused.status);
  await page.getByRole('link', { name: 'Audit' }).click();
  await page.getByLabel('Outcome').selectOption('refused');
  await page.getByRole('button', { name: /Refused/ }).first().click();
  await page.getByText('operation_denied').first().waitFor();
  await page.getByRole('link', { name: /agt_/ }).first().waitFor();
  await page.waitForURL(/outcome=refused/);
  await page.getByLabel('Follow').check();
  await page.getByText('what happens now appears at the top').waitFor();
  for (const format of ['CSV', 'JSONL']) {
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `Export ${format}` }).click()]);
    const text = readFileSync(await file.path(), 'utf8');
    if (!text.includes('operation_denied') || text.includes(CANARY)) fail('the export holds', text.slice(0, 200));
  }
  // The account: who used it, pause, resume, rename, replace, disconnect.
  await page.getByRole('link', { name: 'Accounts' }).click();
  await page.locator('a.named').first().click();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('It is paused', { exact: false }).first().waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByLabel('Name', { exact: true }).fill('renamed');
  await page.getByRole('button', { name: 'Save' }).first().click();
  await page.getByRole('heading', { name: /renamed/ }).waitFor();
  await page.getByRole('button', { name: 'Replace credentials' }).click();
  await page.getByLabel('Key', { exact: true }).fill(`${CANARY}-2`);
  await page.getByRole('button', { name: 'Test and replace' }).click();
  await page.locator('.acts .error').first().waitFor();
  await page.getByRole('link', { name: 'Who used it' }).click();
  await page.getByText('/api/whoami').first().waitFor();
  await page.goBack();
  await page.getByRole('heading', { name: /renamed/ }).waitFor();
  await page.getByRole('button', { name: 'Remove access' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove access' }).click();
  await page.getByText('No agent yet.').waitFor();
});

// --- a person decides ------------------------------------------------------------

await step('approvals', async () => {
  const asks = (await api('GET', '/agents?name=walker')).items[0];
  const [of] = (await api('GET', '/accounts?limit=500')).items.filter((a) => !a.read_only);
  const grant = await api('POST', `/agents/${asks.id}/grants`, { account_id: of.id, scopes: ['read', 'write'], operations: ['ask POST /api/** wait 5m', 'allow read'] });
  const send = () => fetch(`${PROXY}/files/api/whoami`, { method: 'POST', headers: { Authorization: `Bearer ${agent}`, 'Content-Type': 'text/plain' }, body: 'what the agent wants <b>now</b>' });
  await page.getByRole('link', { name: 'Approvals' }).click();
  await page.getByText('Nothing waits.').waitFor();
  const first = send();
  await page.getByText('what the agent wants <b>now</b>').waitFor(); // it comes by itself, and as text
  await look(page, 'approvals, waiting');
  await page.getByRole('button', { name: /^Approve once/ }).click();
  if (((await first).headers.get('attache-error') || '').startsWith('approval')) fail('after a yes the agent gets', (await first).headers.get('attache-error'));
  await page.getByText('Nothing waits.').waitFor();
  const second = send();
  await page.getByRole('button', { name: /^Deny/ }).click();
  await page.getByLabel('Why').fill('not now');
  await page.keyboard.press('Enter');
  const said = await (await second).json();
  if (said.code !== 'approval_denied' || !said.detail.includes('not now')) fail('after a no the agent gets', JSON.stringify(said));
  await page.getByRole('row', { name: /Denied/ }).getByRole('link').click();
  await page.getByText('not now').waitFor();
  await api('DELETE', `/agents/${asks.id}/grants/${grant.id}`);
});

// --- how much is used --------------------------------------------------------------

await step('budgets', async () => {
  const by = (await api('GET', '/agents?name=walker')).items[0];
  const [of] = (await api('GET', '/accounts?limit=500')).items.filter((a) => !a.read_only);
  await api('PATCH', `/agents/${by.id}`, { budgets: ['4 requests per month'] });
  await api('PATCH', `/accounts/${of.id}`, { budgets: ['1000 requests per day'] });
  await api('POST', `/agents/${by.id}/grants`, { account_id: of.id, scopes: ['read'], budgets: ['5 requests per month'] });
  const send = () => fetch(`${PROXY}/files/api/whoami`, { headers: { Authorization: `Bearer ${agent}` } });
  for (let i = 0; i < 4; i++) await send();
  if ((await send()).headers.get('attache-error') !== 'budget_exceeded') fail('a budget that is used up permits a call');
  await visit(page, `agents/${by.id}`);
  await page.getByText(/^4 used/).first().waitFor();
  await page.getByText('Used up', { exact: true }).waitFor();
  await page.getByText('Nearly used up').waitFor(); // the grant's
  await visit(page, `accounts/${of.id}`);
  await page.getByText(/^4 used/).first().waitFor();
  await page.getByText('begins anew').first().waitFor();
  await visit(page, '');
  await page.getByRole('heading', { name: 'Budgets' }).waitFor();
  await page.getByText('Used up', { exact: true }).waitFor();
});

// --- the other pages' actions ----------------------------------------------------

await step('webhooks', async () => {
  await page.getByRole('link', { name: 'Webhooks' }).click();
  await page.getByLabel('URL').fill('https://hooks.example.com/walk');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Send a ping' }).click();
  await page.getByRole('button', { name: 'Send again' }).first().click();
  await page.getByRole('button', { name: 'Switch off' }).click();
  await page.getByRole('button', { name: 'Switch on' }).waitFor();
});
await step('tokens', async () => {
  await page.getByRole('link', { name: 'Admin tokens', exact: true }).click();
  await page.getByLabel('Name').fill('of the walk');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Delete token of the walk' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('It is deleted.').waitFor();
});
await step('bulk', async () => {
  for (const name of ['b1', 'b2', 'b3']) await api('POST', '/agents', { name });
  await page.getByRole('link', { name: 'Agents' }).click();
  await page.getByLabel('Search').fill('b');
  await page.getByRole('link', { name: 'b3' }).waitFor();
  await page.getByLabel('Select all').check();
  await page.getByRole('region', { name: /selected/ }).getByRole('button', { name: 'Pause' }).click();
  await page.getByText(/paused\./).waitFor();
  await page.getByRole('button', { name: 'Name', exact: true }).click();
  await page.waitForURL(/sort=Name/);
});
await step('keys', async () => {
  await page.locator('h1').click();
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await page.getByRole('heading', { name: 'Connect' }).waitFor();
  await page.locator('h1').click();
  await page.keyboard.press('/');
  await page.locator('input[type=search]:focus').waitFor();
  await page.keyboard.press('Tab');
});
await step('all services without a step', async () => {
  await page.goto(`${ADMIN}/ui/#/connect`);
  await settled(page);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.getByText('Zuora').or(page.getByText('Zulip')).first().waitFor();
  const n = await page.locator('a.service').count();
  if (n > 150) fail(n, 'services are in the page at once');
});

// --- a person with a link --------------------------------------------------------

await step('a link', async () => {
  const waiting = await api('POST', '/accounts', { connector: 'files', name: 'of a person' });
  const link = await api('POST', '/connect/sessions', { account_id: waiting.id, option: 'oauth' });
  const person = await open(390);
  await person.goto(link.url);
  await person.getByRole('button', { name: /Continue to Files/ }).waitFor();
  await api('DELETE', `/connect/sessions/${link.id}`);
  await person.reload();
  const gone = await person.locator('main, body').first().innerText();
  if (!/took the link back/.test(gone)) fail('a link that was taken back shows:', gone.replace(/\s+/g, ' ').slice(0, 300));
  await person.goto(`${ADMIN}/connect/ats_mistyped`);
  await person.getByText(/leads nowhere|no longer/).waitFor();
  await person.context().close();
});

// --- what goes wrong -------------------------------------------------------------

await step('service away', async () => {
  await page.route('**/api/v1/accounts*', (r) => r.abort());
  await page.goto(`${ADMIN}/ui/#/accounts`);
  await page.getByText('could not be read').waitFor();
  await look(page, 'accounts, away');
  await page.unroute('**/api/v1/accounts*');
  await page.locator('a.named').first().waitFor(); // by itself
});
await step('a clock that is wrong', async () => {
  const late = await open();
  await late.clock.install({ time: new Date(Date.now() - 3 * 3600_000) });
  await signIn(late);
  await late.getByText(/clock is 1[78]\d minutes behind/).waitFor();
  await late.context().close();
});
await step('a blocked pop-up', async () => {
  const b = await open();
  await b.addInitScript(() => { window.open = () => null; });
  await signIn(b);
  await b.goto(`${ADMIN}/ui/#/connect/files`);
  const asked = b.getByRole('group', { name: 'It asks Files to let it' });
  await asked.getByLabel('Know who you are').uncheck();
  await asked.getByLabel('Read what').uncheck();
  await b.getByRole('button', { name: 'Continue to Files' }).click();
  await asked.getByText('Leave at least one.').waitFor();
  await asked.getByLabel('Know who you are').check();
  await b.getByText('Name and owner').click();
  await b.getByLabel('Name').fill('narrow');
  await b.getByRole('button', { name: 'Continue to Files' }).click();
  await b.getByRole('link', { name: 'Open the page' }).waitFor();
  const [narrow] = (await api('GET', '/accounts?q=narrow')).items;
  if (String(narrow?.requested_scopes) !== 'openid') fail('an account whose sign-in was narrowed asks for', narrow?.requested_scopes);
  await look(b, 'a pop-up that was blocked');
  await b.context().close();
});
await step('signed out meanwhile', async () => {
  const made = await api('POST', '/tokens', { name: 'soon gone', role: 'admin' });
  const b = await open();
  await b.goto(`${ADMIN}/ui/#/agents`);
  await b.getByLabel('Admin token').fill(made.token);
  await b.getByRole('button', { name: 'Sign in' }).click();
  await b.getByLabel('New agent').waitFor();
  await api('DELETE', `/tokens/${made.id}`);
  await b.evaluate(() => { location.hash = '#/tokens'; });
  await b.getByText('You were signed out meanwhile').waitFor();
  await look(b, 'signed out');
  await b.getByLabel('Admin token').fill(TOKEN);
  await b.getByRole('button', { name: 'Sign in' }).click();
  await b.getByRole('heading', { name: 'Admin tokens' }).waitFor(); // where they were
  await b.context().close();
});
await page.context().close();

// --- every page, in both themes and widths ---------------------------------------

const [account] = (await api('GET', '/accounts?limit=500')).items.filter((a) => !a.read_only);
const walker = (await api('GET', '/agents?name=walker')).items[0];
const asked = (await api('GET', '/approvals')).items[0];
const hook = (await api('GET', '/webhooks')).items[0];
const pages = {
  home: '', connect: 'connect', 'connect, found': 'connect?q=gogle+calender', 'connect, none': 'connect?q=qqqqqqq', 'connect, key': 'connect/stripe', 'connect, sign-in': 'connect/files', 'connect, scopes': 'connect/github', accounts: 'accounts',
  account: `accounts/${account?.id}`, agents: 'agents', agent: `agents/${walker?.id}`, connectors: 'connectors', connector: 'connectors/files', 'new connector': 'connectors/new', approvals: 'approvals', approval: `approvals/${asked?.id}`, audit: 'audit', 'audit, refused': 'audit?outcome=refused',
  webhooks: 'webhooks', webhook: `webhooks/${hook?.id}`, apps: 'apps', presigned: 'presigned', tokens: 'tokens', organisations: 'organisations', settings: 'settings', 'no such page': 'nowhere', 'no such account': 'accounts/acc_nosuch',
};
await Promise.all([1280, 390].map((width) => step(width, async () => {
  const p = await open(width);
  await signIn(p);
  for (const [name, hash] of Object.entries(pages)) {
    await step(`${name} ${width}`, async () => { await visit(p, hash); await look(p, `${name}, ${width}`); });
  }
  await p.context().close();
})));
await browser.close();
console.log('states', states);
