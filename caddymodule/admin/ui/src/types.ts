// What the API answers, as far as the pages read it.
export type Me = { name: string; role: 'admin' | 'operator' | 'viewer'; organisation: string; csrf_token?: string; expires_at?: string };
export type Budget = { owner_kind: 'agent' | 'account' | 'grant'; owner_id: string; owner: string; budget: string; used: number; most: number; currency?: string; shown: string; resets_at: string };
export type List<T> = { items: T[]; next?: string };
export type Reason = { code: string; detail?: string };

export type Settings = { auto_refresh: boolean; rate_limit: number; timeout: number; retry_attempts: number };
export type Account = {
  id: string; organisation: string; connector: string; option?: string; name: string; identifier?: string; identifier_type?: string; app_id?: string;
  state: string; state_reason?: Reason; state_since?: string; connected_at?: string; scopes: string[];
  provider?: { id?: string; label?: string; email?: string }; fields?: Record<string, string>; settings: Settings; test_mode: boolean;
  expires_at: string | null; last_used_at: string | null; last_error: { at: string; error: string } | null;
  secrets?: { field: string; fingerprint: string; last4?: string; updated_at: string }[];
  created_at?: string; updated_at?: string; version?: number; read_only?: boolean;
};
export type Agent = {
  id: string; organisation: string; name: string; description?: string; connectors: string[] | null; disabled: boolean; expires_at?: string;
  created_at?: string; version?: number; read_only?: boolean;
};
export type Rule = { hosts?: string[]; methods?: string[]; path?: string };
export type Grant = {
  id?: string; organisation: string; agent_id: string; account_id?: string; connector: string; scopes: string[]; rules?: Rule[]; operations?: string[];
  expires_at?: string; created_at?: string; version?: number; read_only?: boolean;
};
export type TokenInfo = { id: string; name: string; last4: string; created_at: string; expires_at?: string; token?: string | null };
export type AdminToken = TokenInfo & { role: string; organisation: string; created_by: string };
export type Option = { name: string; title?: string; type: string; flow: string };
export type Connector = {
  key: string; title: string; category?: string; type: string; state: string; active: boolean; custom: boolean; organisation?: string; docs?: string;
  hosts: string[]; shares_hosts_with?: string[]; base_url?: string; options: Option[]; definition?: string; form?: Record<string, any>;
  account_id?: string; agents?: string[]; last_error?: string; version?: number;
  description?: string; aliases?: string[]; matched?: string;
};
export type FieldSchema = { title: string; description?: string; pattern?: string; format?: string; default?: string; enum?: string[]; writeOnly?: boolean };
export type MetadataOption = Option & {
  help?: string; key_page?: string; scopes?: string[]; scope_list?: { name: string; allows: string }[];
  schema: { properties: Record<string, FieldSchema>; required: string[]; 'x-order': string[] };
};
export type Metadata = { key: string; title: string; docs?: string; options: MetadataOption[] };
export type AuditEvent = {
  id: string; at: string; kind: string; code?: string; organisation: string; actor_kind?: string; actor?: string; agent_id?: string; connector?: string;
  account_id?: string; method?: string; host?: string; path?: string; status?: number; bytes_in?: number; bytes_out?: number; duration_ms?: number; detail?: string; operation?: string; effect?: string; resource?: string; run_id?: string;
  [more: string]: unknown;
};
export type Run = {
  id: string; organisation: string; state: 'running' | 'ended' | 'lapsed'; agent_id: string; agent: string; program: string; user?: string; host?: string; confined: boolean;
  began_at: string; seen_at: string; ended_at?: string; why?: string; calls: number; refusals: number;
};
export type Pair = { name: string; value: string };
export type Approval = {
  id: string; kind: string; organisation: string; state: string; agent_id: string; agent: string; connector: string; account_id: string; account: string; grant_id?: string;
  operation?: string; effect: string; resource?: string; method: string; url: string; rule: string; allows?: string; scopes: string[]; while_held?: boolean;
  requested_at: string; expires_at: string; scope?: string; decided_by?: string; decided_at?: string; reason?: string; used_at?: string;
  preview?: { query?: Pair[]; headers?: Pair[]; body?: string; bytes: number; note?: string; said?: string };
};
export type Tool = { id: string; connector: string; account: string; host: string; name: string; changed: boolean; says: string; new_says?: string; new_digest?: string };
export type App = {
  id: string; organisation: string; connector: string; mode: string; name: string; client_id?: string; redirect_uri?: string; hosts: string[]; active: boolean;
  secrets?: { field: string; last4?: string }[]; created_at: string; version: number;
};
export type Webhook = { id: string; organisation: string; url: string; events: string[]; active: boolean; created_at: string; version: number; secret?: string | null };
export type Delivery = {
  id: string; event_id: string; event: string; state: string; attempts: number; status?: number; error?: string; next_at?: string; created_at: string; ended_at?: string; payload: unknown;
};
export type Organisation = { name: string; accounts: number; agents: number; calls: number; errors: number };

// Usage of one account, agent or connector, by day, the oldest first.
export type Usage = { id: string; calls: number; errors: number; days: number[]; grants?: number; accounts?: number; failing?: number };
export type Slot = { at: string; calls: number; errors: number };
export type Top = { id: string; title?: string; calls: number; errors: number };
export type Overview = {
  accounts: Record<string, number>; agents: number; grants: number; approvals: number; called: boolean;
  calls: number; errors: number; refusals: number; refreshes: number; refresh_failures: number; p50_ms?: number; p95_ms?: number;
  hours: Slot[]; days: Slot[]; connectors: Top[]; agents_by_calls: Top[];
  needs: Account[]; ending: Account[]; refused: AuditEvent[];
};
