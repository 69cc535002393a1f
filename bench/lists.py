#!/usr/bin/env python3
"""How long the API's lists take with many accounts, agents and audit events.

    bench/lists.py BINARY               a SQLite vault
    bench/lists.py BINARY postgres://…  an empty PostgreSQL database

Makes one account, agent and grant through the API, stops the program, fills the
vault by copying their rows in SQL, starts it again and asks for each list that the
dashboard reads. Prints the 50th and 95th percentile of each in milliseconds, and
fails if one is above 150. It then keeps running with --stay, for a browser.
"""
import argparse, http.client, json, os, shutil, socket, sqlite3, subprocess, sys, tempfile, time

args = argparse.ArgumentParser()
args.add_argument('binary')
args.add_argument('database', nargs='?', default='')
args.add_argument('--accounts', type=int, default=100_000)
args.add_argument('--agents', type=int, default=10_000)
args.add_argument('--audit', type=int, default=1_000_000)
args.add_argument('--rounds', type=int, default=40)
args.add_argument('--stay', action='store_true')
args = args.parse_args()

directory = tempfile.mkdtemp(prefix='lists')
most = 150  # milliseconds


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


port, proxy = free_port(), free_port()
vault = f'postgres {args.database}' if args.database else f'sqlite {directory}/vault.db'
caddyfile = f'{directory}/Caddyfile'
with open(caddyfile, 'w') as f:
    f.write(f'''{{
	admin unix/{directory}/admin.sock
	storage file_system {directory}/storage
	log {{
		level ERROR
	}}
	attache {{
		vault {vault}
		key {{file.{directory}/vault.key}}
	}}
}}
http://:{proxy} {{
	bind 127.0.0.1
	attache
}}
http://:{port} {{
	bind 127.0.0.1
	attache_admin
}}
''')

connection = None


def request(method, path, body=None, token=''):
    global connection
    if connection is None:
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
    connection.request(method, path, body and json.dumps(body), {'Authorization': f'Bearer {token}', **({'Content-Type': 'application/json'} if body else {})})
    res = connection.getresponse()
    data = res.read()
    return res.status, data


def start():
    global connection
    connection = None
    p = subprocess.Popen([args.binary, 'run', '--config', caddyfile], env={**os.environ, 'HOME': directory}, stderr=open(f'{directory}/log', 'w'))
    for _ in range(600):
        try:
            if request('GET', '/ui/')[0] == 200:
                return p
        except OSError:
            connection = None
        if p.poll() is not None:
            sys.exit(open(f'{directory}/log').read()[-2000:])
        time.sleep(0.1)
    sys.exit('the program did not start')


def sql(statements):
    if args.database:
        subprocess.run(['psql', '-q', '-v', 'ON_ERROR_STOP=1', args.database], input=';\n'.join(statements) + ';\n', text=True, check=True)
        return
    db = sqlite3.connect(f'{directory}/vault.db')
    db.execute('PRAGMA synchronous=OFF')
    for s in statements:
        db.execute(s)
    db.commit()
    db.close()


