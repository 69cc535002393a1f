"""GET a URL with one of Python's HTTP libraries and print the answer's body.

    get.py LIBRARY URL [--http2] [--stream]

Proxy and trust come from the environment, as an agent's program would have
them. --stream prints each line with the seconds since the first one instead.
"""

import sys
import time


def lines(chunks):
    start, rest = None, ""
    for chunk in chunks:
        start = start or time.monotonic()
        rest += chunk.decode()
        *full, rest = rest.split("\n")
        for line in full:
            if line:
                print(f"{time.monotonic() - start:.2f} {line}", flush=True)


def with_requests(url, stream):
    import requests

    r = requests.get(url, stream=stream, timeout=30)
    return r.status_code, r.iter_content(None) if stream else r.content


def with_session(url, stream):
    """Many calls on one session: connections are kept."""
    import requests

    with requests.Session() as s:
        for _ in range(5):
            r = s.post(url, json={"n": 1}, timeout=30)
    return r.status_code, r.content


def with_httpx(url, stream, http2=False):
    import httpx

    with httpx.Client(http2=http2, timeout=30) as c:
        if not stream:
            r = c.get(url)
            if http2 and r.http_version != "HTTP/2":
                raise SystemExit(f"spoke {r.http_version}, not HTTP/2")
            return r.status_code, r.content
        with c.stream("GET", url) as r:
            lines(r.iter_bytes())
            return r.status_code, b""


def with_httpx_async(url, stream):
    import asyncio

    import httpx

    async def get():
        async with httpx.AsyncClient(timeout=30) as c:
            answers = await asyncio.gather(*(c.get(url) for _ in range(10)))
            return max(r.status_code for r in answers), answers[0].content

    return asyncio.run(get())


def with_urllib3(url, stream):
    import os

    import urllib3

    proxy = os.environ.get(url.split(":")[0].upper() + "_PROXY")
    trust = {"ca_certs": os.environ.get("SSL_CERT_FILE")} if url.startswith("https") else {}
    if proxy:
        auth = urllib3.util.parse_url(proxy).auth
        headers = urllib3.make_headers(proxy_basic_auth=auth) if auth else None
        pool = urllib3.ProxyManager(proxy, proxy_headers=headers, **trust)
    else:
        pool = urllib3.PoolManager(**trust)
    r = pool.request("GET", url, retries=False, timeout=30)
    return r.status, r.data


def with_urllib(url, stream):
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=30) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def main():
    library, url = sys.argv[1:3]
    stream = "--stream" in sys.argv
    options = {"http2": True} if "--http2" in sys.argv else {}
    status, body = globals()["with_" + library](url, stream, **options)
    if stream and not isinstance(body, bytes):
        lines(body)
        body = b""
    sys.stdout.write(body.decode())
    if status != 200:
        sys.exit(f"status {status}")


main()
