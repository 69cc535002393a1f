import { signal } from '@preact/signals';
import { get, me } from '../api';
import { proxy } from '../commands';
import { useLoad } from '../load';
import { href } from '../router';
import { Button, everywhere, Facts, Field, Mono, Page, Section, Show, Time } from '../ui';
import { bytes, count } from '../words';
import { signOut } from '../signin';

const theme = signal(document.documentElement.dataset.theme || '');

type Status = { driver: string; schema_version: number; bytes: number; rows: Record<string, number>; keys: string[]; sealed: Record<string, number>; dropped_events: number };

export function SettingsPage() {
  const who = me.value!;
  return (
    <Page title="Settings">
      <div class="columns">
        <Section title="This page">
          <Field label="Appearance" value={theme.value} set={(v) => { theme.value = v; if (v) document.documentElement.dataset.theme = v; else delete document.documentElement.dataset.theme; }} options={[['', 'As the system'], ['light', 'Light'], ['dark', 'Dark']]} hint="Until the page is closed: nothing is kept in this browser." />
          <Field label="The proxy’s address" value={proxy.value} set={(v) => { proxy.value = v; }} mono hint="Where agents reach it. It stands in the commands that are shown." />
        </Section>
        <Section title="You" actions={<Button small onClick={signOut}>Sign out</Button>}>
          <Facts of={[['Name', who.name], ['Role', who.role], ['Organisation', who.organisation === '*' ? 'every one' : who.organisation], ['Signed in until', who.expires_at && <Time at={who.expires_at} />]]} />
        </Section>
        {everywhere() && <Vault />}
        <Section title="Keyboard"><Facts of={[['/', 'Search on this page'], ['g h', 'Home'], ['g c', 'Connect'], ['g a', 'Accounts'], ['g g', 'Agents'], ['g n', 'Connectors'], ['g l', 'Audit']].map(([k, v]) => [k, v])} /></Section>
        <Section title="More"><ul class="plain"><li><a href="/api/v1/openapi.json">The REST API’s description (OpenAPI)</a></li><li>What else is set stands in the configuration file; <a href={href('tokens')}>admin tokens</a> and <a href={href('webhooks')}>webhooks</a> are here.</li></ul></Section>
      </div>
    </Page>
  );
}

function Vault() {
  const s = useLoad<Status>('status', (x) => get('/status', x));
  return (
    <Section title="The vault" lead="What is remembered, sealed.">
      <Show of={s} what="The vault’s state">{(d) => <Facts of={[['Database', d.driver], ['Size', bytes(d.bytes)], ['Tables', `version ${d.schema_version}`], ...['accounts', 'agents', 'grants', 'audit'].map((t): [string, string] => [t[0].toUpperCase() + t.slice(1), count(d.rows[t] || 0)]),
        ['Keys', <Mono>{d.keys.join(', ')}</Mono>], ['Audit events lost', d.dropped_events ? <span class="badtext">{count(d.dropped_events)}</span> : 'none']]} />}</Show>
    </Section>
  );
}
