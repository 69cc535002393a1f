"""What every call has in common."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from http.client import HTTPException
from typing import Any, Dict, List, Optional


class AttacheError(Exception):
    """An error of the API, by its code; or that nobody answered (status 0)."""

    def __init__(self, status: int, code: str, detail: str, errors: Optional[List[Dict[str, Any]]] = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None  # the token goes to the origin alone


def segment(value: str) -> str:
    """One segment of a path. "." and ".." would become another path."""
    if value in ("", ".", ".."):
        raise ValueError(f"{value!r} is no id")
    return urllib.parse.quote(value, safe="")


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return value.isoformat() if isinstance(value, datetime) else str(value)


class Caller:
    def __init__(self, origin: Optional[str], token: Optional[str], timeout: float) -> None:
        origin = origin or os.environ.get("ATTACHE_ADMIN") or "http://127.0.0.1:8081"
        token = token or os.environ.get("ATTACHE_ADMIN_TOKEN")
        url = urllib.parse.urlsplit(origin)
        if not (url.scheme == "https" or url.scheme == "http" and _here(url.hostname or "")):
            raise ValueError("origin must be https, or http on this machine: the token would be readable on the way")
        if not token:
            raise ValueError("there is no token: give one, or set ATTACHE_ADMIN_TOKEN")
        self._origin = f"{url.scheme}://{url.netloc}"
        self._token = token.strip()
        self._timeout = timeout
        handlers: List[Any] = [_NoRedirects(), urllib.request.HTTPSHandler(context=ssl.create_default_context())]
        if _here(url.hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))  # an agent's HTTP_PROXY is no way to this machine
        self._opener = urllib.request.build_opener(*handlers)

    def call(self, method: str, path: str, query: Optional[Dict[str, Any]], body: Any, idempotency_key: Optional[str] = None, if_match: Optional[str] = None) -> Any:
        asked = {k: _text(v) for k, v in (query or {}).items() if v is not None}
        url = self._origin + path + ("?" + urllib.parse.urlencode(asked) if asked else "")
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        if if_match:
            headers["If-Match"] = if_match
        try:
            with self._opener.open(urllib.request.Request(url, data, headers, method=method), timeout=self._timeout) as res:
                status, text = res.status, res.read()
        except urllib.error.HTTPError as err:
            with err:
                raise self._problem(f"{method} {path}", err.code, err.read()) from None
        except (OSError, HTTPException) as err:
            raise AttacheError(0, "UNREACHABLE", f"{method} {path} got no answer: {err}") from err
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError:
            raise AttacheError(status, "UNEXPECTED", f"{method} {path} was not answered in JSON") from None

    @staticmethod
    def _problem(what: str, status: int, text: bytes) -> AttacheError:
        try:
            problem = json.loads(text)
            return AttacheError(status, problem["code"], problem.get("detail", ""), problem.get("errors"))
        except (ValueError, KeyError, TypeError):
            return AttacheError(status, "UNEXPECTED", f"{what} was answered {status} by something else than Attaché")


class AsyncCaller:
    """The same calls, each in a thread of its own: the standard library has no other HTTP."""

    def __init__(self, origin: Optional[str], token: Optional[str], timeout: float) -> None:
        self._caller = Caller(origin, token, timeout)

    async def call(self, *args: Any) -> Any:
        return await asyncio.to_thread(self._caller.call, *args)
