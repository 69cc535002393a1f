PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE attache_schema (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO attache_schema VALUES(1,0,1,'2026-11-29 08:26:05');
INSERT INTO attache_schema VALUES(2,1,1,'2026-11-29 08:26:06');
INSERT INTO attache_schema VALUES(3,2,1,'2026-11-29 08:26:06');
INSERT INTO attache_schema VALUES(4,3,1,'2026-11-29 08:26:06');
CREATE TABLE settings (
    name       TEXT   NOT NULL PRIMARY KEY,
    value      TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
INSERT INTO settings VALUES('vault.id','vlt_0sgpc2v5td8000p2nm3p0kx8sm',1,1795940766045014);
CREATE TABLE secrets (
    owner_id    TEXT   NOT NULL,
    field       TEXT   NOT NULL,
    sealed      TEXT   NOT NULL,
    key_id      TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL,
    tail        TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (owner_id, field)
);
INSERT INTO secrets VALUES('vault','check','gAAAAABrC-GegwN_LisMDs73kxmZYG-QphDnu3tLmEoOxUjKGBe7nQpG64It09wBJaz08oMIt5tA3YUjfVP0z3oHfUoY2n00p0gS4xalvO5YiGTtrbJQQTg=','beeb45bd','083ee1dcaeb9b642','',1795940766045090);
INSERT INTO secrets VALUES('vault','fingerprint','gAAAAABrC-Ge-OoiLMAV7P6imwLyIWTTqgYfQ2ugrIaW5ISgYDj9M_rthRm1VlRj5QbaXHo8YSCkfLgto7JpBfDpm5cJND7SzbsqEiNxEE33BMMemS6zEmZSH_Gi_H3TAGiQVjQCX3W4HefLrXizQ8wRGvYSycVDh9AOXQ4lLKWrSDie3NsrhE9BxUhdqOzgGYtBbns_4bs9','beeb45bd','db48d4b6a7f762a6','3bb4',1795940766045171);
INSERT INTO secrets VALUES('acc_0sgpc2v5xkg000t137nqqbn0j8','@refresh_token','gAAAAABrC-GeD4A98jJWOxeVLuY_0-ia5mSSlQ6RejyRw2IhLVzLOL0igaPNzrQ57GQ4XGf4fVG8JceV25l8znpUg7hfkLufdKjwo9OWMHOjZFBVCejUN98OPNIrysSPFleQS4pUNGXEHpOQk5x_AxmeutNZWMrotUcMPPhPHz-8U1Lvv0u2myY=','beeb45bd','74e8ec74523f8eed','6789',1795940766052802);
INSERT INTO secrets VALUES('acc_0sgpc2v5xkg000t137nqqbn0j8','@token','gAAAAABrC-GeEDYDqQQcR8fCqR969-uk7do8f9M0BNuwwLNEzLTyViiqzcKSda5rmaeh4hWb2-im4Ug0fVpOI6RPPgFLj4IvMvDKh3T7-ZSea9fzUtRUXZcb1aptBJVdWuTNS5CQig0QX1TZCbQJFSghrlgBcEEycg==','beeb45bd','e690d7fd4955fb7a','6789',1795940766053102);
INSERT INTO secrets VALUES('acc_0sgpc2v5xkg000t137nqqbn0j8','api_key','gAAAAABrC-Ge2y6H6THV0hp5BdLdr19pbBZaeBMK-usSWsABvvRLHB4OMtU9gB7DlRjHcmiIAT5acsXl9652eAVCj3w9sMRb9XfInjebGlVfNS5EkRo3pKIfr7ZjLvlJeHsuH-n52JHeXY3_kyZj8fEgCRPlQVKrwUWryjcFFKC58V_wyu5fCN4=','beeb45bd','083518b67f830ff6','6789',1795940766053189);
INSERT INTO secrets VALUES('app_0sgpc2v5zq10027ny2gte4zkar','client_secret','gAAAAABrC-GeW5B0M7Msyl2dADJOyHcVs42hCF4njCPvNRC6TyQ5Gy0KXDmNa4NOt5boK7VgdKtU_34C4rNHLVLA6Cbs1ba5uwe-J1zn2ZjU5W_i7WiI7yy1kYB6WaUXWj4zr07iEarRCx1pw2HowtEU865ZujmDOK5e_XBOZy8-QAf3JLvsfdo=','beeb45bd','267ea9713f8f069b','6789',1795940766056229);
INSERT INTO secrets VALUES('ses_0sgpc2v60tf002hdz685n8e450','verifier','gAAAAABrC-Ge3i96swGtLRkJcDSn0_KWE5K_IZ-ZIz8tRFsAU9SbTxiBThe3KugNR2k4FzeLqCz4gP0MpePX-UOQF1wzfA_fW2MtVMOXiLM6HBOOe9sv7fq6HcDrThpAKexxdQ8kwzxVnp3c4iU14wYTqnZ-cTsBi_UB0Emu1AVaxnvJGaUObZc=','beeb45bd','2a8bc10783c096ee','6789',1795940766059047);
INSERT INTO secrets VALUES('whk_0sgpc2v63ng0030arp80a6n6sc','@signing','gAAAAABrC-Gexg0pOZOUvtiK1rSH0TuhRJx6o4fVCO-kxVEGrJPM6S1kZx3rODtTDoLv1ohw77K307wCb-3UwFMHcyVT_rxdFuiBP5RMIWa5g0nd9tu852-boPW_14e1HRNxL_UkbRpmrr9D6BbfQW-tNR1_A00--H-Jdjw-SifCUqzud7eRUKlnrRY7-lhCjghM17VyA0tf','beeb45bd','2120fe77c416d96e','0aM=',1795940766064207);
CREATE TABLE connectors (
    id           TEXT   NOT NULL PRIMARY KEY,
    key          TEXT   NOT NULL UNIQUE,
    organisation TEXT   NOT NULL,
    title        TEXT   NOT NULL,
    type         TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    definition   TEXT   NOT NULL,
    form         TEXT   NOT NULL,
    last_error   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
CREATE TABLE apps (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    mode         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    client_id    TEXT   NOT NULL,
    params       TEXT   NOT NULL,
    active       BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    UNIQUE (connector, organisation, name)
);
INSERT INTO apps VALUES('app_0sgpc2v5zq10027ny2gte4zkar','*','github','managed','default','old-client','null',1,1795940766055874,1795940766055874,1);
CREATE TABLE accounts (
    id                TEXT   NOT NULL PRIMARY KEY,
    organisation      TEXT   NOT NULL,
    connector         TEXT   NOT NULL,
    auth_option       TEXT   NOT NULL,
    name              TEXT   NOT NULL,
    identifier        TEXT   NOT NULL,
    identifier_type   TEXT   NOT NULL,
    app_id            TEXT   NOT NULL,
    state             TEXT   NOT NULL,
    resume_to         TEXT   NOT NULL,
    state_code        TEXT   NOT NULL,
    state_detail      TEXT   NOT NULL,
    state_since       BIGINT NOT NULL,
    connected_at      BIGINT NOT NULL,
    scopes            TEXT   NOT NULL,
    provider_id       TEXT   NOT NULL,
    provider_label    TEXT   NOT NULL,
    provider_email    TEXT   NOT NULL,
    fields            TEXT   NOT NULL,
    captured          TEXT   NOT NULL,
    metadata          TEXT   NOT NULL,
    settings          TEXT   NOT NULL,
    test_mode         BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL,
    generation        BIGINT NOT NULL,
    lease_owner       TEXT   NOT NULL,
    lease_until       BIGINT NOT NULL,
    fence             BIGINT NOT NULL,
    intent_fence      BIGINT NOT NULL,
    intent_at         BIGINT NOT NULL,
    intent_generation BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    version           BIGINT NOT NULL,
    UNIQUE (organisation, connector, identifier_type, identifier, name)
);
INSERT INTO accounts VALUES('acc_0sgpc2v5xkg000t137nqqbn0j8','default','github','oauth','old','u','user','','active','','connected','',1795940766053535,1795940766053535,'null','','','','{"host":"git.example"}','null','null','{}',0,2208988800000000,1,'',0,1,0,0,0,1795940766051552,1795940766053840,1);
CREATE TABLE agents (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    connectors   TEXT   NOT NULL,
    disabled     BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    metadata     TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    UNIQUE (organisation, name)
);
CREATE TABLE agent_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    agent_id   TEXT   NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL UNIQUE,
    hint       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE grants (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    agent_id     TEXT   NOT NULL,
    account_id   TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    connector    TEXT   NOT NULL,
    scopes       TEXT   NOT NULL,
    rules        TEXT   NOT NULL,
    expires_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    UNIQUE (agent_id, account_id)
);
CREATE TABLE connect_sessions (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    account_id   TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash         TEXT   NOT NULL UNIQUE,
    state_hash   TEXT   NOT NULL,
    flow         TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    scopes       TEXT   NOT NULL,
    data         TEXT   NOT NULL,
    error        TEXT   NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
INSERT INTO connect_sessions VALUES('ses_0sgpc2v60tf002hdz685n8e450','default','acc_0sgpc2v5xkg000t137nqqbn0j8','e56ffbdac763e48bb2e16d562d111bc4ad335c6aa8638b64058c3f503b363634','9e4af0c1bd46a78372f99f00873156d48a670790854a8cd7cb7a27c303720eef','redirect','open','null','null','','system:',1795940766058142,2426660766058142,1);
CREATE TABLE audit (
    id           TEXT   NOT NULL PRIMARY KEY,
    at           BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    code         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    actor_kind   TEXT   NOT NULL,
    actor        TEXT   NOT NULL,
    agent_id     TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    method       TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    path         TEXT   NOT NULL,
    status       BIGINT NOT NULL,
    bytes_in     BIGINT NOT NULL,
    bytes_out    BIGINT NOT NULL,
    micros       BIGINT NOT NULL,
    detail       TEXT   NOT NULL
);
INSERT INTO audit VALUES('evt_0sgpc2v5ydag013wrhmfjf756w',1795940766053205,'admin','account.created','default','system','','','github','acc_0sgpc2v5xkg000t137nqqbn0j8','','','',0,0,0,0,'');
INSERT INTO audit VALUES('evt_0sgpc2v5ymjg01mt0fmgp0n1fr',1795940766053669,'state','account.active','default','system','','','github','acc_0sgpc2v5xkg000t137nqqbn0j8','','','',0,0,0,0,'connected');
INSERT INTO audit VALUES('evt_0sgpc2v5zy9g029vfkbrk1kdyw',1795940766056339,'admin','app.created','*','system','','','github','','','','',0,0,0,0,'app_0sgpc2v5zq10027ny2gte4zkar');
INSERT INTO audit VALUES('evt_0sgpc2v619gg02sgabk2k3tx7g',1795940766059105,'admin','session.created','default','system','','','github','acc_0sgpc2v5xkg000t137nqqbn0j8','','','',0,0,0,0,'redirect');
INSERT INTO audit VALUES('evt_0sgpc2v63wvg038nfkdbxdjgb0',1795940766064439,'admin','webhook.created','default','system','','','','','','','',0,0,0,0,'whk_0sgpc2v63ng0030arp80a6n6sc');
CREATE TABLE usage (
    account_id    TEXT   NOT NULL,
    day           BIGINT NOT NULL,
    calls         BIGINT NOT NULL,
    errors        BIGINT NOT NULL,
    auth_errors   BIGINT NOT NULL,
    bytes_in      BIGINT NOT NULL,
    bytes_out     BIGINT NOT NULL,
    last_used     BIGINT NOT NULL,
    last_success  BIGINT NOT NULL,
    last_error_at BIGINT NOT NULL,
    last_error    TEXT   NOT NULL,
    PRIMARY KEY (account_id, day)
);
CREATE TABLE usage_paths (
    account_id TEXT   NOT NULL,
    day        BIGINT NOT NULL,
    path       TEXT   NOT NULL,
    calls      BIGINT NOT NULL,
    PRIMARY KEY (account_id, day, path)
);
CREATE TABLE admin_tokens (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL UNIQUE,
    role         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,
    hint         TEXT   NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE TABLE idempotency_keys (
    owner      TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    request    TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    headers    TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE TABLE webhooks (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    url          TEXT   NOT NULL,
    events       TEXT   NOT NULL,
    active       BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
INSERT INTO webhooks VALUES('whk_0sgpc2v63ng0030arp80a6n6sc','default','https://hooks.example/x','["*"]',1,1795940766063968,1795940766063968,1);
CREATE TABLE deliveries (
    id         TEXT   NOT NULL PRIMARY KEY,
    webhook_id TEXT   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id   TEXT   NOT NULL,
    event      TEXT   NOT NULL,
    payload    TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    error      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL
);
CREATE TABLE changes (
    seq    BIGINT NOT NULL PRIMARY KEY,
    origin TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    change TEXT   NOT NULL
);
INSERT INTO changes VALUES(1,'rep_0sgpc2v4qrtg009cxnebnx9eh4',1795940766054209,'[{"k":"account","i":"acc_0sgpc2v5xkg000t137nqqbn0j8","c":"github"},{"k":"account","i":"acc_0sgpc2v5xkg000t137nqqbn0j8","c":"github"}]');
INSERT INTO changes VALUES(2,'rep_0sgpc2v4qrtg009cxnebnx9eh4',1795940766056455,'[{"k":"app","i":"app_0sgpc2v5zq10027ny2gte4zkar","c":"github"}]');
CREATE TABLE signins (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('attache_schema',4);
CREATE INDEX secrets_by_key ON secrets (key_id, owner_id, field);
CREATE INDEX accounts_by_organisation ON accounts (organisation, id);
CREATE INDEX accounts_by_connector ON accounts (connector, id);
CREATE INDEX accounts_by_connector_state ON accounts (connector, state, id);
CREATE INDEX accounts_by_state ON accounts (state, id);
CREATE INDEX accounts_by_identifier ON accounts (identifier, id);
CREATE INDEX accounts_by_org_connector ON accounts (organisation, connector, state, id);
CREATE INDEX accounts_by_org_state ON accounts (organisation, state, id);
CREATE INDEX accounts_by_expiry ON accounts (state, expires_at);
CREATE INDEX agents_by_organisation ON agents (organisation, id);
CREATE INDEX agent_tokens_by_agent ON agent_tokens (agent_id, id);
CREATE INDEX grants_by_agent ON grants (agent_id, connector, id);
CREATE INDEX grants_by_account ON grants (account_id, id);
CREATE INDEX grants_by_organisation ON grants (organisation, id);
CREATE UNIQUE INDEX connect_sessions_by_state ON connect_sessions (state_hash) WHERE state_hash <> '';
CREATE INDEX connect_sessions_by_account ON connect_sessions (account_id);
CREATE INDEX connect_sessions_by_expiry ON connect_sessions (expires_at);
CREATE INDEX audit_by_account ON audit (account_id, id) WHERE account_id <> '';
CREATE INDEX audit_by_agent ON audit (agent_id, id) WHERE agent_id <> '';
CREATE INDEX audit_by_kind ON audit (kind, id);
CREATE INDEX audit_by_organisation ON audit (organisation, id);
CREATE INDEX usage_by_day ON usage (day);
CREATE INDEX usage_paths_by_day ON usage_paths (day);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_by_end ON deliveries (ended_at);
CREATE INDEX signins_by_expiry ON signins (expires_at);
CREATE INDEX accounts_by_name ON accounts (name, id);
CREATE INDEX accounts_for_tests ON accounts (organisation, id) WHERE test_mode = 1;
COMMIT;