def columns(table):
    if args.database:
        out = subprocess.run(['psql', '-Atc', f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' AND table_schema = current_schema() ORDER BY ordinal_position", args.database], capture_output=True, text=True, check=True)
        return out.stdout.split()
    db = sqlite3.connect(f'{directory}/vault.db')
    return [r[1] for r in db.execute(f'PRAGMA table_info({table})')]


def copies(table, n, template, **changed):
    """The statement that copies a row n times; i counts from 1."""
    names = columns(table)
    missing = set(changed) - set(names)
    assert not missing, f'{table} has no {missing}'
    values = ', '.join(changed.get(c, f't.{c}') for c in names)
    return f'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) INSERT INTO {table} ({", ".join(names)}) SELECT {values} FROM n, (SELECT * FROM {table} {template}) t'


def key(prefix_of, base, i='i'):
    return f"substr({prefix_of}, 1, length({prefix_of}) - 9) || CAST({base} + {i} AS TEXT)"


program = None
try:
    subprocess.run([args.binary, 'vault', 'keygen', '--out', f'{directory}/vault.key'], check=True, capture_output=True)
    program = start()
    made = subprocess.run([args.binary, 'admin', 'token', 'create', '--name', 'lists', '--role', 'admin', '--config', caddyfile], capture_output=True, text=True, check=True)
    token = made.stdout.strip()

    def call(method, path, body=None):
        status, data = request(method, '/api/v1' + path, body, token)
        if status >= 300:
            sys.exit(f'{method} {path}: {status} {data[:300]}')
        return json.loads(data or b'{}')

    agent = call('POST', '/agents', {'name': 'first'})
    account = call('POST', '/accounts', {'connector': 'stripe', 'name': 'first', 'credentials': {'api_key': 'sk_made_up'}, 'test': False})
    call('POST', f"/accounts/{account['id']}/activate")
    call('POST', f"/agents/{agent['id']}/grants", {'account_id': account['id'], 'scopes': ['read']})
    program.terminate()
    program.wait()

    connector = "CASE i % 5 WHEN 0 THEN 'stripe' WHEN 1 THEN 'github' WHEN 2 THEN 'slack' WHEN 3 THEN 'notion' ELSE 'openai' END"
    begun = time.time()
    rows = [
        copies('accounts', args.accounts, 'LIMIT 1', id=key('t.id', 100_000_000), name="'account-' || i", identifier="'user-' || (i / 3)", organisation="'org-' || (i % 50)", connector=connector,
               state="CASE WHEN i % 100 = 0 THEN 'expired' WHEN i % 7 = 0 THEN 'pending' ELSE 'active' END"),
        copies('agents', args.agents, 'LIMIT 1', id=key('t.id', 100_000_000), name="'agent-' || i", organisation="'org-' || (i % 50)"),
        copies('grants', args.accounts, 'LIMIT 1', id=key('t.id', 100_000_000), organisation="'org-' || (i % 50)", agent_id=key(f"CAST('{agent['id']}' AS TEXT)", 100_000_000, f'(i % {args.agents}) + 1'), account_id=key(f"CAST('{account['id']}' AS TEXT)", 100_000_000), connector=connector),
        copies('audit', args.audit, "WHERE code = 'account.created' LIMIT 1", id=key('t.id', 100_000_000), kind="CASE WHEN i % 50 = 0 THEN 'refusal' ELSE 'use' END", code="CASE WHEN i % 50 = 0 THEN 'not_permitted' ELSE '' END",
               organisation="'org-' || (i % 50)", actor_kind="'agent'", actor=f"'agent-' || (i % {args.agents} + 1)", agent_id=key(f"CAST('{agent['id']}' AS TEXT)", 100_000_000, f'(i % {args.agents}) + 1'),
               account_id=key(f"CAST('{account['id']}' AS TEXT)", 100_000_000, f'(i % {args.accounts}) + 1'), connector=connector, method="'GET'", host="'api.example.com'", path="'/v1/orders/' || (i % 997)",
               status="CASE WHEN i % 50 = 0 THEN 403 WHEN i % 33 = 0 THEN 500 ELSE 200 END", micros='1000 + i % 90000', at=f't.at - ({args.audit} - i)'),
    ]
    today = int(time.strftime('%Y%m%d', time.gmtime()))
    rows.append(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {args.accounts // 2}) INSERT INTO usage (account_id, day, calls, errors, auth_errors, bytes_in, bytes_out, last_used, last_success, last_error_at, last_error) "
                f"SELECT {key(chr(39) + account['id'] + chr(39), 100_000_000)}, {today}, i % 300, i % 7, 0, 1000, 1000, 0, 0, 0, '' FROM n")
    rows.append('ANALYZE')
    sql(rows)
    print(f'filled with {args.accounts} accounts, {args.agents} agents, {args.audit} audit events in {time.time() - begun:.0f} s', flush=True)

    program = start()
    some_agent, some_account = call('GET', '/agents?limit=1')['items'][0]['id'], call('GET', '/accounts?state=active&limit=1')['items'][0]['id']
    page = call('GET', '/accounts?limit=200')['next']
    lists = [
        '/overview', '/accounts?sort=-created&limit=200', '/accounts?sort=name&limit=200', '/accounts?q=account-777&limit=200', '/accounts?state=expired,error&limit=200', '/accounts?connector=github&limit=200',
        '/accounts?organisation=org-7&limit=200', f'/accounts?limit=200&after={page}', '/agents?sort=-created&limit=200', '/agents?sort=name&limit=200', '/agents?q=agent-77&limit=200', f'/agents/{some_agent}/grants?limit=200',
        f'/grants?account_id={some_account}&limit=100', '/audit?limit=100', '/audit?outcome=refused&limit=100', '/audit?outcome=failed&limit=100', f'/audit?agent_id={some_agent}&limit=100', f'/audit?account_id={some_account}&kind=use&limit=100',
        '/audit?connector=github&limit=100', '/audit?organisation=org-7&limit=100', '/audit?path=/v1/orders/77&limit=100', '/connectors?limit=1000', '/connectors?limit=1000&q=gogle+calender', '/usage?kind=connector&days=14', '/organisations?limit=500',
        f'/usage?kind=account&days=14&ids={some_account}', '/webhooks?limit=200', '/apps?limit=200', '/tokens?limit=200',
    ]
    worst = 0
    for path in lists:
        took = []
        for _ in range(args.rounds + 2):
            t = time.perf_counter()
            call('GET', path)
            took.append((time.perf_counter() - t) * 1000)
        took = sorted(took[2:])
        p95 = took[int(len(took) * .95) - 1]
        worst = max(worst, p95)
        print(f'{took[len(took) // 2]:8.1f} {p95:8.1f}  {"SLOW  " if p95 > most else ""}{path}', flush=True)
    print(f'the slowest: {worst:.0f} ms')
    if args.stay:
        print(f'http://127.0.0.1:{port}/ui/  {token}', flush=True)
        program.wait()
    sys.exit(worst > most)
finally:
    if program and program.poll() is None:
        program.terminate()
        program.wait()
    shutil.rmtree(directory, ignore_errors=True)
